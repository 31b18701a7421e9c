"""Sherpa.ai's destination against the vendor's page: every request byte for byte, every answer, every doubt."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from batchdrop.destinations.base import Canceled, StepKind, Undecided, VendorState, json_object
from batchdrop.destinations.sherpa import STATUS_BYTES, Sherpa, signature
from batchdrop.errors import Ambiguous, AuthExpired, RateLimited, Rejected, RouteError
from batchdrop.ports import Response
from batchdrop.route import read_route
from local.simulators.clock import ManualClock
from local.simulators.sherpa import SherpaSimulator
from tests.unit.destinations.canned import Canned
from tests.unit.destinations.conftest import Desk, Objects, refused_lines, sample

SECONDS = 10.0
DATASETS = {"items": "/products/items/batch", "users": "/users/batch", "interactions": "/products/interactions/batch"}


@pytest.fixture
def sim(clock: ManualClock) -> Iterator[SherpaSimulator]:
    with SherpaSimulator(clock=clock, seconds_per_state=SECONDS) as simulator:
        yield simulator
        assert [v for v in simulator.violations if v.rule != "credentials"] == []


@pytest.fixture
def desk(sim: SherpaSimulator, open_desk: Callable[..., Desk]) -> Desk:
    return open_desk(sim)


def test_the_signature_is_that_of_the_published_test_vector() -> None:
    key, nonce = "f70a907a-9160-11eb-a8b3-0242ac130003", "10ba816b-7ae5-48b3-b6cc-a042658bf3c7"

    assert signature(key, "/v2/recomm/items/9346", "1543257277148", nonce) == "CRkI2I+TNUmabZjJnsqFKlFdQ6k="


# --- requests ---


@pytest.mark.parametrize("form", ["csv", "json"])
@pytest.mark.parametrize("dataset", DATASETS)
def test_an_import_is_requested_as_on_the_page(
    sim: SherpaSimulator, open_desk: Callable[..., Desk], objects: Objects, dataset: str, form: str
) -> None:
    desk = open_desk(sim, {"dataset": dataset, "format": form}, {})

    batch = desk.submit(sample(f"sherpa/{dataset}.{form}"))

    call = desk.last("upload")
    assert (call.method, call.path, call.query) == ("POST", "/v2/recomm" + DATASETS[dataset], {})
    (key, _) = objects.signed[0]
    assert key == f"jobs/test/2025/06/15/job-0123456789/batches/batch-00001-a1.{form}"
    url = json.loads(call.body)["url"]
    assert call.body == f'{{"url":"{url}","format":"{form}"}}'
    assert urlsplit(url).path == f"/{key}"
    assert call.header("Content-Type") == "application/json"
    assert call.header("X-Sherpa-apikey") == "sherpa-public-key"
    assert call.header("X-Sherpa-timestamp") == "1750000000000"
    signed = signature("sherpa-private-key", call.path, "1750000000000", call.header("X-Sherpa-nonce"))
    assert call.header("X-Sherpa-hmac") == signed
    assert batch.receipt == {"request_id": sim.commits[0].id}
    desk.work()
    assert desk.vendor.ask(desk.session, batch).state is VendorState.SUCCEEDED
    assert sim.commits[0].bodies[0].read() == sample(f"sherpa/{dataset}.{form}")


@pytest.mark.parametrize("dataset", DATASETS)
def test_status_and_cancel_are_asked_for_as_on_the_page(
    sim: SherpaSimulator, open_desk: Callable[..., Desk], dataset: str
) -> None:
    desk = open_desk(sim, {"dataset": dataset}, {})
    batch = desk.submit(sample(f"sherpa/{dataset}.json"))
    path = f"/v2/recomm{DATASETS[dataset]}/{batch.receipt['request_id']}"

    assert desk.vendor.cancel(desk.session, batch) is Canceled.CANCELED

    for endpoint, method in (("status", "GET"), ("cancel", "DELETE")):
        call = desk.last(endpoint)
        assert (call.method, call.path, call.query, call.body) == (method, path, {}, "")
        assert call.header("Content-Type") == "application/json"
        hmac = signature("sherpa-private-key", path, call.header("X-Sherpa-timestamp"), call.header("X-Sherpa-nonce"))
        assert call.header("X-Sherpa-hmac") == hmac


@pytest.mark.acceptance("C9")
def test_a_refused_signature_is_made_afresh_once_and_no_more(desk: Desk, sim: SherpaSimulator) -> None:
    sim.fault("expired_token", "upload")
    desk.submit(sample("sherpa/items.json"))

    first, second = sim.calls("upload")
    assert (first.status, second.status) == (401, 202)
    assert first.header("X-Sherpa-nonce") != second.header("X-Sherpa-nonce")
    assert first.header("X-Sherpa-hmac") != second.header("X-Sherpa-hmac")
    assert desk.fresh == [False, True]

    sim.fault("expired_token", "upload", count=2)
    with pytest.raises(AuthExpired):
        desk.submit(sample("sherpa/items.json"), n=2)
    assert len(sim.calls("upload")) == 4


def test_a_refused_request_names_the_vendors_code_and_nothing_else(
    sim: SherpaSimulator, open_desk: Callable[..., Desk]
) -> None:
    desk = open_desk(sim, {"table_id": "gone"})

    with pytest.raises(Rejected, match=r"answered 404 \(EntityNotFoundException\)$"):
        desk.submit(sample("sherpa/items.json"))
    sim.violations.clear()


@pytest.mark.acceptance("E3")
def test_being_asked_to_slow_down_is_passed_on(desk: Desk, sim: SherpaSimulator) -> None:
    batch = desk.submit(sample("sherpa/items.json"))
    sim.fault("429", "status", value="17")

    with pytest.raises(RateLimited) as limited:
        desk.vendor.ask(desk.session, batch)

    assert limited.value.after == 17


# --- staging ---


def test_staging_is_repeatable_and_the_request_is_not(desk: Desk) -> None:
    kinds = {step.name: (step.kind, step.needs, step.again_from) for step in desk.vendor.steps()}

    assert kinds == {
        "stage": (StepKind.REPEATABLE, (), ""),
        "request import": (StepKind.COMMIT, ("url",), "stage"),
    }


@pytest.mark.acceptance("C6")
def test_the_url_outlives_the_deadline_and_is_never_recorded(desk: Desk, objects: Objects, clock: ManualClock) -> None:
    clock.advance(600)
    batch = desk.submit(sample("sherpa/items.json"))

    ((_, seconds),) = objects.signed
    assert clock.now() + seconds > desk.session.job.deadline_at / 1000
    assert seconds <= 7 * 86400
    assert "canary" not in json.dumps([batch.receipt, desk.session.job.receipt])


def test_each_attempt_has_a_file_of_its_own_and_takes_the_last_ones_away(desk: Desk, objects: Objects) -> None:
    desk.submit(sample("sherpa/items.json"))
    assert objects.within("batches/") == ("batch-00001-a1.csv",)

    desk.submit(sample("sherpa/items.json"), attempt=2)

    assert objects.within("batches/") == ("batch-00001-a2.csv",)


# --- doubt ---


def test_a_request_whose_answer_was_lost_is_fenced_and_cannot_be_decided(
    desk: Desk, sim: SherpaSimulator, objects: Objects
) -> None:
    sim.fault("reset_after", "upload")
    with pytest.raises(Ambiguous):
        desk.submit(sample("sherpa/items.csv"))
    assert len(sim.commits) == 1

    step = desk.step("request import")
    assert step.reconcile is not None
    found = step.reconcile(desk.session, desk.batches[0])

    assert isinstance(found, Undecided)
    assert objects.within("batches/") == ()
    desk.work()
    assert sim.elements == set()  # nobody fetched it any more


@pytest.mark.acceptance("D13")
def test_after_a_flagged_resubmission_what_is_already_there_is_told_apart(desk: Desk, sim: SherpaSimulator) -> None:
    desk.submit(sample("sherpa/items.csv"))
    desk.work()

    again = desk.submit(sample("sherpa/items.csv"), attempt=2, flagged=True)
    desk.work()
    rejects = list(desk.vendor.collect(desk.session, again).rejects)

    assert [r.id for r in rejects] == ["item01", "item02", "item03"]
    assert {(r.code, r.already_present) for r in rejects} == {("EntityAlreadyExistsException", True)}


def test_what_another_job_added_before_is_a_plain_reject(desk: Desk) -> None:
    desk.submit(sample("sherpa/items.csv"))
    desk.work()

    second = desk.submit(sample("sherpa/items.csv"), n=2)
    desk.work()

    assert [r.already_present for r in desk.vendor.collect(desk.session, second).rejects] == [False] * 3


# --- answers ---


@pytest.mark.parametrize(
    ("file", "dataset", "state", "rejects"),
    [
        ("items_completed.json", "items", "succeeded", []),
        ("users_completed.json", "users", "succeeded", []),
        ("interactions_completed_trailing_comma.json", "interactions", "succeeded", []),
        ("items_canceled.json", "items", "canceled", []),
        ("users_canceled.json", "users", "canceled", []),
        ("interactions_canceled_trailing_comma.json", "interactions", "canceled", []),
        (
            "items_completed_with_errors.json",
            "items",
            "succeeded",
            [("item348", "EntityAlreadyExistsException"), ("item705", "InvalidArgumentException")],
        ),
        (
            "users_completed_with_errors.json",
            "users",
            "succeeded",
            [("user816", "EntityAlreadyExistsException"), ("user331", "InvalidArgumentException")],
        ),
        (
            "interactions_completed_with_errors.json",
            "interactions",
            "succeeded",
            [("user01/item03/givestars/1581673287916", "EntityAlreadyExistsException")],
        ),
    ],
)
def test_the_pages_answers_are_understood(
    sim: SherpaSimulator, open_desk: Callable[..., Desk], file: str, dataset: str, state: str, rejects: list[Any]
) -> None:
    desk = open_desk(sim, {"dataset": dataset}, {})
    batch = desk.begin(receipt={"request_id": "d0681fb2-5d99-47f5-b4b1-eff31807376b"})
    desk.session.http = Canned(sample(f"sherpa/{file}"))

    assert desk.vendor.ask(desk.session, batch).state == state
    found = desk.vendor.collect(desk.session, batch)
    assert [(r.id, r.code) for r in found.rejects] == rejects
    assert all(r.message for r in found.rejects)
    assert (found.accepted, found.rejected, found.warnings) == (None, None, [])


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_pages_upload_answers_give_the_receipt(
    sim: SherpaSimulator, open_desk: Callable[..., Desk], dataset: str
) -> None:
    desk = open_desk(sim, {"dataset": dataset}, {})
    desk.session.http = Canned(sample(f"sherpa/{dataset}_upload_response.json"))

    batch = desk.submit(b"[]")

    assert batch.receipt["request_id"] == json.loads(sample(f"sherpa/{dataset}_upload_response.json"))["requestId"]


@pytest.mark.acceptance("E1", "E10")
@pytest.mark.parametrize(
    ("word", "state", "known"),
    [
        ("queued", "running", True),
        ("uploading", "running", True),
        ("processing", "running", True),
        ("completed", "succeeded", True),
        ("completed_with_errors", "succeeded", True),
        ("completedwitherrors", "succeeded", True),
        ("completed with errors", "succeeded", True),
        ("Completed-With-Errors", "succeeded", True),
        ("error", "failed", True),
        ("canceled", "canceled", True),
        ("CANCELLED", "canceled", True),
        ("paused", "running", False),
        ("", "running", False),
    ],
)
def test_every_status_word_in_every_spelling(desk: Desk, word: str, state: str, known: bool) -> None:
    batch = desk.begin(receipt={"request_id": "1"})
    desk.session.http = Canned(json.dumps({"requestId": "1", "status": word}).encode())

    status = desk.vendor.ask(desk.session, batch)

    assert (status.state, status.known, status.word) == (state, known, word)


@pytest.mark.parametrize("kind", ["truncated", "html200", "reset_before", "500"])
def test_an_unreadable_status_is_no_status(desk: Desk, sim: SherpaSimulator, kind: str) -> None:
    batch = desk.submit(sample("sherpa/items.json"))
    sim.fault(kind, "status")

    with pytest.raises(Ambiguous):
        desk.vendor.ask(desk.session, batch)


def test_a_failed_import_says_that_nothing_was_uploaded(desk: Desk, sim: SherpaSimulator) -> None:
    sim.fault("failed", "upload")
    batch = desk.submit(sample("sherpa/items.csv"))
    desk.work()

    status = desk.vendor.ask(desk.session, batch)

    assert status.state is VendorState.FAILED
    assert status.message.startswith("nothing was uploaded")


@pytest.mark.acceptance("G8")
@pytest.mark.parametrize("body", [b'{"status": "completed_with_errors"}', b'{"status": "error!", "itemsNotAdded": []}'])
def test_errors_that_are_not_named_leave_every_record_unconfirmed(desk: Desk, body: bytes) -> None:
    batch = desk.begin(receipt={"request_id": "1"})
    desk.session.http = Canned(body)

    found = desk.vendor.collect(desk.session, batch)

    assert (found.accepted, found.rejected, len(found.warnings)) == (0, 0, 1)


def test_a_request_the_vendor_has_forgotten_leaves_every_record_unconfirmed(desk: Desk) -> None:
    found = desk.vendor.collect(desk.session, desk.begin(receipt={"request_id": "1"}))
    desk.sim.violations.clear()

    assert (found.accepted, found.rejected, len(found.warnings)) == (0, 0, 1)


def test_an_import_that_left_the_queue_is_not_asked_to_cancel(desk: Desk, sim: SherpaSimulator) -> None:
    batch = desk.submit(sample("sherpa/items.csv"))
    desk.clock.advance(SECONDS)

    assert desk.vendor.cancel(desk.session, batch) is Canceled.TOO_LATE
    assert sim.calls("cancel") == []


@pytest.mark.parametrize("code", ["400", "404", "409"])
def test_a_cancel_that_comes_too_late_is_no_error(desk: Desk, sim: SherpaSimulator, code: str) -> None:
    batch = desk.submit(sample("sherpa/items.csv"))
    sim.fault(code, "cancel")

    assert desk.vendor.cancel(desk.session, batch) is Canceled.TOO_LATE


# --- home to the source lines ---

ITEMS = b'''sku,name,quantity,origin,price
item01,apple,10,France,1.75
item02,"orange, ""blood""",seven,Spain,0.98
item03,banana,12,"Colombia
and Ecuador",cheap
item04,kiwi,1,Italy,0.50
'''


@pytest.mark.acceptance("G6", "G8")
@pytest.mark.parametrize("form", ["csv", "json"])
def test_every_refused_item_is_found_at_its_line_after_renaming_and_splitting(
    sim: SherpaSimulator, open_desk: Callable[..., Desk], form: str
) -> None:
    input_ = {"rename": {"sku": "itemId"}, "types": {"price": "string"}}
    desk = open_desk(sim, {"format": form, "max_records": 2}, input_)
    sim.options.types["items"] = {"price": "double", "quantity": "string"}  # every price is text: all are refused
    packager, parts = desk.package("items.csv", ITEMS)

    batches = [desk.submit(p.payload.open().read(), n, records=p.records) for n, p in enumerate(parts, 1)]
    desk.work()

    lines = [refused_lines(desk, packager, p, b)[0] for p, b in zip(parts, batches, strict=True)]
    assert lines == [
        [(2, "InvalidArgumentException"), (3, "InvalidArgumentException")],
        [(4, "InvalidArgumentException"), (6, "InvalidArgumentException")],
    ]


INTERACTIONS = b"""[
 {"userId": "user01", "itemId": "item01", "timestamp": 1581681280254, "interactionName": "givestars", "value": 1},
 {"userId": "user01", "itemId": "item03", "timestamp": 1581680282301, "interactionName": "givestars", "value": "five"},
 {"userId": "user02", "itemId": "item02", "timestamp": 1581673287916, "interactionName": "givestars", "value": 4}
]"""


def test_a_refused_interaction_is_found_at_its_line_by_its_composite_id(
    sim: SherpaSimulator, open_desk: Callable[..., Desk]
) -> None:
    desk = open_desk(sim, {"dataset": "interactions", "format": "json"}, {})
    packager, (part,) = desk.package("interactions.json", INTERACTIONS)
    batch = desk.submit(part.payload.open().read())
    desk.work()

    lines, tally = refused_lines(desk, packager, part, batch)

    assert lines == [(3, "InvalidArgumentException")]
    assert tally.sample[0]["id"] == "user01/item03/givestars/1581680282301"
    assert tally.unmatched == []


@pytest.mark.acceptance("G7")
def test_a_refusal_of_an_id_we_never_sent_is_kept_apart(desk: Desk, sim: SherpaSimulator) -> None:
    sim.fault("not_added", value=[{"errorId": "nobody", "code": "X", "message": "?"}])
    packager, (part,) = desk.package("items.csv", sample("sherpa/items.csv"))
    batch = desk.submit(part.payload.open().read())
    desk.work()

    lines, tally = refused_lines(desk, packager, part, batch)

    assert lines == []
    assert tally.unmatched == [{"id": "nobody", "code": "X", "message": "?"}]


@pytest.mark.acceptance("G7")
@pytest.mark.parametrize("dataset", DATASETS)
def test_a_refusal_without_an_id_is_still_one(
    sim: SherpaSimulator, open_desk: Callable[..., Desk], dataset: str
) -> None:
    listed = ["p1", {"code": "Bad", "message": "?"}, {"errorId": None, "message": "x" * 5000}, ["p2"], 7, {"id": "p3"}]
    key = f"{dataset}NotAdded"
    desk = open_desk(sim, {"dataset": dataset}, {})
    desk.session.http = Canned(json.dumps({"status": "completed_with_errors", key: listed}).encode())

    found = list(desk.vendor.collect(desk.session, desk.begin(receipt={"request_id": "1"})).rejects)

    assert [(reject.id, reject.code) for reject in found] == [
        ("p1", ""),
        (f"{key}[1]", "Bad"),
        (f"{key}[2]", ""),
        (f"{key}[3]", ""),
        ("7", ""),
        (f"{key}[5]", ""),
    ]
    assert [reject.message for reject in found][:3] == ["", "?", "x" * 5000]
    assert found[3].message == found[5].message == "Sherpa does not say which element it refused"


def status_of_many(records: int, size: int) -> bytes:
    """A status of so many bytes in which every record is refused, as the vendor's page would have it."""
    rest = f'"code":"EntityAlreadyExistsException","message":"{"x" * (size // records - 90)}€"'
    entries = (f'{{"errorId":"item-{n:09d}",{rest}}}' for n in range(records))
    return f'{{"status":"completed_with_errors","itemsNotAdded":[{",".join(entries)}]}}'.encode()


def test_the_largest_status_fits_into_the_poll_functions_memory() -> None:
    """A twentieth of it, that is, and of what its 512 MB leave beside the function itself and the answer's bytes."""
    given = read_route("r", {**ROUTE, "account": {**ROUTE["account"], "max_records": 1_000_000}})
    most = Sherpa().output(given.account).max_records
    assert most == 300_000
    answer = Response(200, {}, status_of_many(most // 20, STATUS_BYTES // 20))
    assert 0.9 < len(answer.body) / (STATUS_BYTES // 20) < 1.1
    tracemalloc.start()
    try:
        assert json_object(answer)["status"] == "completed_with_errors"
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert 20 * peak < (512 - 120) * 1_000_000 - STATUS_BYTES


@pytest.mark.parametrize("size", [100, 2_000_000])
@pytest.mark.parametrize("text", ['"\\ud83d"', "1" * 300, "NaN", '"a",', '"\xff"'])
def test_an_answer_is_read_as_tolerantly_whatever_its_size(size: int, text: str) -> None:
    body = b'{"a":"%s","b":[%s]}' % (b"x" * size, text.encode("latin-1"))
    small = json_object(Response(200, {}, b'{"b":[%s]}' % text.encode("latin-1")))

    assert repr(json_object(Response(200, {}, body))["b"]) == repr(small["b"])


@pytest.mark.parametrize("size", [100, 2_000_000])
@pytest.mark.parametrize("body", [b"[%s]", b'"%s"', b"%s", b'{"a":"%s"', b"[" * 200_000])
def test_an_answer_that_is_no_object_is_none_whatever_its_size(size: int, body: bytes) -> None:
    with pytest.raises(Ambiguous):
        json_object(Response(200, {}, body.replace(b"%s", b"1" * size)))


@pytest.mark.parametrize("status", ["completed", "completed_with_errors"])
def test_a_list_of_refusals_that_is_none_leaves_every_record_unconfirmed(desk: Desk, status: str) -> None:
    desk.session.http = Canned(json.dumps({"status": status, "itemsNotAdded": {"p0": "bad"}}).encode())

    found = desk.vendor.collect(desk.session, desk.begin(receipt={"request_id": "1"}))

    assert (found.accepted, found.rejected, len(found.warnings)) == (0, 0, 1)


# --- routes ---

ROUTE: dict[str, Any] = {
    "destination": "sherpa",
    "account": {"table_id": "products", "dataset": "items"},
    "secret": "sherpa-main",
    "input": {"format": "auto", "id": "itemId", "types": {"price": "number", "quantity": "integer"}},
    "deadline": "24h",
}


def test_a_plain_route_is_valid_and_cut_within_its_limits() -> None:
    account = read_route("r", ROUTE).account

    output = Sherpa().output(account)

    assert account["base_url"] == "https://recom.sherpa.ai/v2/recomm"
    assert (output.format, output.max_bytes, output.max_records) == ("json_array", 50_000_000, 100_000)
    assert (output.id, output.required) == (("itemId",), ("itemId",))
    assert set("/.$&") < set(output.forbidden_in_id)


def test_interactions_are_known_by_the_four_parts_of_the_vendors_id() -> None:
    account = {**ROUTE["account"], "dataset": "interactions", "interaction_field": "interactionId", "format": "csv"}

    output = Sherpa().output(read_route("r", ROUTE | {"account": account, "input": {}}).account)

    assert output.id == ("userId", "itemId", "interactionId", "timestamp")
    assert (output.format, output.csv_quoting, output.forbidden_in_id) == ("csv", "strings", "/")


@pytest.mark.acceptance("B20", "C6")
@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"deadline": "25h"}, "deadline", "raise url_life"),
        ({"deadline": "10d"}, "deadline", "lower the deadline"),
        ({"account": {"dataset": "items"}}, "account.table_id", "belong to a table"),
        ({"account": {"dataset": "goods", "table_id": "t"}}, "account.dataset", "items, users, interactions"),
        ({"account": {"dataset": "users", "url_life": "8d"}}, "account.url_life", "at most"),
        ({"input": {"id": "sku"}}, "input.id", "input.rename"),
        (
            {"account": ROUTE["account"] | {"format": "csv"}, "input": {"format": "ndjson"}},
            "account.format",
            "handed over as json",
        ),
        (
            {"account": ROUTE["account"] | {"dataset": "interactions"}, "input": {"id_joiner": "|"}},
            "input.id_joiner",
            "leave it out",
        ),
    ],
)
def test_a_route_that_cannot_work_is_refused_with_the_field_and_the_fix(
    changes: dict[str, Any], field: str, words: str
) -> None:
    with pytest.raises(RouteError) as refused:
        read_route("r", ROUTE | changes)

    assert [f for f, _ in refused.value.problems] == [field]
    assert words in str(refused.value)


def test_a_renamed_id_and_a_longer_life_of_urls_are_fine() -> None:
    input_ = {"id": "sku", "rename": {"sku": "itemId"}}

    route = read_route(
        "r", ROUTE | {"account": ROUTE["account"] | {"url_life": "7d"}, "deadline": "7d", "input": input_}
    )

    assert route.deadline == 7 * 86400
