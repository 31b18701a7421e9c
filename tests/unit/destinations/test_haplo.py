"""Haplo: each documented request byte for byte, and whole jobs on its simulator."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from batchdrop.destinations import haplo
from batchdrop.errors import RouteError
from batchdrop.operate import CannotOperate, rerun
from local.simulators.clock import ManualClock
from local.simulators.haplo import HaploSimulator
from local.simulators.haplo_control import TEXT_LIMIT
from local.simulators.server import Endpoint, Refusal
from local.simulators.wire import Call
from tests.unit.destinations.sets_fixtures import Desk

CONTROL = json.dumps(
    {
        "dataImportControlFileVersion": 0,
        "model": "haplo:person",
        "files": {"people.json": {"read": "json"}, "groups.tsv": {"read": "tsv-with-name-row"}},
        "instructions": [{"action": "new", "destination": "user"}],
    }
).encode()
PEOPLE = b'[{"name": "Zo\xc3\xab", "n": 1.10},\n {"name": "Bob"}]'
GROUPS = b"id\tname\ng1\tStaff\ng2\tGuests\ng3\tAll"
SET = {"control.json": CONTROL, "people.json": PEOPLE, "groups.tsv": GROUPS}
BASE = "/api/haplo-data-import-batch"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_800_000_000.0)


@pytest.fixture
def sim(clock: ManualClock) -> Iterator[HaploSimulator]:
    with HaploSimulator(clock=clock) as simulator:
        yield simulator


@pytest.fixture
def desk(sim: HaploSimulator, clock: ManualClock) -> Desk:
    example = sim.example()
    return Desk(sim, clock, example["route"], example["secret"])


def form(body: str, boundary: str) -> str:
    return body.replace(boundary, "BOUNDARY").replace("\r\n", "\n")


# --- the documented requests ---


def test_the_four_calls_are_made_as_documented_in_their_order(desk: Desk, sim: HaploSimulator) -> None:
    desk.drop(SET)
    calls = [(r.method, r.path, r.header("Content-Type").partition(";")[0]) for r in sim.requests]
    multi, plain = "multipart/form-data", "application/x-www-form-urlencoded"
    assert calls == [
        ("POST", f"{BASE}/control", multi),
        ("POST", f"{BASE}/batch", plain),
        ("POST", f"{BASE}/file", multi),
        ("POST", f"{BASE}/file", multi),
        ("POST", f"{BASE}/schedule", plain),
    ]
    key = base64.b64encode(b"haplo:haplo-api-key").decode()
    assert {r.header("Authorization") for r in sim.requests} == {f"Basic {key}"}
    assert sim.violations == []


def test_their_bodies_are_those_of_the_page(desk: Desk, sim: HaploSimulator) -> None:
    job = desk.drop(SET)
    control, batch, groups, people, schedule = sim.requests
    identifier = desk.batches(job)[0].receipt["batch"]
    digest = hashlib.sha256(CONTROL).hexdigest()
    assert batch.body == f"comment=people&control={digest}"
    assert schedule.body == f"batch={identifier}"

    def parts(request: Any) -> str:
        boundary = request.header("Content-Type").partition("boundary=")[2]
        return form(request.body, boundary)

    file = 'Content-Disposition: form-data; name="file"; filename="{}"\nContent-Type: application/octet-stream\n\n'
    assert parts(control) == (
        '--BOUNDARY\nContent-Disposition: form-data; name="comment"\n\npeople\n'
        f"--BOUNDARY\n{file.format('control.json')}{CONTROL.decode()}\n--BOUNDARY--\n"
    )
    for request, name, data in ((groups, "groups.tsv", GROUPS), (people, "people.json", PEOPLE)):
        assert parts(request) == (
            f'--BOUNDARY\nContent-Disposition: form-data; name="batch"\n\n{identifier}\n'
            f'--BOUNDARY\nContent-Disposition: form-data; name="name"\n\n{name}\n'
            f"--BOUNDARY\n{file.format(name)}{data.decode()}\n--BOUNDARY--\n"
        )


def test_a_dry_run_says_so_and_is_handed_over_too(desk: Desk, sim: HaploSimulator) -> None:
    desk.raw["account"]["mode"] = "dry-run"
    job = desk.drop(SET)
    report = desk.run(job)
    assert sim.calls("schedule")[0].body == f"batch={desk.batches(job)[0].receipt['batch']}&mode=dry-run"
    assert report["outcome"] == "handed_over"
    assert (len(sim.dry_runs), sim.commits) == (1, [])
    assert "dry run" in report["batches"][0]["message"]


def test_without_a_comment_the_batch_can_still_be_found_by_its_job(desk: Desk, sim: HaploSimulator) -> None:
    del desk.raw["account"]["comment"]
    job = desk.drop(SET)
    assert str(sim.calls("batch")[0].body).startswith(f"comment=batchdrop+{job}+batch+1&")


# --- whole jobs ---


@pytest.mark.acceptance("E11")
def test_a_scheduled_batch_is_handed_over_never_completed(desk: Desk, sim: HaploSimulator) -> None:
    job = desk.drop(SET)
    report = desk.run(job)
    assert report["outcome"] == "handed_over"
    assert report["counts"] | {"accepted": 0, "unconfirmed": 5} == report["counts"]
    assert report["batches"][0]["state"] == "handed_over"
    assert [body.data for body in sim.commits[0].bodies] == [GROUPS, PEOPLE]
    assert desk.rejects(job) == []
    assert sim.violations == []


@pytest.mark.acceptance("C10")
def test_an_unchanged_control_file_is_uploaded_once(desk: Desk, sim: HaploSimulator) -> None:
    desk.run(desk.drop(SET))
    desk.run(desk.drop(SET, folder="second"))
    assert (len(sim.calls("control")), len(sim.commits)) == (1, 2)
    changed = CONTROL.replace(b"haplo:person", b"haplo:person", 1) + b"\n"
    desk.run(desk.drop({**SET, "control.json": changed}, folder="third"))
    assert len(sim.calls("control")) == 2


def test_a_control_file_the_vendor_has_forgotten_is_uploaded_again(desk: Desk, sim: HaploSimulator) -> None:
    desk.run(desk.drop(SET))
    sim._controls.clear()
    assert desk.run(desk.drop(SET, folder="second"))["outcome"] == "handed_over"
    assert len(sim.calls("control")) == 2


@pytest.mark.acceptance("C3")
@pytest.mark.parametrize("endpoint", ["control", "file"])
def test_a_digest_that_differs_stops_the_batch_before_it_is_scheduled(
    desk: Desk, sim: HaploSimulator, endpoint: str
) -> None:
    sim.fault("wrong_digest", endpoint)
    job = desk.drop(SET)
    assert sim.calls("schedule") == []
    report = desk.run(job)
    assert report["outcome"] == "handed_over"  # a new batch went well
    assert len(sim.commits) == 1
    orphans = report["batches"][0]["orphans"]
    assert len(orphans) == (1 if endpoint == "file" else 0)


def test_a_digest_that_always_differs_fails_the_job(desk: Desk, sim: HaploSimulator) -> None:
    sim.fault("wrong_digest", "file", count=99)
    report = desk.run(desk.drop(SET))
    assert (report["outcome"], sim.commits) == ("failed", [])
    assert "groups.tsv: the digest answered" in report["reason"]
    assert sim.calls("schedule") == []


@pytest.mark.acceptance("D6")
@pytest.mark.parametrize("endpoint", ["control", "batch", "file"])
def test_a_page_instead_of_an_answer_points_at_the_api_key(desk: Desk, sim: HaploSimulator, endpoint: str) -> None:
    sim.fault("html200", endpoint, count=99)
    report = desk.run(desk.drop(SET))
    assert (report["outcome"], sim.commits) == ("failed", [])
    assert "API key" in report["reason"]


@pytest.mark.acceptance("D6")
def test_a_page_instead_of_scheduled_is_a_doubt_that_a_repeat_settles(desk: Desk, sim: HaploSimulator) -> None:
    sim.fault("html200", "schedule")
    job = desk.drop(SET)
    assert desk.batches(job)[0].state == "doubtful"
    assert desk.run(job)["outcome"] == "handed_over"
    assert len(sim.commits) == 1


@pytest.mark.acceptance("D2", "D3")
@pytest.mark.parametrize("fault", ["reset_after", "500", "truncated", "504"])
def test_a_lost_answer_to_schedule_is_settled_by_the_refusal_of_a_second_call(
    desk: Desk, sim: HaploSimulator, fault: str
) -> None:
    sim.fault(fault, "schedule", acts=True)
    report = desk.run(desk.drop(SET))
    assert report["outcome"] == "handed_over"
    assert (len(sim.calls("schedule")), len(sim.commits)) == (2, 1)
    assert len(sim.calls("file")) == 2  # no file goes to a batch that may have been scheduled
    assert sim.violations == []


def test_a_schedule_call_that_never_arrived_is_made_good_by_the_second(desk: Desk, sim: HaploSimulator) -> None:
    sim.fault("reset_before", "schedule")
    assert desk.run(desk.drop(SET))["outcome"] == "handed_over"
    assert len(sim.commits) == 1


def test_a_doubt_that_cannot_be_settled_by_the_deadline_is_held(desk: Desk, sim: HaploSimulator) -> None:
    sim.fault("500", "schedule", count=999, acts=False)
    report = desk.run(desk.drop(SET))
    assert report["outcome"] == "held"
    assert sim.violations == []


def test_a_flagged_resubmission_goes_to_a_new_batch(desk: Desk, sim: HaploSimulator) -> None:
    desk.raw["on_doubt"] = "resubmit"
    sim.fault("reset_after", "schedule")
    sim.fault("404", "schedule")
    report = desk.run(desk.drop(SET))
    assert len({commit.id for commit in sim.commits}) == 2
    assert report["batches"][0]["flagged"] is True
    assert any("possible_duplicate" in w for w in report["warnings"])
    assert sim.violations == []


@pytest.mark.parametrize("endpoint", ["control", "batch", "file"])
def test_a_lost_answer_before_schedule_is_repeated_without_harm(desk: Desk, sim: HaploSimulator, endpoint: str) -> None:
    sim.fault("reset_after", endpoint)
    assert desk.run(desk.drop(SET))["outcome"] == "handed_over"
    assert len(sim.commits) == 1
    assert sim.violations == []


@pytest.mark.acceptance("D5")
def test_a_refused_control_file_is_told_in_the_vendors_words(desk: Desk, sim: HaploSimulator) -> None:
    control = CONTROL.replace(b"haplo:person", b"haplo:robot")
    report = desk.run(desk.drop({**SET, "control.json": control}))
    assert report["outcome"] == "failed"
    assert "Invalid control file: model 'haplo:robot' is not implemented" in report["reason"]


@pytest.mark.parametrize("endpoint", ["control", "file"])
def test_neither_the_key_nor_a_record_is_told_where_the_vendor_repeats_them(
    desk: Desk, sim: HaploSimulator, monkeypatch: pytest.MonkeyPatch, endpoint: str
) -> None:
    def repeat(call: Call, at: Endpoint) -> None:
        if at.name == endpoint:
            packed = (call.header("Authorization") or "").partition(" ")[2]
            said = f"not with Basic {packed} or {sim.options.api_key}, {packed}: {call.body.read()!r}"
            raise Refusal(400, said)

    monkeypatch.setattr(sim, "check", repeat)
    told = json.dumps(desk.run(desk.drop(SET)))
    key = sim.options.api_key
    assert ("not with Basic [secret] or [secret], [secret]" in told) == (endpoint == "control")
    assert key not in told
    assert base64.b64encode(f"haplo:{key}".encode()).decode() not in told
    assert "Bob" not in told


@pytest.mark.acceptance("D4")
def test_a_refused_key_is_fetched_afresh_once_and_then_given_up(desk: Desk, sim: HaploSimulator) -> None:
    sim.fault("expired_token", "batch")
    assert desk.run(desk.drop(SET))["outcome"] == "handed_over"
    desk.secret["api_key"] = "wrong"
    report = desk.run(desk.drop(SET, folder="second"))
    assert (report["outcome"], report["failure"]["reason"]) == ("failed", "credentials")
    assert "wrong" not in json.dumps(report)
    assert len([v for v in sim.violations if v.rule == "credentials"]) == 2


def test_a_throttled_address_is_left_alone_for_five_minutes(
    desk: Desk, sim: HaploSimulator, clock: ManualClock
) -> None:
    sim._failures, sim._last_failure = 50, clock.now() - 10
    job = desk.drop(SET)
    assert desk.job(job).not_before == desk.ledger.now() + 300_000
    assert desk.run(job)["outcome"] == "handed_over"


# --- what is refused before anything is sent ---


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"people.json": PEOPLE}, "no file control.json"),
        ({"control.json": CONTROL}, "no file beside control.json"),
        ({"control.json": b"{broken", "people.json": PEOPLE}, "control.json: the control file is not a JSON object"),
        ({"control.json": b'{"files": {}}', "people.json": PEOPLE}, "dataImportControlFileVersion"),
        ({**SET, "more.json": b"[{}]"}, '"files" name neither more.json nor a DEFAULT'),
        ({**SET, "people.json": b'[{"a": 1},'}, "people.json: the JSON ends in the middle"),
        ({**SET, "people.json": b'{"a": 1}'}, "people.json"),
        ({**SET, "groups.tsv": b"\n"}, "groups.tsv"),
        ({**SET, "groups.tsv": b"id\tname\n"}, "groups.tsv: it holds no valid record"),
        ({**SET, "people.json": b""}, "people.json is empty"),
    ],
)
def test_what_the_vendor_could_not_read_is_refused_first(
    desk: Desk, sim: HaploSimulator, files: dict[str, bytes], said: str
) -> None:
    report = desk.run(desk.drop(files))
    assert report["outcome"] == "failed"
    assert said in report["failure"]["message"]
    assert sim.requests == []


def test_options_of_input_have_no_place_in_such_a_route(desk: Desk) -> None:
    desk.raw["input"] = {"format": "json"}
    with pytest.raises(RouteError, match="control file says how"):
        _ = desk.route


def test_an_invalid_record_is_left_out_of_its_file_and_told_with_its_line(desk: Desk, sim: HaploSimulator) -> None:
    job = desk.drop({**SET, "people.json": b'[{"name": "A"},\n{"name": NaN},\n{"name": "C"}]'})
    report = desk.run(job)
    assert report["outcome"] == "handed_over"
    assert report["counts"] | {"invalid": 1, "unconfirmed": 5} == report["counts"]
    assert json.loads(sim.commits[0].bodies[1].read()) == [{"name": "A"}, {"name": "C"}]
    [row] = desk.rejects(job)
    assert (row["batchdrop_line"], row["batchdrop_message"].partition(":")[0]) == (2, "people.json")
    assert "Drop a set of the same form that holds only these records" in " ".join(report["what_next"])
    with pytest.raises(CannotOperate, match="Drop a set of the same form"):
        rerun(desk, job, only_rejected=True)


# --- files over 16 MiB ---


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> int:
    """The vendor's limit in small; the real one is held against the simulator's below."""
    monkeypatch.setattr(haplo, "TEXT_BYTES", 200)
    return 200


def test_the_limit_is_the_vendors() -> None:
    assert haplo.TEXT_BYTES == TEXT_LIMIT


def test_big_files_go_in_several_batches_of_the_same_control_under_the_same_names(
    desk: Desk, sim: HaploSimulator, small_limit: int
) -> None:
    people = [{"name": f"person number {n}"} for n in range(30)]
    groups = b"id\tname\n" + b"".join(b"g%d\tgroup of people\n" % n for n in range(30))
    job = desk.drop({**SET, "people.json": json.dumps(people).encode(), "groups.tsv": groups})
    report = desk.run(job)
    bodies = [body.read() for commit in sim.commits for body in commit.bodies]
    assert all(len(body) <= small_limit for body in bodies)
    tables = [body for body in bodies if body.startswith(b"id\tname\n")]
    arrays = [json.loads(body) for body in bodies if not body.startswith(b"id\tname\n")]
    assert [person for array in arrays for person in array] == people
    assert b"".join(table.removeprefix(b"id\tname\n") for table in tables) == groups.removeprefix(b"id\tname\n")
    assert len(tables) > 2
    assert len(arrays) > 2
    assert (len(sim.calls("control")), len(report["batches"])) == (1, len(sim.commits))
    assert report["counts"]["unconfirmed"] == 60
    assert sim.violations == []


def test_a_route_may_refuse_big_files(desk: Desk, sim: HaploSimulator, small_limit: int) -> None:
    desk.raw["account"]["oversize"] = "refuse"
    report = desk.run(desk.drop({**SET, "people.json": json.dumps([{"a": "b" * 50}] * 9).encode()}))
    assert report["failure"]["reason"] == "too_big"
    assert "people.json: longer than the 200 bytes" in report["failure"]["message"]
    assert sim.requests == []


def test_xml_of_any_size_goes_whole(desk: Desk, sim: HaploSimulator, small_limit: int) -> None:
    control = CONTROL.replace(b'"people.json": {"read": "json"}', b'"people.xml": {"read": "xml-attributes"}')
    xml = b"<people>" + b'<person name="x"/>' * 100 + b"</people>"
    report = desk.run(desk.drop({"control.json": control, "people.xml": xml}))
    assert [body.read() for body in sim.commits[0].bodies] == [xml]
    assert report["counts"]["unconfirmed"] == 1


@pytest.mark.acceptance("C8")
def test_invocations_that_run_out_of_time_hand_over_between_two_parts(
    desk: Desk, sim: HaploSimulator, small_limit: int
) -> None:
    people = [{"name": f"person number {n}"} for n in range(30)]
    desk.asks = 8
    job = desk.drop({"control.json": CONTROL, "people.json": json.dumps(people).encode()})
    assert 0 < len(sim.commits) < 5
    sim.fault("reset_before", "batch")
    sim.fault("503", "file")
    report = desk.run(job)
    sent = [person for commit in sim.commits for body in commit.bodies for person in json.loads(body.read())]
    assert sent == people
    assert report["outcome"] == "handed_over"
    assert max(sim.commits_by_sha.values()) == 1
