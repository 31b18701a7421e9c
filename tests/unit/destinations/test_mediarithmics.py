"""mediarithmics' destination against the vendor's page: every request byte for byte, every answer, every doubt."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from batchdrop.destinations.base import Canceled, Found, NotThere, StepKind, Undecided, VendorState
from batchdrop.destinations.mediarithmics import Mediarithmics
from batchdrop.errors import Ambiguous, AuthExpired, Rejected, RouteError
from batchdrop.job import Batch
from batchdrop.route import read_route
from batchdrop.words import BatchState
from local.simulators.clock import ManualClock
from local.simulators.mediarithmics import MediarithmicsSimulator
from tests.unit.destinations.canned import Canned
from tests.unit.destinations.conftest import Desk, Objects, refused_lines, sample

SECONDS = 10.0
IMPORTS = "/v1/datamarts/1502/document_imports"
EXECUTIONS = IMPORTS + "/20517/executions"
LINES = b'{"$ts":1,"$user_account_id":"a"}\n{"$ts":2,"$user_account_id":"b"}\n{"$ts":3,"$user_account_id":"c"}\n'


@pytest.fixture
def sim(clock: ManualClock) -> Iterator[MediarithmicsSimulator]:
    with MediarithmicsSimulator(clock=clock, seconds_per_state=SECONDS) as simulator:
        yield simulator
        assert simulator.violations == []


@pytest.fixture
def desk(sim: MediarithmicsSimulator, open_desk: Callable[..., Desk]) -> Desk:
    desk: Desk = open_desk(sim)
    desk.prepare()
    return desk


def canned(**execution: Any) -> Canned:
    """An execution as the page shows it, with these changes."""
    answer = json.loads(sample("mediarithmics/execution_response.json"))
    return Canned(json.dumps({**answer, "data": {**answer["data"], **execution}}).encode())


# --- requests ---


def test_the_jobs_import_is_created_as_on_the_page(sim: MediarithmicsSimulator, desk: Desk) -> None:
    call = desk.last("create_import")

    assert (call.method, call.path, call.query) == ("POST", IMPORTS, {})
    assert call.header("Authorization") == "api:mediarithmics-token"
    assert call.header("Content-Type") == "application/json"
    documented = json.loads(sample("mediarithmics/create_import_request.json"))
    assert json.loads(call.body) == documented | {"name": "batchdrop job-0123456789"}
    assert list(json.loads(call.body)) == list(documented)
    assert desk.session.job.receipt == {"import_id": "20517"}


def test_name_and_priority_of_the_import_can_be_chosen(
    sim: MediarithmicsSimulator, open_desk: Callable[..., Desk]
) -> None:
    open_desk(sim, {"name": "nightly", "priority": "HIGH"}).prepare()

    sent = json.loads(sim.calls("create_import")[0].body or "")
    assert (sent["name"], sent["priority"]) == ("nightly job-0123456789", "HIGH")


def test_a_given_import_is_used_as_it_is(sim: MediarithmicsSimulator, open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(sim, {"document_import_id": "77"})

    assert desk.prepare() == {"import_id": "77"}
    assert sim.requests == []


@pytest.mark.parametrize(
    ("account", "content_type", "data"),
    [
        ({}, "application/x-ndjson", sample("mediarithmics/user_activity.ndjson")),
        (
            {"document_type": "USER_SEGMENT", "mime_type": "TEXT_CSV"},
            "text/csv",
            b"operation,email_hash,segment_id\nUPDATE,x,1\n",
        ),
    ],
)
def test_an_execution_is_created_as_on_the_page(
    sim: MediarithmicsSimulator,
    open_desk: Callable[..., Desk],
    account: dict[str, str],
    content_type: str,
    data: bytes,
) -> None:
    desk = open_desk(sim, account)
    desk.prepare()

    batch = desk.submit(data)

    call = desk.last("create_execution")
    assert (call.method, call.path, call.query) == ("POST", EXECUTIONS, {})
    assert call.body.encode() == data
    assert call.header("Content-Type") == content_type
    assert call.header("Content-Length") == str(len(data))
    assert call.header("Authorization") == "api:mediarithmics-token"
    assert batch.receipt == {"execution_id": "8000001"}


def test_status_and_cancel_are_asked_for_as_documented(desk: Desk) -> None:
    batch = desk.submit(LINES)

    assert desk.vendor.cancel(desk.session, batch) is Canceled.CANCELED

    status, action = desk.last("execution"), desk.last("action")
    assert (status.method, status.path, status.query, status.body) == ("GET", EXECUTIONS + "/8000001", {}, "")
    assert (action.method, action.path) == ("POST", EXECUTIONS + "/8000001/action")
    assert json.loads(action.body) == {"action": "CANCEL"}
    assert action.header("Content-Type") == "application/json"
    assert {status.header("Authorization"), action.header("Authorization")} == {"api:mediarithmics-token"}


def test_a_refused_token_is_read_afresh_once_and_the_body_sent_whole_again(
    desk: Desk, sim: MediarithmicsSimulator
) -> None:
    sim.fault("expired_token", "create_execution")
    desk.submit(LINES)

    assert [call.status for call in sim.calls("create_execution")] == [401, 200]
    assert desk.fresh[-2:] == [False, True]
    assert sim.commits[0].bodies[0].read() == LINES

    sim.fault("expired_token", "create_execution", count=2)
    with pytest.raises(AuthExpired):
        desk.submit(LINES, n=2)


def test_a_refusal_names_the_vendors_error_id(desk: Desk, sim: MediarithmicsSimulator) -> None:
    sim.fault("400", "create_execution")

    with pytest.raises(Rejected, match=r"answered 400 \(sim-\d+\)$"):
        desk.submit(LINES)


@pytest.mark.parametrize("kind", ["html200", "truncated", "reset_after"])
def test_an_answer_that_cannot_be_read_is_a_doubt(desk: Desk, sim: MediarithmicsSimulator, kind: str) -> None:
    sim.fault(kind, "create_execution")

    with pytest.raises(Ambiguous):
        desk.submit(LINES)


# --- answers ---


def test_the_pages_own_answers_are_understood(sim: MediarithmicsSimulator, open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(sim)
    desk.session.http = Canned(sample("mediarithmics/create_import_response.json"))
    assert desk.prepare() == {"import_id": "<DOCUMENT_IMPORT_ID>"}

    desk.session.http = Canned(sample("mediarithmics/create_execution_response.json"))
    batch = desk.submit(LINES)
    assert batch.receipt == {"execution_id": "<DOCUMENT_IMPORT_EXECUTION_ID>"}
    assert desk.vendor.ask(desk.session, batch).state is VendorState.RUNNING


@pytest.mark.acceptance("E1")
def test_the_sample_that_is_pending_beside_its_result_still_runs(desk: Desk) -> None:
    batch = desk.submit(LINES)
    desk.session.http = Canned(sample("mediarithmics/execution_response.json"))

    status = desk.vendor.ask(desk.session, batch)

    assert (status.state, status.known, status.word) == (VendorState.RUNNING, True, "PENDING")


@pytest.mark.acceptance("E1", "E10")
@pytest.mark.parametrize(
    ("word", "state", "known"),
    [
        ("WAITING_DEPENDENT_JOB", "running", True),
        ("SCHEDULED", "running", True),
        ("PENDING", "running", True),
        ("RUNNING", "running", True),
        ("SUCCEEDED", "succeeded", True),
        ("SUCCESS", "succeeded", True),
        ("succeeded", "succeeded", True),
        ("FAILED", "failed", True),
        ("CANCELED", "canceled", True),
        ("EXECUTOR_NOT_RESPONDING", "running", False),
        ("LOST", "running", False),
        ("HIBERNATING", "running", False),
    ],
)
def test_every_status_word(desk: Desk, word: str, state: str, known: bool) -> None:
    desk.session.http = canned(status=word, result=None, start_date=None)

    status = desk.vendor.ask(desk.session, desk.begin(receipt={"execution_id": "1"}))

    assert (status.state, status.known, status.word) == (state, known, word)


def test_a_failure_says_why_and_whether_it_may_be_tried_again(desk: Desk, sim: MediarithmicsSimulator) -> None:
    sim.fault("retryable", "create_execution")
    retryable = desk.submit(LINES)
    sim.fault("failed", "create_execution")
    final = desk.submit(LINES, n=2)
    desk.work()

    answers = [desk.vendor.ask(desk.session, batch) for batch in (retryable, final)]

    assert [a.state for a in answers] == [VendorState.FAILED] * 2
    assert ["is_retryable" in a.message for a in answers] == [True, False]
    assert answers[1].message == "the import failed"


def test_the_token_is_cut_out_of_the_vendors_words(desk: Desk) -> None:
    token = desk.session.secret(False)["api_token"]
    desk.session.http = canned(status="FAILED", error={"message": f"no:  {token}\n or {token.partition(':')[2]}"})

    status = desk.vendor.ask(desk.session, desk.begin(receipt={"execution_id": "1"}))

    assert status.message == "no: [secret] or [secret]"


def test_a_failure_that_counts_successes_leaves_its_records_unconfirmed(desk: Desk) -> None:
    desk.session.http = canned(status="FAILED", result={"total_success": 2, "total_failure": 1})

    assert desk.vendor.ask(desk.session, desk.begin(receipt={"execution_id": "1"})).state is VendorState.UNCONFIRMED


@pytest.mark.parametrize(
    "entry", [{"id": "x" * 257}, {"id": ""}, {"id": None}, {"id": "a\ud83d"}, {"id": 1.5}, {}, "1"]
)
def test_a_list_with_an_execution_that_nobody_can_name_proves_nothing(desk: Desk, entry: object) -> None:
    batch = lost(desk)
    desk.session.http = Canned(json.dumps({"status": "ok", "data": [entry]}).encode())

    with pytest.raises(Ambiguous):
        reconcile(desk, batch)


@pytest.mark.parametrize("ids_as_numbers", [False, True])
def test_ids_may_come_as_numbers(desk: Desk, sim: MediarithmicsSimulator, ids_as_numbers: bool) -> None:
    sim.options.ids_as_numbers = ids_as_numbers

    assert desk.submit(LINES).receipt == {"execution_id": "8000001"}


# --- cancel ---


def test_an_execution_that_runs_is_not_asked_to_cancel(desk: Desk, sim: MediarithmicsSimulator) -> None:
    batch = desk.submit(LINES)
    desk.clock.advance(SECONDS)

    assert desk.vendor.cancel(desk.session, batch) is Canceled.TOO_LATE
    assert sim.calls("action") == []


def test_a_cancel_that_is_refused_came_too_late(desk: Desk, sim: MediarithmicsSimulator) -> None:
    batch = desk.submit(LINES)
    sim.fault("400", "action")

    assert desk.vendor.cancel(desk.session, batch) is Canceled.TOO_LATE


def test_what_somebody_else_canceled_is_canceled(desk: Desk) -> None:
    batch = desk.submit(LINES)
    desk.vendor.cancel(desk.session, batch)

    assert desk.vendor.cancel(desk.session, batch) is Canceled.CANCELED
    assert desk.vendor.ask(desk.session, batch).state is VendorState.CANCELED


@pytest.mark.parametrize(
    "begun",
    [
        {"result": {"total_success": 1, "total_failure": 0}},
        {"result": {"total_success": 0, "total_failure": "2"}},
        {"result": {"total_success": "some"}},
        {"result": None, "start_date": 1605627714053},
    ],
)
def test_what_was_canceled_once_it_had_begun_is_not_called_never_taken(desk: Desk, begun: dict[str, Any]) -> None:
    desk.session.http = canned(status="CANCELED", **{"start_date": None, **begun})
    batch = desk.begin(receipt={"execution_id": "1"})

    status = desk.vendor.ask(desk.session, batch)

    assert (status.state, status.word) == (VendorState.UNCONFIRMED, "CANCELED")
    assert "cannot be told" in status.message
    assert desk.vendor.cancel(desk.session, batch) is Canceled.STOPPED


# --- doubt ---


def lost(desk: Desk, data: bytes = LINES, n: int = 1, **changes: Any) -> Batch:
    """A batch whose execution was made, but its answer lost."""
    desk.sim.fault("reset_after", "create_execution")
    with pytest.raises(Ambiguous):
        desk.submit(data, n, **changes)
    desk.batches[-1].state = BatchState.DOUBTFUL
    return desk.batches[-1]


def reconcile(desk: Desk, batch: Batch) -> Any:
    step = desk.step("create execution")
    assert step.kind is StepKind.COMMIT
    assert step.reconcile is not None
    return step.reconcile(desk.session, batch)


def test_an_execution_whose_answer_was_lost_is_found_in_the_list(desk: Desk) -> None:
    desk.submit(LINES)
    batch = lost(desk, n=2)
    desk.submit(LINES, n=3)

    assert reconcile(desk, batch) == Found({"execution_id": "8000002"})

    call = desk.last("list_executions")
    assert (call.method, call.path) == ("GET", EXECUTIONS)
    assert call.query == {"first_result": "0", "max_results": "100"}


def test_an_execution_in_the_list_is_known_by_its_id_as_it_was_recorded(desk: Desk) -> None:
    desk.submit(LINES)
    batch = lost(desk, n=2)
    desk.session.http = Canned(json.dumps({"status": "ok", "data": [{"id": " 8000001 "}]}).encode())

    assert reconcile(desk, batch) == NotThere()


def test_an_execution_that_never_was_is_provably_not_there(desk: Desk, sim: MediarithmicsSimulator) -> None:
    desk.submit(LINES)
    sim.fault("reset_before", "create_execution")
    with pytest.raises(Ambiguous):
        desk.submit(LINES, n=2)

    assert reconcile(desk, desk.batches[-1]) == NotThere()


def test_the_whole_list_is_looked_at_page_by_page(desk: Desk, sim: MediarithmicsSimulator) -> None:
    batch = lost(desk)
    for n in range(2, 203):
        desk.submit(b'{"$ts":1}\n', n)

    assert reconcile(desk, batch) == Found({"execution_id": "8000001"})
    assert [call.query["first_result"] for call in sim.calls("list_executions")] == ["0", "100", "200"]


def test_two_lost_batches_are_told_apart_by_their_lines(desk: Desk) -> None:
    first, second = lost(desk), lost(desk, b'{"$ts":9}\n', 2, records=1)
    desk.clock.advance(SECONDS)

    assert reconcile(desk, first) == Found({"execution_id": "8000001"})
    assert reconcile(desk, second) == Found({"execution_id": "8000002"})


def test_of_two_lost_batches_only_the_one_that_arrived_is_found(desk: Desk, sim: MediarithmicsSimulator) -> None:
    first = lost(desk)
    sim.fault("reset_before", "create_execution")
    with pytest.raises(Ambiguous):
        desk.submit(b'{"$ts":9}\n', 2, records=1)
    second = desk.batches[-1]
    desk.clock.advance(SECONDS)

    assert reconcile(desk, first) == Found({"execution_id": "8000001"})
    assert reconcile(desk, second) == NotThere()


@pytest.mark.parametrize("advance", [0.0, SECONDS], ids=["lines not told yet", "as many lines"])
def test_two_lost_batches_that_look_alike_cannot_be_told_apart(desk: Desk, advance: float) -> None:
    first, second = lost(desk), lost(desk, n=2)
    desk.clock.advance(advance)

    for batch in (first, second):
        answer = reconcile(desk, batch)
        assert isinstance(answer, Undecided)
        assert "8000001" in answer.why


def test_a_resubmitted_batch_of_which_both_attempts_arrived_cannot_be_decided(desk: Desk) -> None:
    lost(desk)
    desk.batches.clear()
    again = lost(desk, attempt=2, flagged=True)

    assert isinstance(reconcile(desk, again), Undecided)


def test_an_execution_that_may_be_a_resubmitted_siblings_is_not_adopted(desk: Desk) -> None:
    lost(desk)
    desk.batches.clear()
    desk.submit(LINES, attempt=2, flagged=True)  # its first attempt's execution is nobody's
    batch = lost(desk, n=2)

    assert isinstance(reconcile(desk, batch), Undecided)


def test_in_a_shared_import_a_young_execution_may_be_anybodys(
    sim: MediarithmicsSimulator, open_desk: Callable[..., Desk], desk: Desk
) -> None:
    desk.submit(LINES)
    desk.clock.advance(2 * 3600)
    other = open_desk(sim, {"document_import_id": "20517"})
    other.prepare()
    sim.fault("reset_before", "create_execution")
    with pytest.raises(Ambiguous):
        other.submit(LINES)

    assert reconcile(other, other.batches[0]) == NotThere()  # the only execution is older than the batch

    desk.submit(LINES, n=2)
    answer = reconcile(other, other.batches[0])
    assert isinstance(answer, Undecided)
    assert "document_import_id" in answer.why


def test_a_refused_list_is_the_submissions_to_judge(desk: Desk, sim: MediarithmicsSimulator) -> None:
    batch = lost(desk)
    sim.fault("list_refused", "list_executions")

    with pytest.raises(Rejected):
        reconcile(desk, batch)


# --- results ---


def marked(*failing: int, of: int = 4) -> bytes:
    return b"".join(
        json.dumps({"$user_account_id": f"u{n}", "$ts": n, **({"$fail": True} if n in failing else {})}).encode()
        + b"\n"
        for n in range(1, of + 1)
    )


def test_without_failures_nothing_more_is_fetched(desk: Desk, sim: MediarithmicsSimulator) -> None:
    batch = desk.submit(LINES)
    desk.work()

    found = desk.vendor.collect(desk.session, batch)

    assert (found.accepted, found.rejected, list(found.rejects), found.results, found.warnings) == (3, 0, [], [], [])
    assert sim.calls("data_file") == []


@pytest.mark.acceptance("G6", "G8")
@pytest.mark.parametrize("form", ["records", "lines"])
def test_every_refused_record_is_found_at_its_line(
    sim: MediarithmicsSimulator, open_desk: Callable[..., Desk], objects: Objects, form: str
) -> None:
    desk = open_desk(sim, input={"format": "auto", "id": ["$user_account_id", "$ts"]})
    sim.options.error_file = form
    desk.prepare()
    packager, (part,) = desk.package("activities.ndjson", b"\n" + marked(2, 4))
    batch = desk.submit(part.payload.open().read(), records=4)
    desk.work()

    lines, tally = refused_lines(desk, packager, part, batch)

    assert [line for line, _ in lines] == [3, 5]
    assert tally.unmatched == []
    found = desk.vendor.collect(desk.session, batch)
    assert (found.accepted, found.rejected) == (2, 2)
    assert found.results == ["results/batch-00001-errors.ndjson"]
    assert objects.within("/results/") == ("batch-00001-errors.ndjson",)
    call = desk.last("data_file")
    assert (call.method, call.path) == ("GET", "/v1/data_file/data")
    assert call.query == {"uri": "mics://data_file/tenants/1581/imports/20517/8000001.error"}
    assert call.header("Authorization") == "api:mediarithmics-token"


def test_a_refused_row_of_a_csv_drop_sent_as_json_is_found_at_its_line(
    sim: MediarithmicsSimulator, open_desk: Callable[..., Desk]
) -> None:
    input_ = {"id": "account", "rename": {"account": "$user_account_id", "fail": "$fail"}, "types": {"fail": "boolean"}}
    desk = open_desk(sim, input=input_)
    desk.prepare()
    drop = b'account,note,fail\na,"two\nlines",false\nb,x,true\n'
    packager, (part,) = desk.package("activities.csv", drop)
    batch = desk.submit(part.payload.open().read(), records=2)
    desk.work()

    lines, tally = refused_lines(desk, packager, part, batch)

    assert (lines, tally.sample[0]["id"]) == ([(4, "refused")], "b")
    assert tally.sample[0]["message"] == "the record asked to fail"


@pytest.mark.parametrize("form", ["lines", "records"])
def test_a_refused_row_of_a_csv_batch_is_found_at_its_line(
    sim: MediarithmicsSimulator, open_desk: Callable[..., Desk], form: str
) -> None:
    account = {"document_type": "USER_SEGMENT", "mime_type": "TEXT_CSV"}
    desk = open_desk(sim, account, {"id": "email", "rename": {"email": "email_hash", "fail": "$fail"}})
    sim.options.error_file = form
    desk.prepare()
    packager, (part,) = desk.package("segments.csv", b"email,segment_id,fail\na,1,\nb,1,true\n")
    batch = desk.submit(part.payload.open().read(), records=2)
    desk.work()

    lines, tally = refused_lines(desk, packager, part, batch)

    assert [line for line, _ in lines] == [3]
    assert tally.sample[0]["id"] == "b"


def test_an_error_file_that_names_no_record_leaves_the_totals_standing(desk: Desk, sim: MediarithmicsSimulator) -> None:
    sim.options.error_file = "numbered"
    desk.session.job.config["input"] = {"id": "$user_account_id"}
    batch = desk.submit(marked(2))
    desk.work()

    found = desk.vendor.collect(desk.session, batch)

    assert (found.accepted, found.rejected, list(found.rejects)) == (3, 1, [])
    assert found.results == ["results/batch-00001-errors.ndjson"]


def test_without_an_id_in_the_route_it_is_said_that_nothing_can_be_matched(desk: Desk) -> None:
    desk.session.job.config["input"] = {}
    batch = desk.submit(marked(2))
    desk.work()

    found = desk.vendor.collect(desk.session, batch)

    assert (found.accepted, found.rejected, list(found.rejects)) == (3, 1, [])
    assert "input.id" in found.warnings[0]


def test_an_error_file_that_cannot_be_had_leaves_the_totals_standing(desk: Desk, sim: MediarithmicsSimulator) -> None:
    sim.fault("expired_url", "data_file")
    batch = desk.submit(marked(2))
    desk.work()

    found = desk.vendor.collect(desk.session, batch)

    assert (found.accepted, found.rejected, found.results) == (3, 1, [])
    assert "RESULT_UNREADABLE" in found.warnings[0]


@pytest.mark.acceptance("G3")
def test_an_error_file_cut_short_is_not_taken_for_whole(desk: Desk, sim: MediarithmicsSimulator) -> None:
    sim.fault("truncated", "data_file")
    batch = desk.submit(marked(2))
    desk.work()

    with pytest.raises(Ambiguous):
        desk.vendor.collect(desk.session, batch)


@pytest.mark.acceptance("G5")
def test_totals_are_passed_on_as_the_vendor_gives_them(desk: Desk, sim: MediarithmicsSimulator) -> None:
    batch = desk.submit(LINES)
    desk.work()
    sim.fault("miscount", "execution", value=5)

    assert desk.vendor.collect(desk.session, batch).accepted == 8


def test_failures_without_an_error_file_and_missing_totals_are_said_aloud(desk: Desk) -> None:
    batch = desk.begin(receipt={"execution_id": "1"})
    desk.session.http = canned(status="SUCCEEDED", result={"total_success": "2", "total_failure": 1})
    counted = desk.vendor.collect(desk.session, batch)
    desk.session.http = canned(status="SUCCEEDED", result=None)
    silent = desk.vendor.collect(desk.session, batch)

    assert (counted.accepted, counted.rejected, len(counted.warnings)) == (2, 1, 1)
    assert (silent.accepted, silent.rejected, silent.unknown, len(silent.warnings)) == (None, None, True, 1)


class WithErrorFile(Canned):
    """An execution that succeeded with this result, and the error file it names."""

    def __init__(self, file: bytes, **result: object) -> None:
        given = {"status": "SUCCEEDED", "result": {"error_file_uri": "mics://errors", **result}}
        super().__init__(json.dumps({"status": "ok", "data": given}).encode())
        self._file = file

    def download(self, _: Any) -> Iterator[bytes]:
        yield self._file


@pytest.mark.parametrize(
    "totals",
    [
        {"total_success": 3, "total_failure": 1},
        {"total_success": 3.0, "total_failure": 1.0},
        {"total_success": 3, "total_failure": None},
        {"total_failure": "one"},
        {},
    ],
)
def test_an_error_file_is_read_whatever_the_totals_beside_it(desk: Desk, totals: dict[str, Any]) -> None:
    desk.session.job.config["input"] = {"id": "$user_account_id"}
    desk.session.http = WithErrorFile(marked(2).splitlines(keepends=True)[1], **totals)

    found = desk.vendor.collect(desk.session, desk.begin(receipt={"execution_id": "1"}))

    assert [reject.id for reject in found.rejects] == ["u2"]
    assert found.accepted == totals.get("total_success")
    assert found.rejected == (1 if totals.get("total_failure") in (1, 1.0) else None)
    assert not found.unknown


@pytest.mark.parametrize("file", [b"", b"line 2: refused\n", b'{"line": 2}\n'])
def test_without_totals_an_error_file_that_tells_of_no_record_leaves_all_unconfirmed(desk: Desk, file: bytes) -> None:
    desk.session.job.config["input"] = {"id": "$user_account_id"}
    desk.session.http = WithErrorFile(file)

    found = desk.vendor.collect(desk.session, desk.begin(receipt={"execution_id": "1"}))

    assert (found.unknown, found.results) == (True, ["results/batch-00001-errors.ndjson"])


def test_no_error_file_is_read_where_the_vendor_counts_no_failure(desk: Desk) -> None:
    desk.session.http = WithErrorFile(b"", total_success=3, total_failure=0.0)

    found = desk.vendor.collect(desk.session, desk.begin(receipt={"execution_id": "1"}))

    assert (found.accepted, found.rejected, found.results, found.warnings) == (3, 0, [], [])


@pytest.mark.parametrize("value", ["9" * 5000, 10**18, -1, 2.5, True, [], "many", "2²"])
def test_a_total_that_can_be_no_number_of_records_is_none(desk: Desk, value: object) -> None:
    desk.session.http = canned(status="SUCCEEDED", result={"total_success": value, "total_failure": 0})

    found = desk.vendor.collect(desk.session, desk.begin(receipt={"execution_id": "1"}))

    assert (found.accepted, found.rejected, len(found.warnings)) == (None, 0, 1)


@pytest.mark.parametrize("uri", ["mics://\ud83d/errors", "mics://a\nb", 7, ["x"], " "])
def test_an_address_of_an_error_file_that_can_be_none_is_taken_for_none(desk: Desk, uri: object) -> None:
    result = {"total_success": 2, "total_failure": 1, "error_file_uri": uri}
    desk.session.http = canned(status="SUCCEEDED", result=result)

    found = desk.vendor.collect(desk.session, desk.begin(receipt={"execution_id": "1"}))

    assert (found.accepted, found.rejected, list(found.rejects)) == (2, 1, [])
    assert "no error file" in found.warnings[0]


# --- routes ---

ROUTE: dict[str, Any] = {
    "destination": "mediarithmics",
    "account": {"datamart_id": 1502, "document_type": "USER_ACTIVITY", "mime_type": "APPLICATION_X_NDJSON"},
    "secret": "mics-main",
}


def route(**account: Any) -> dict[str, Any]:
    return ROUTE | {"account": ROUTE["account"] | account}


def test_batches_are_lines_of_at_most_a_hundred_million_bytes() -> None:
    of_lines = Mediarithmics().output(read_route("r", ROUTE).account)
    of_csv = Mediarithmics().output(read_route("r", route(document_type="USER_SEGMENT", mime_type="TEXT_CSV")).account)

    assert (of_lines.format, of_lines.max_bytes) == ("ndjson", 100_000_000)
    assert (of_csv.format, of_csv.csv_quoting) == ("csv", "minimal")


@pytest.mark.acceptance("B20")
@pytest.mark.parametrize(
    "kind",
    [
        "USER_ACTIVITY",
        "USER_PROFILE",
        "USER_IDENTIFIERS_ASSOCIATION_DECLARATIONS",
        "USER_IDENTIFIERS_DISSOCIATION_DECLARATIONS",
        "USER_IDENTIFIERS_DELETION",
    ],
)
def test_a_type_that_is_taken_only_as_lines_is_refused_as_csv(kind: str) -> None:
    read_route("r", route(document_type=kind))

    with pytest.raises(RouteError, match=f"account.mime_type: {kind} is taken only as APPLICATION_X_NDJSON"):
        read_route("r", route(document_type=kind, mime_type="TEXT_CSV"))


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        (route(document_type="USER_ACTIVTY"), "account.document_type", 'did you mean "USER_ACTIVITY"'),
        (route(mime_type="text/csv"), "account.mime_type", "TEXT_CSV"),
        (route(datamart_id="a/b"), "account.datamart_id", "must match"),
        (
            route(document_type="USER_SEGMENT", mime_type="TEXT_CSV") | {"input": {"format": "json"}},
            "account.mime_type",
            "a JSON file is sent as",
        ),
    ],
)
def test_a_wrong_route_is_refused_with_the_field_and_the_fix(changes: dict[str, Any], field: str, words: str) -> None:
    with pytest.raises(RouteError) as refused:
        read_route("r", changes)

    assert [f for f, _ in refused.value.problems] == [field]
    assert words in str(refused.value)
