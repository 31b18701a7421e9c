"""Ometria: each documented request byte for byte, and whole jobs on its simulator."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest

from batchdrop.operate import CannotOperate, rerun
from batchdrop.poll import what_next
from local.simulators.clock import ManualClock
from local.simulators.ometria import OmetriaSimulator
from local.simulators.wire import Reply
from tests.unit.destinations.sets_fixtures import Desk, ready_zip, unzipped

PRODUCTS = b'id,title,price\np1,"Tea, green",4.50\np2,Cup,12\n'
PAGES = b'{"id": "a", "n": 12345678901234567890.10}\n{"id": "b"}\n'
CATEGORIES = b'[{"id": "c1"},\n {"id": "c2"}]'
SET = {"products.csv": PRODUCTS, "pages.ndjson": PAGES, "categories.json": CATEGORIES}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_800_000_000.0)


@pytest.fixture
def sim(clock: ManualClock) -> Iterator[OmetriaSimulator]:
    with OmetriaSimulator(clock=clock) as simulator:
        yield simulator


@pytest.fixture
def desk(sim: OmetriaSimulator, clock: ManualClock) -> Desk:
    example = sim.example()
    example["route"] |= {"input": {"types": {"price": "number"}}, "poll": {"first": "10s", "max": "5m"}}
    return Desk(sim, clock, example["route"], example["secret"])


def sent_zip(sim: OmetriaSimulator, number: int = -1) -> dict[str, bytes]:
    return unzipped(sim.commits[number].bodies[0].read())


# --- the documented requests ---


def test_the_upload_is_the_documented_form_with_one_zip(desk: Desk, sim: OmetriaSimulator) -> None:
    job = desk.drop({"products.json": b'[{"id":"p1"}]'})
    [upload] = sim.calls("upload")
    assert (upload.method, upload.path, upload.query) == ("POST", "/batch/upload/full", {})
    basic = "Basic " + base64.b64encode(b"ometria-key:ometria-secret").decode()
    assert upload.header("Authentication") == upload.header("Authorization") == basic
    kind, _, boundary = upload.header("Content-Type").partition("; boundary=")
    assert kind == "multipart/form-data"
    [made] = desk.batches(job)
    assert upload.length == made.bytes + len(
        f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="upload.zip"\r\n'
        f"Content-Type: application/zip\r\n\r\n\r\n--{boundary}--\r\n"
    )
    assert sim.violations == []


def test_the_process_call_names_the_receipt_and_whether_to_delete(desk: Desk, sim: OmetriaSimulator) -> None:
    job = desk.drop({"products.json": b'[{"id":"p1"}]'})
    [process], [batch] = sim.calls("process"), desk.batches(job)
    assert (process.method, process.path) == ("PUT", f"/batch/process/{batch.receipt['receipt']}")
    assert process.query == {"delete_on_completion": "true"}
    assert process.length == 0
    desk.raw["account"]["delete_on_completion"] = False
    desk.drop({"products.json": b'[{"id":"p2"}]'}, folder="second")
    assert sim.calls("process")[1].query == {"delete_on_completion": "false"}
    assert sim.violations == []


def test_report_and_cancel_are_the_documented_requests(desk: Desk, sim: OmetriaSimulator) -> None:
    job = desk.drop({"products.json": b'[{"id":"p1"}]'})
    desk.run(job)
    [batch] = desk.batches(job)
    desk.route.vendor.cancel(desk.session(job), batch)
    receipt = batch.receipt["receipt"]
    asked = [(r.method, r.path, r.query, r.length) for r in sim.requests[-2:]]
    assert asked == [
        ("GET", f"/reporting/report/{receipt}", {}, 0),
        ("PUT", f"/batch/cancel/{receipt}", {}, 0),
    ]
    assert sim.violations == []


def test_the_vendors_own_example_of_credentials_comes_out_right(desk: Desk, sim: OmetriaSimulator) -> None:
    desk.secret |= {"api_key": "f4198aa7934b402981179610e71dcdbe", "api_secret": "AW328UXvlwqfsOkS8smjIGtxfXAqjJxD"}
    desk.drop({"products.json": b'[{"id":"p1"}]'})
    assert sim.calls("upload")[0].header("Authentication") == (
        "Basic ZjQxOThhYTc5MzRiNDAyOTgxMTc5NjEwZTcxZGNkYmU6QVczMjhVWHZsd3Fmc09rUzhzbWpJR3R4ZlhBcWpKeEQ="
    )


@pytest.mark.parametrize("header", ["Authentication", "Authorization"])
def test_a_route_may_send_the_credentials_in_one_header_only(desk: Desk, sim: OmetriaSimulator, header: str) -> None:
    desk.raw["account"]["auth_header"] = header
    desk.drop({"products.json": b'[{"id":"p1"}]'})
    other = {"Authentication": "Authorization", "Authorization": "Authentication"}[header]
    assert sim.calls("upload")[0].header(header)
    assert not sim.calls("upload")[0].header(other)


@pytest.mark.acceptance("C3")
@pytest.mark.parametrize("encoding", ["hex", "base64"])
def test_the_md5_of_the_zip_goes_into_the_header_the_route_names(
    desk: Desk, sim: OmetriaSimulator, encoding: str
) -> None:
    desk.raw["account"] |= {"md5_header": "Content-MD5", "md5_encoding": encoding}
    desk.drop(SET)
    digest = hashlib.md5(sim.commits[0].bodies[0].read()).digest()
    expected = digest.hex() if encoding == "hex" else base64.b64encode(digest).decode()
    assert sim.calls("upload")[0].header("Content-MD5") == expected
    assert sim.violations == []


def test_the_address_is_made_of_domain_and_location_key(desk: Desk) -> None:
    del desk.raw["account"]["base_url"]
    seen: list[str] = []
    desk.http.send = lambda request: seen.append(request.url)  # type: ignore[method-assign,assignment,return-value]
    job = desk.drop({"products.json": b'[{"id":"p1"}]'})
    assert seen == ["https://shop.api-eu.ometria.services/batch/upload/full"]
    assert [batch.receipt for batch in desk.batches(job)] == []  # nothing came of it: its intent stands with the job
    assert desk.job(job).begun


@pytest.mark.parametrize("key", ["evil.example/", "UPPER", "", "a" * 64, "x@y"])
def test_a_domain_key_that_could_lead_elsewhere_is_refused(desk: Desk, key: str) -> None:
    from batchdrop.errors import RouteError

    desk.raw["account"]["domain_key"] = key
    with pytest.raises(RouteError, match=r"account\.domain_key"):
        _ = desk.route


# --- whole jobs ---


def test_a_set_becomes_one_zip_of_json_arrays_and_is_accounted_for(desk: Desk, sim: OmetriaSimulator) -> None:
    report = desk.run(desk.drop(SET))
    assert {name: json.loads(data) for name, data in sent_zip(sim).items()} == {
        "categories.json": [{"id": "c1"}, {"id": "c2"}],
        "pages.json": [{"id": "a", "n": 12345678901234567890.10}, {"id": "b"}],
        "products.json": [
            {"id": "p1", "title": "Tea, green", "price": 4.50},
            {"id": "p2", "title": "Cup", "price": 12},
        ],
    }
    assert b"12345678901234567890.10" in sent_zip(sim)["pages.json"]
    assert report["outcome"] == "completed"
    assert report["counts"]["accepted"] == report["counts"]["records"] == 6
    assert report["batches"][0]["inferred"] is True
    assert sim.violations == []


def test_an_object_goes_as_it_is_and_counts_as_one_record(desk: Desk, sim: OmetriaSimulator) -> None:
    definitions = b'\xef\xbb\xbf{\n  "colour": {"type": "text"}\n}\n'
    report = desk.run(desk.drop({"definitions.json": definitions}))
    assert sent_zip(sim) == {"definitions.json": definitions[3:]}
    assert report["counts"]["records"] == 1


@pytest.mark.acceptance("C1")
def test_the_same_set_makes_the_same_zip(desk: Desk, sim: OmetriaSimulator, clock: ManualClock) -> None:
    desk.drop(SET)
    clock.advance(100_000)
    desk.drop(dict(reversed(SET.items())), folder="again")
    assert len(sim.commits_by_sha) == 1
    assert sim.commits_by_sha.most_common(1)[0][1] == 2


def test_a_single_csv_file_is_sent_as_its_json_member(desk: Desk, sim: OmetriaSimulator) -> None:
    report = desk.run(desk.drop({"products.csv": PRODUCTS}, ready=None))
    assert list(sent_zip(sim)) == ["products.json"]
    assert report["outcome"] == "completed"


def test_a_ready_made_zip_is_sent_byte_for_byte(desk: Desk, sim: OmetriaSimulator) -> None:
    archive = ready_zip({"products.json": b'[{"id": "p1"},{"id": "p2"}]', "definitions.json": b'{"a": 1}'})
    report = desk.run(desk.drop({"catalogue.zip": archive}, ready=None))
    assert sim.commits[0].bodies[0].read() == archive
    assert report["counts"]["accepted"] == 3


def test_an_invalid_record_is_left_out_and_found_again_with_file_and_line(desk: Desk, sim: OmetriaSimulator) -> None:
    products = b"id,price\np1,1\np2,cheap\np3,3\n"
    job = desk.drop({"products.csv": products, "pages.ndjson": b'{"id": "a"}\n{broken\n'})
    report = desk.run(job)
    assert report["outcome"] == "completed_with_rejects"
    assert report["counts"] | {"accepted": 3, "invalid": 2} == report["counts"]
    assert [(r["line"], r["message"].split(":")[0]) for r in report["rejects"]] == [
        (2, "pages.ndjson"),
        (3, "products.csv"),
    ]
    [broken, row] = desk.rejects(job)
    assert broken["batchdrop_raw"] == "{broken"
    assert row | {"id": "p2", "price": "cheap", "batchdrop_line": 3, "batchdrop_outcome": "invalid"} == row
    assert json.loads(sent_zip(sim)["products.json"]) == [{"id": "p1", "price": 1}, {"id": "p3", "price": 3}]


def test_rejects_of_a_set_are_mended_in_their_own_files_and_sent_with_the_whole_set(
    desk: Desk, sim: OmetriaSimulator
) -> None:
    """Sent alone, they would be all there is of the catalogue, with texts for numbers."""
    desk.raw["input"] |= {"id": "id"}
    job = desk.drop({"products.csv": b"id,price\np1,1\n,2.50\n", "pages.json": b'[{"id": "a"}, {"x": 1}]'})
    report = desk.run(job)
    assert "Drop the whole set again: `batchdrop drop PATH --route r`." in report["what_next"]
    assert "mend.ndjson" not in " ".join(report["what_next"])
    with pytest.raises(CannotOperate, match="it is no drop itself"):
        rerun(desk, job, only_rejected=True)

    mended = desk.result(job, "rejects.ndjson").replace(b'"id":""', b'"id":"p2"').replace(b'{"x"', b'{"id":"b","x"')
    one = mended.partition(b"\n")[0]
    for name, data in (("mend.ndjson", mended), ("mend.json", b"[%b]" % one), ("mend.json", one)):
        again = desk.run(desk.drop({name: data}, ready=None))
        assert (again["outcome"], again["failure"]["reason"]) == ("failed", "set")
        assert "is a rejects file" in again["failure"]["message"]
    assert len(sim.calls("upload")) == 1

    whole = {"products.csv": b"id,price\np1,1\np2,2.50\n", "pages.json": b'[{"id": "a"}, {"id": "b", "x": 1}]'}
    assert desk.run(desk.drop(whole, folder="again"))["outcome"] == "completed"
    assert b'"price":2.50' in sent_zip(sim)["products.json"]


def test_a_strict_route_refuses_a_set_with_an_invalid_record(desk: Desk, sim: OmetriaSimulator) -> None:
    desk.raw["account"]["invalid_records"] = "refuse"
    report = desk.run(desk.drop({"products.csv": b"id,price\np1,1\np2,cheap\n"}))
    assert (report["outcome"], report["failure"]["reason"]) == ("failed", "invalid_records")
    assert sim.requests == []


def test_a_file_without_one_valid_record_is_never_sent_as_an_empty_catalogue(desk: Desk, sim: OmetriaSimulator) -> None:
    report = desk.run(desk.drop({"products.csv": b"id,price\np1,dear\n", "pages.json": b'[{"id":1}]'}))
    assert report["outcome"] == "failed"
    assert "products.csv" in report["failure"]["message"]
    assert sim.requests == []


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"message": "emails.json: unknown"}', ': "emails.json: unknown"'),
        (b'{"error": {"code": 7, "message": "no  such\\ntype"}}', ': "no such type"'),
        (b"the quota is used up", ': "the quota is used up"'),
        (b'{"message": "key ometria-secret of ann@example.org is odd"}', ': "key [secret] of […] is odd"'),
        (
            b'{"message": "title \\"Cup\\" of 12345 is empty, as \'Tea\' is"}',
            ': "title […] of […] is empty, as […] is"',
        ),
        (b'{"message": "customer \'Siobhan O\'Neil\' is not valid"}', ': "customer […] is not valid"'),
        (b'{"message": "row {firstname: Anna, phone: 030-123-456}"}', ': "row […]"'),
        (b'{"message": "' + b"word " * 100 + b'"}', ""),
        (b"<html>400</html>", ""),
        (b'{"errors": []}', ""),
        (b"", ""),
    ],
)
def test_the_vendors_words_of_a_refused_upload_are_told_without_secrets_and_values(
    desk: Desk, sim: OmetriaSimulator, monkeypatch: pytest.MonkeyPatch, body: bytes, told: str
) -> None:
    monkeypatch.setattr(sim, "error", lambda status, message: Reply(status, body))
    sim.fault("400", "upload")
    report = desk.run(desk.drop(SET))
    assert report["outcome"] == "failed"
    assert report["batches"][0]["message"] == f"POST 127.0.0.1/batch/upload/full: answered 400{told}"
    assert {reject["message"] for reject in report["rejects"]} == {report["batches"][0]["message"]}


def test_a_file_of_another_name_than_the_vendors_page_has_is_warned_of(desk: Desk, sim: OmetriaSimulator) -> None:
    report = desk.run(desk.drop({"emails.csv": PRODUCTS}, ready=None))
    assert report["outcome"] == "failed"
    assert 'answered 400: "emails.json: the files of an upload are categories.json, ' in report["reason"]
    (warning,) = report["warnings"]
    assert warning.startswith("goes as emails.json, but the vendor's page speaks of categories.json, products.json, ")

    desk.raw["account"]["members"] = ["emails.json"]
    sim.options.members = ()
    report = desk.run(desk.drop({"emails.csv": PRODUCTS}, ready=None, folder="b"))
    assert report["outcome"] == "completed"
    assert "the vendor's page" not in "".join(report["warnings"])


# --- the report of the vendor ---


def test_until_the_report_is_there_the_batch_runs(desk: Desk, sim: OmetriaSimulator, clock: ManualClock) -> None:
    sim.options.seconds_per_state = 1500
    job = desk.drop({"products.json": b'[{"id":1}]'})
    clock.advance(700)  # longer than a vendor's read lag: a 404 is still "not yet"
    desk.step(job, 0)
    assert desk.batches(job)[0].state == "submitted"
    assert desk.run(job)["outcome"] == "completed"


def test_a_report_that_says_processing_is_not_the_end(desk: Desk, sim: OmetriaSimulator) -> None:
    sim.options.report_too_early, sim.options.seconds_per_state = "processing", 600
    report = desk.run(desk.drop({"products.json": b'[{"id":1}]'}))
    assert report["outcome"] == "completed"
    assert len(sim.calls("report")) > 2


def test_the_report_is_kept_byte_for_byte_and_its_numbers_quoted_as_the_vendors(
    desk: Desk, sim: OmetriaSimulator
) -> None:
    job = desk.drop(SET)
    report = desk.run(job)
    assert report["results"] == ["results/batch-00001-report.json"]
    assert json.loads(desk.result(job, report["results"][0]))["data"]["status"] == "completed"
    assert any("data.products.received = 2" in w and "not counted here" in w for w in report["warnings"])


def _reported(desk: Desk, sim: OmetriaSimulator, body: Any) -> dict[str, Any]:
    sim.options.report = body
    return desk.run(desk.drop({"products.json": b'[{"id":1},{"id":2}]'}))


def test_a_report_without_a_status_word_leaves_the_records_unconfirmed(desk: Desk, sim: OmetriaSimulator) -> None:
    report = _reported(desk, sim, {"products": {"received": 2}})
    assert report["outcome"] == "handed_over"
    assert report["counts"]["unconfirmed"] == 2
    assert report["results"] == ["results/batch-00001-report.json"]


def test_a_route_may_take_a_report_without_a_status_word_as_success(desk: Desk, sim: OmetriaSimulator) -> None:
    desk.raw["account"]["report_without_status"] = "completed"
    report = _reported(desk, sim, [{"received": 2}])
    assert (report["outcome"], report["counts"]["accepted"]) == ("completed", 2)


@pytest.mark.parametrize(
    "body",
    [
        {"status": "completed", "products": {"failed": 1}},
        {"status": "Completed_With_Errors"},
        {"data": {"state": "SUCCESS", "errors": [{"id": "p1"}]}},
        {"status": "done", "products": {"error": "locale missing"}},
        {"products": {"received": 2, "rejected": 1}},
    ],
)
def test_a_report_that_speaks_of_trouble_never_counts_a_record_as_accepted(
    desk: Desk, sim: OmetriaSimulator, body: Any
) -> None:
    report = _reported(desk, sim, body)
    assert report["outcome"] == "failed"
    assert report["counts"] | {"accepted": 0, "rejected": 0, "unconfirmed": 2} == report["counts"]
    assert any("speaks of trouble" in w for w in report["warnings"])


def test_a_report_that_is_gone_before_it_was_kept_proves_nothing(desk: Desk, sim: OmetriaSimulator) -> None:
    job = desk.drop({"products.json": b'[{"id":1},{"id":2}]'})
    what_next(desk, desk.invocation(), job)
    desk.clock.advance(60)
    what_next(desk, desk.invocation(), job)
    assert desk.batches(job)[0].state == "succeeded"
    sim.fault("404", "report")
    report = desk.run(job)
    assert report["counts"] | {"accepted": 0, "unconfirmed": 2} == report["counts"]


def test_a_failed_import_fails_the_job_and_keeps_the_report(desk: Desk, sim: OmetriaSimulator) -> None:
    sim.fault("failed", "process", value="FAILED")
    job = desk.drop({"products.json": b'[{"id":1}]'})
    report = desk.run(job)
    assert (report["outcome"], report["counts"]["rejected"]) == ("failed", 1)
    assert report["results"] == ["results/batch-00001-report.json"]
    assert b"FAILED" in desk.result(job, report["results"][0])


def test_a_failed_import_whose_report_is_gone_stays_failed_and_says_so(desk: Desk, sim: OmetriaSimulator) -> None:
    sim.fault("failed", "process")
    job = desk.drop({"products.json": b'[{"id":1}]'})
    desk.clock.advance(60)
    what_next(desk, desk.invocation(), job)
    assert desk.batches(job)[0].state == "failed"
    sim.fault("404", "report")
    report = desk.run(job)
    assert (report["outcome"], report["counts"]["rejected"], report["results"]) == ("failed", 1, [])
    assert report["warnings"] == ["Ometria's report is gone: it was there, but could not be kept"]


@pytest.mark.acceptance("E1")
def test_an_unknown_status_word_waits_on_with_a_warning_until_the_deadline(desk: Desk, sim: OmetriaSimulator) -> None:
    report = _reported(desk, sim, {"status": "marinating"})
    assert report["outcome"] == "timed_out"
    assert report["counts"]["unconfirmed"] == 2
    assert any("marinating" in w for w in report["warnings"])


def test_no_report_by_the_deadline_times_out(desk: Desk, sim: OmetriaSimulator) -> None:
    sim.fault("never", "process")
    assert desk.run(desk.drop({"products.json": b'[{"id":1}]'}))["outcome"] == "timed_out"


# --- trouble on the way ---


def test_a_lost_answer_to_the_upload_only_leaves_an_orphan(desk: Desk, sim: OmetriaSimulator) -> None:
    sim.fault("reset_after", "upload")
    report = desk.run(desk.drop(SET))
    assert report["outcome"] == "completed"
    assert (len(sim.created), len(sim.commits)) == (2, 1)


@pytest.mark.acceptance("D3", "D6")
@pytest.mark.parametrize("fault", ["reset_after", "500", "html200"])
def test_a_process_call_without_a_proper_answer_is_settled_by_the_report(
    desk: Desk, sim: OmetriaSimulator, fault: str
) -> None:
    sim.fault(fault, "process", acts=True)
    report = desk.run(desk.drop(SET))
    assert report["outcome"] == "completed"
    assert len(sim.commits) == len(sim.calls("process")) == 1
    assert "batch 1: found at the vendor and adopted" in report["warnings"]


def test_a_process_call_that_never_arrived_is_held_not_repeated(desk: Desk, sim: OmetriaSimulator) -> None:
    desk.raw["account"]["look_for_report"] = "10m"
    sim.fault("reset_before", "process")
    report = desk.run(desk.drop(SET))
    assert report["outcome"] == "held"
    assert (len(sim.calls("process")), sim.commits) == (1, [])
    assert len(sim.calls("report")) > 1


def test_a_slow_process_whose_answer_was_lost_is_not_held_too_soon(desk: Desk, sim: OmetriaSimulator) -> None:
    sim.options.seconds_per_state = 900
    sim.fault("reset_after", "process")
    assert desk.run(desk.drop(SET))["outcome"] == "completed"
    assert len(sim.commits) == 1


def test_where_the_route_knows_process_to_be_idempotent_it_is_repeated_with_the_same_receipt(
    desk: Desk, sim: OmetriaSimulator
) -> None:
    desk.raw["account"]["process_is_idempotent"] = True
    sim.fault("reset_before", "process")
    report = desk.run(desk.drop(SET))
    assert report["outcome"] == "completed"
    first, second = sim.calls("process")
    assert first.path == second.path
    assert len(sim.commits) == 1


def test_a_repeated_process_call_that_is_refused_tells_nothing_of_the_first(desk: Desk, sim: OmetriaSimulator) -> None:
    desk.raw["account"]["process_is_idempotent"] = True
    sim.fault("reset_before", "process")
    sim.fault("422", "process")
    report = desk.run(desk.drop(SET))
    assert (report["outcome"], report["counts"]["unconfirmed"]) == ("held", 6)
    assert "answered 422" in report["reason"]


def test_of_a_canceled_job_process_is_not_repeated_however_idempotent(desk: Desk, sim: OmetriaSimulator) -> None:
    desk.raw["account"]["process_is_idempotent"] = True
    sim.fault("reset_before", "process")
    job = desk.drop(SET)
    assert desk.batches(job)[0].state == "doubtful"
    desk.ledger.change(desk.job(job), {"cancel_at": desk.ledger.now()}, {})
    report = desk.run(job)
    assert (report["outcome"], report["counts"]["unconfirmed"]) == ("held", 6)
    assert (len(sim.calls("process")), len(sim.calls("report")) > 1) == (1, True)


def test_the_report_polled_early_for_a_rejected_receipt_tells_why_the_batch_failed(
    desk: Desk, sim: OmetriaSimulator
) -> None:
    sim.fault("422", "upload")
    report = desk.run(desk.drop(SET))
    assert (report["outcome"], report["counts"]["rejected"]) == ("failed", 6)
    assert "answered 422" in report["reason"]


@pytest.mark.acceptance("D4")
def test_refused_credentials_are_fetched_afresh_once(desk: Desk, sim: OmetriaSimulator) -> None:
    sim.fault("expired_token", "upload")
    assert desk.run(desk.drop(SET))["outcome"] == "completed"
    sim.fault("expired_token", "upload", count=2)
    report = desk.run(desk.drop({"products.json": b'[{"id":9}]'}, folder="second"))
    assert report["failure"]["reason"] == "credentials"


def test_a_canceled_job_is_canceled_at_the_vendor(desk: Desk, sim: OmetriaSimulator) -> None:
    sim.fault("never", "process")
    job = desk.drop(SET)
    desk.ledger.change(desk.job(job), {"cancel_at": desk.ledger.now()}, {})
    report = desk.run(job)
    assert report["outcome"] == "canceled"
    assert report["counts"]["unconfirmed"] == 6  # it was being processed: what of it, the vendor does not say
    assert len(sim.calls("cancel")) == 1


def test_what_was_canceled_at_the_vendor_may_be_processed_in_part(desk: Desk, sim: OmetriaSimulator) -> None:
    report = _reported(desk, sim, {"status": "Canceled", "products": {"received": 1}})
    assert (report["outcome"], report["counts"]["unconfirmed"]) == ("failed", 2)
    assert "what it had processed until then, it does not say" in report["reason"]
    assert report["results"] == ["results/batch-00001-report.json"]
    assert any("products.received = 1" in warning for warning in report["warnings"])


def test_a_cancel_that_comes_too_late_changes_nothing(desk: Desk, sim: OmetriaSimulator, clock: ManualClock) -> None:
    job = desk.drop(SET)
    clock.advance(60)
    desk.ledger.change(desk.job(job), {"cancel_at": desk.ledger.now()}, {})
    assert desk.run(job)["counts"]["accepted"] == 6


def test_a_zip_over_the_routes_limit_is_refused_before_anything_is_sent(desk: Desk, sim: OmetriaSimulator) -> None:
    desk.raw["account"]["max_zip_bytes"] = 100
    report = desk.run(desk.drop(SET))
    assert report["failure"]["reason"] == "too_big"
    assert report["counts"]["unprocessed"] == 6
    assert sim.requests == []
