"""`report.json`: what other programs read of a job."""

from __future__ import annotations

import json
from typing import Any

import pytest

from batchdrop.entries import packed
from batchdrop.job import Batch, Job
from batchdrop.report.document import report_document
from batchdrop.words import BatchState, Counts, JobOutcome

AT = 1_769_860_800_000  # 2026-01-31T12:00:00Z
JOB = "3f2a9c0d4b5e6f708192a3b4c5d6e7f8"


def job(**changes: Any) -> Job:
    known: dict[str, Any] = {
        "destination": "sherpa", "size": 50, "packaged_at": AT + 2000, "inspection": {"sha256": "ab" * 32},
    }  # fmt: skip
    return Job(JOB, "prices", "drops", "drops/prices/a.csv", "v1", AT, AT + 3_600_000, **{**known, **changes})


def batch(n: int = 1, **changes: Any) -> Batch:
    known: dict[str, Any] = {
        "records": 3, "invalid": 1, "bytes": 40, "sha256": "cd" * 32, "receipt": {"batch_id": f"b{n}"},
        "counts": Counts(accepted=3, invalid=1).as_dict(), "packaged_at": AT + 1000, "submitted_at": AT + 1500,
        "done_at": AT + 60_000, "collected_at": AT + 61_000,
    }  # fmt: skip
    return Batch(JOB, n, "me", BatchState.SUCCEEDED, **{"attempt": 1, **known, **changes})


def document(given: Job, batches: list[Batch]) -> dict[str, Any]:
    counts = sum((b.tally for b in batches), Counts())
    rejects = [{"line": 3, "id": "2", "outcome": "invalid", "code": "row_too_short", "message": "m"}]
    outcome = JobOutcome.COMPLETED_WITH_REJECTS
    found = report_document(given, batches, outcome, "why", counts, rejects, [], now=AT + 62_000)
    json.dumps(found)
    return found


def test_it_holds_what_the_contract_names() -> None:
    found = document(job(), [batch()])
    assert found.keys() >= {
        "job_id", "route", "destination", "outcome", "reason", "drop", "counts", "batches", "rejects", "warnings",
        "timeline",
    }  # fmt: skip
    assert found["drop"] == {
        "bucket": "drops", "key": "drops/prices/a.csv", "version_id": "v1", "size": 50, "sha256": "ab" * 32,
    }  # fmt: skip
    assert found["batches"][0].keys() >= {"n", "receipt", "records", "bytes", "sha256", "state", "attempts", "counts"}
    assert found["counts"] == {
        "records": 4, "accepted": 3, "invalid": 1, "rejected": 0, "unprocessed": 0, "unconfirmed": 0,
    }  # fmt: skip


@pytest.mark.acceptance("G5")
def test_the_counts_of_the_batches_add_up_to_those_of_the_job() -> None:
    found = document(job(), [batch(n) for n in range(1, 4)])
    for name in found["counts"]:
        assert found["counts"][name] == sum(b["counts"][name] for b in found["batches"])


def test_times_are_iso_in_utc_and_in_order() -> None:
    found = document(job(callback_at=AT + 59_000, cancel_at=AT + 58_000), [batch()])
    assert (found["started_at"], found["finished_at"]) == ("2026-01-31T12:00:00.000Z", "2026-01-31T12:01:02.000Z")
    times = [moment["at"] for moment in found["timeline"]]
    assert times == sorted(times)
    assert found["timeline"][0]["event"] == "claimed"
    assert {"last callback", "cancel asked for"} <= {moment["event"] for moment in found["timeline"]}


def test_a_job_that_was_woken_by_others_than_the_vendor_tells_of_no_callback() -> None:
    found = document(job(hint_at=AT + 59_000, cancel_at=AT + 59_000), [batch()])
    assert not any("callback" in moment["event"] for moment in found["timeline"])


def test_a_timeline_stays_short_however_many_the_batches() -> None:
    assert len(document(job(), [batch(n) for n in range(1, 301)])["timeline"]) < 20


@pytest.mark.acceptance("D2")
def test_a_batch_sent_again_without_proof_is_said_aloud() -> None:
    found = document(job(), [batch(flagged=True, attempt=2)])
    assert any(warning.startswith("possible_duplicate") for warning in found["warnings"])
    assert found["batches"][0]["flagged"] is True


@pytest.mark.acceptance("D15")
def test_what_was_given_up_at_the_vendor_is_listed() -> None:
    found = document(job(), [batch(orphans=[{"batch_id": "b0"}])])
    assert found["batches"][0]["orphans"] == [{"batch_id": "b0"}]
    assert any(warning.endswith("were given up there, unused") for warning in found["warnings"])
    found = document(job(), [batch(orphans=[{"batch_id": "b0"}], flagged=True)])
    assert any(warning.endswith("whether it used them is not known") for warning in found["warnings"])


@pytest.mark.acceptance("G7")
def test_refusals_of_ids_never_sent_are_kept_and_bounded() -> None:
    odd = [{"id": str(n), "code": "X", "message": "m"} for n in range(90)]
    found = document(job(), [batch(unmatched=odd), batch(2, unmatched=odd)])
    assert len(found["unmatched_vendor_errors"]) == 100


def test_warnings_of_job_and_batches_come_together() -> None:
    assert document(job(warnings=["one"]), [batch(warnings=["two"])])["warnings"] == ["one", "two"]


def test_what_was_odd_about_the_drop_is_warned_of_and_of_a_set_the_file_is_named() -> None:
    odd = {"format": "csv", "header": ["id;name"], "warnings": ["unknown column"]}
    hint = "the file has one column; its columns seem to be separated by ';': set input.delimiter"
    assert document(job(inspection=odd), [])["warnings"] == ["unknown column", hint]
    entries: list[dict[str, Any]] = [{"name": "a.csv", "inspection": odd}, {"name": "b.json", "inspection": None}]
    for kept in (packed(entries), entries):  # as they are: by the version before
        found = document(job(inspection={"entries": kept}), [])["warnings"]
        assert found == ["a.csv: unknown column", f"a.csv: {hint}"]
    assert document(job(inspection={"format": "csv", "header": ["name"]}), [])["warnings"] == []


@pytest.mark.acceptance("A15")
def test_the_job_whose_bytes_these_were_is_named() -> None:
    assert document(job(duplicate_content_of="earlier"), [])["duplicate_content_of"] == "earlier"


def test_a_cancel_that_came_too_late_is_not_why_the_vendor_refused_everything() -> None:
    canceled = job(cancel_at=AT + 500, failure={"reason": "canceled", "message": "canceled on request"})
    counts = Counts(rejected=3)
    for outcome, failure in ((JobOutcome.FAILED, None), (JobOutcome.CANCELED, canceled.failure)):
        found = report_document(canceled, [batch()], outcome, "why", counts, [], [], now=AT + 62_000)
        assert found["failure"] == failure
