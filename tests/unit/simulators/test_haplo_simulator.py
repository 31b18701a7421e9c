"""Haplo's simulator against the rules of the vendor's page and public source."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from local.simulators.clock import ManualClock
from local.simulators.haplo import HaploSimulator

AUTH = ("haplo", "haplo-api-key")
CONTROL = {
    "dataImportControlFileVersion": 0,
    "model": "haplo:person",
    "files": {"people": {"read": "json"}, "units": {"read": "tsv-with-name-row"}, "staff": {"read": "xml-attributes"}},
    "instructions": [
        {"action": "new", "destination": "profile"},
        {"source": "url", "destination": "profile", "name": "std:attribute:url"},
    ],
}
PEOPLE = b'[{"url": "a"}, {"url": "b"}]'


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def sim(clock: ManualClock) -> Iterator[HaploSimulator]:
    with HaploSimulator(clock=clock, seconds_per_state=10.0) as simulator:
        yield simulator


def post(
    sim: HaploSimulator, what: str, data: Any = None, file: bytes | None = None, auth: Any = AUTH, part: str = "file"
) -> requests.Response:
    files = None if file is None else {part: ("data", file)}
    url = f"{sim.url}/api/haplo-data-import-batch/{what}"
    return requests.post(url, data=data, files=files, auth=auth, timeout=5)


def control(sim: HaploSimulator, **changes: Any) -> requests.Response:
    return post(sim, "control", {"comment": "people"}, json.dumps(CONTROL | changes).encode())


def batch(sim: HaploSimulator) -> str:
    return post(sim, "batch", {"comment": "today", "control": control(sim).text}).text


def put_file(sim: HaploSimulator, batch_id: str, data: bytes = PEOPLE, name: str = "people") -> requests.Response:
    return post(sim, "file", {"batch": batch_id, "name": name}, data)


def rules(sim: HaploSimulator) -> list[str]:
    return [violation.rule for violation in sim.violations]


def test_the_four_steps_answer_in_plain_text_and_import(sim: HaploSimulator, clock: ManualClock) -> None:
    digest = control(sim)
    assert digest.text == hashlib.sha256(json.dumps(CONTROL).encode()).hexdigest()
    assert digest.headers["Content-Type"].startswith("text/plain")
    batch_id = post(sim, "batch", {"comment": "today", "control": digest.text}).text
    assert len(batch_id) == 44
    assert put_file(sim, batch_id).text == hashlib.sha256(PEOPLE).hexdigest()
    assert put_file(sim, batch_id, b"id\tname\n1\t\n2\tB\n", "units").status_code == 200
    assert put_file(sim, batch_id, b'<all><p id="7"/></all>', "staff").status_code == 200
    assert sim.commits == []

    assert post(sim, "schedule", {"batch": batch_id}).text == "SCHEDULED"
    states = []
    for _ in range(3):
        states.append(sim.state()["batches"][batch_id])
        clock.advance(10)

    assert states == ["scheduled", "running", "complete"]
    assert sim.received_records == [{"url": "a"}, {"url": "b"}, {"id": "1"}, {"id": "2", "name": "B"}, {"id": "7"}]
    assert [commit.records for commit in sim.commits] == [5]
    assert sim.violations == []


def test_a_dry_run_imports_nothing(sim: HaploSimulator, clock: ManualClock) -> None:
    batch_id = batch(sim)
    put_file(sim, batch_id)

    assert post(sim, "schedule", {"batch": batch_id, "mode": "dry-run"}).text == "SCHEDULED"
    clock.advance(20)

    assert sim.state()["batches"][batch_id] == "dry-run"
    assert (sim.commits, len(sim.dry_runs)) == ([], 1)


def test_only_the_exact_word_makes_a_dry_run(sim: HaploSimulator) -> None:
    assert post(sim, "schedule", {"batch": batch(sim), "mode": "dry_run"}).text == "SCHEDULED"
    assert (len(sim.commits), rules(sim)) == (1, ["mode"])


def test_a_second_schedule_proves_the_first(sim: HaploSimulator) -> None:
    batch_id = batch(sim)
    put_file(sim, batch_id)
    sim.fault("reset_after", "schedule")
    with pytest.raises(requests.ConnectionError):
        post(sim, "schedule", {"batch": batch_id})

    again = post(sim, "schedule", {"batch": batch_id})

    assert (again.status_code, again.text) == (400, f"Batch {batch_id} is not in the 'uploading' state")
    assert (len(sim.commits), sim.violations) == (1, [])


def test_the_last_upload_of_a_name_wins_and_a_late_one_is_a_violation(sim: HaploSimulator) -> None:
    batch_id = batch(sim)
    put_file(sim, batch_id, b'[{"old": 1}]')
    put_file(sim, batch_id)
    post(sim, "schedule", {"batch": batch_id})

    assert put_file(sim, batch_id, b"[]").status_code == 200
    assert sim.received_records == [{"url": "a"}, {"url": "b"}]
    assert rules(sim) == ["order"]


def test_a_control_file_can_be_sent_again_and_stays_one(sim: HaploSimulator) -> None:
    assert control(sim).text == control(sim).text
    assert [created.kind for created in sim.created] == ["control"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"dataImportControlFileVersion": 1}, "dataImportControlFileVersion"),
        ({"model": "other"}, "model"),
        ({"files": {}}, "files"),
        ({"files": {"people": {"read": "csv"}}}, "reader"),
        ({"instructions": None}, "instructions"),
        ({"instructions": [{"source": "url"}]}, "lacks destination, name"),
    ],
)
def test_a_wrong_control_file_is_refused_with_the_reasons(
    sim: HaploSimulator, changes: dict[str, Any], reason: str
) -> None:
    answer = control(sim, **changes)

    assert (answer.status_code, rules(sim)) == (400, ["control"])
    assert answer.text.startswith("Invalid control file:\n  ")
    assert reason in answer.text


def test_a_control_file_that_is_not_json_or_too_big_is_refused(sim: HaploSimulator) -> None:
    for data in (b"read: json", b'{"a": "' + b"x" * 16 * 1024 * 1024 + b'"}'):
        answer = post(sim, "control", {"comment": ""}, data)
        assert (answer.status_code, answer.text) == (400, "Uploaded file is not JSON")


@pytest.mark.parametrize(
    ("data", "name"), [(b"x" * (16 * 1024 * 1024 + 1), "people"), (b"{}", "people"), (PEOPLE, "unheard-of")]
)
def test_a_file_that_cannot_be_read_is_taken_and_fails_the_run(
    sim: HaploSimulator, clock: ManualClock, data: bytes, name: str
) -> None:
    batch_id = batch(sim)
    assert put_file(sim, batch_id, data, name).status_code == 200
    post(sim, "schedule", {"batch": batch_id})
    clock.advance(20)

    assert sim.state()["batches"][batch_id] == "error"


def test_refusals_have_the_vendors_texts(sim: HaploSimulator) -> None:
    batch_id = batch(sim)

    texts = [
        post(sim, "batch", {"comment": "", "control": "0" * 64}).text,
        post(sim, "batch", {"comment": ""}).text,
        post(sim, "file", {"batch": "x", "name": "people"}, PEOPLE).text,
        post(sim, "file", {"batch": batch_id}, PEOPLE).text,
        post(sim, "file", {"batch": batch_id, "name": "people"}, PEOPLE, part="files").text,
        post(sim, "schedule", {"batch": "x"}).text,
    ]

    assert texts == [
        f"Control file not found: {'0' * 64}",
        "Bad request (failed validation)",
        "Batch not found: x",
        "Bad request (failed validation)",
        "A file was uploaded, but it was not expected by the application. Field name: 'files'",
        "Batch not found: x",
    ]
    assert rules(sim) == ["order", "parameter", "order", "parameter", "multipart", "order"]


def test_the_body_must_have_the_type_of_the_call(sim: HaploSimulator) -> None:
    assert post(sim, "batch", {"comment": ""}, b"x").status_code == 400
    assert post(sim, "file", {"batch": "x"}).status_code == 400
    assert post(sim, "schedule", {"batch": batch(sim), "when": "now"}).status_code == 400
    assert requests.get(f"{sim.url}/api/haplo-data-import-batch/batch", auth=AUTH, timeout=5).status_code == 405
    assert rules(sim) == ["content_type", "content_type", "parameter", "method"]


def test_refused_credentials_have_three_shapes(sim: HaploSimulator) -> None:
    none = post(sim, "batch", {"control": "x"}, auth=None)
    other_user = post(sim, "batch", {"control": "x"}, auth=("admin", "haplo-api-key"))
    none_with_file = post(sim, "control", file=b"{}", auth=None)
    wrong_key = post(sim, "batch", {"control": "x"}, auth=("haplo", "wrong"))

    assert [a.status_code for a in (none, other_user, none_with_file, wrong_key)] == [403] * 4
    assert [answer.json()["kind"] for answer in (none, other_user)] == ["UNAUTHORISED"] * 2
    assert none_with_file.text == "Unauthorised"
    message = {"message": "Invalid API Key"}
    assert wrong_key.json() == {"success": False, "kind": "INVALID-API-KEY", "error": message}
    assert "WWW-Authenticate" not in wrong_key.headers
    assert rules(sim) == ["credentials"] * 4


def test_fifty_wrong_keys_close_the_door_for_five_minutes(sim: HaploSimulator, clock: ManualClock) -> None:
    for _ in range(50):
        post(sim, "batch", {"control": "x"}, auth=("haplo", "wrong"))

    assert control(sim).json()["kind"] == "THROTTLE"
    clock.advance(300)
    assert control(sim).status_code == 200


def test_a_digest_can_be_wrong_a_key_withdrawn_and_a_page_sent_instead(sim: HaploSimulator) -> None:
    batch_id = batch(sim)
    sim.fault("wrong_digest", "file")
    sim.fault("expired_token", "schedule")
    sim.fault("html200", "schedule")

    assert put_file(sim, batch_id).text != hashlib.sha256(PEOPLE).hexdigest()
    assert post(sim, "schedule", {"batch": batch_id}).text.startswith("<!DOCTYPE html>")
    assert post(sim, "schedule", {"batch": batch_id}).json()["kind"] == "INVALID-API-KEY"
    assert (sim.commits, sim.violations) == ([], [])
