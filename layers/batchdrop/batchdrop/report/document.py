"""`report.json`: the one account of a drop that other programs read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from batchdrop.job import Batch, Job
from batchdrop.places import iso
from batchdrop.report.drop_warnings import drop_warnings
from batchdrop.words import Counts, JobOutcome

SCHEMA = "batchdrop.report/1"


def report_document(
    job: Job,
    batches: Sequence[Batch],
    outcome: JobOutcome,
    reason: str,
    counts: Counts,
    rejects: list[dict[str, Any]],
    reasons: list[dict[str, Any]],
    *,
    now: int,
) -> dict[str, Any]:
    """The report of an ended job. Times become ISO 8601 UTC; `counts.records` is the sum of the other five."""
    warnings = [*drop_warnings(job.inspection), *job.warnings, *(w for b in batches for w in b.warnings)]
    if any(b.flagged for b in batches):
        warnings.append("possible_duplicate: a batch was sent again without proof that its first attempt failed")
    if orphans := sum(len(b.orphans) for b in batches):
        in_doubt = any(b.orphans and b.flagged for b in batches)
        unused = "; whether it used them is not known" if in_doubt else ", unused"
        warnings.append(f"{orphans} submission(s) begun at the vendor were given up there{unused}")
    return {
        "schema": SCHEMA,
        "job_id": job.job_id,
        "route": job.route,
        "destination": job.destination,
        "outcome": outcome.value,
        "reason": reason,
        "failure": _failure(job, outcome),
        "revision": job.revision,
        "previous": job.previous or None,
        "duplicate_content_of": job.duplicate_content_of or None,
        "drop": {
            "bucket": job.bucket,
            "key": job.key,
            "version_id": job.version_id,
            "size": job.size,
            "sha256": job.inspection.get("sha256"),
        },
        "counts": counts.as_dict(),
        "batches": [_batch(b) for b in batches],
        "rejects": rejects,
        "reject_reasons": reasons,
        "warnings": warnings,
        "unmatched_vendor_errors": [u for b in batches for u in b.unmatched][:100],
        "results": [name for b in batches for name in b.results],
        "timeline": _timeline(job, batches, outcome, now),
        "started_at": iso(job.created_at),
        "finished_at": iso(now),
    }


def _failure(job: Job, outcome: JobOutcome) -> dict[str, Any] | None:
    """Why not all was sent. A cancel that came when all had been is not why the vendor refused it."""
    is_none = outcome.is_success or (outcome is JobOutcome.FAILED and job.gave_up_canceled)
    return None if is_none else job.failure or None


def _batch(batch: Batch) -> dict[str, Any]:
    return {
        "n": batch.n,
        "receipt": batch.receipt,
        "records": batch.records,
        "bytes": batch.bytes,
        "sha256": batch.sha256 or None,
        "state": batch.state,
        "status": batch.word or None,
        "message": batch.message or None,
        "attempts": batch.attempt,
        "flagged": batch.flagged,
        "orphans": batch.orphans,
        "counts": batch.tally.as_dict(),
        "inferred": batch.inferred,
        "packaged_at": iso(batch.packaged_at),
        "submitted_at": iso(batch.submitted_at),
        "done_at": iso(batch.done_at),
        "collected_at": iso(batch.collected_at),
    }


def _timeline(job: Job, batches: Sequence[Batch], outcome: JobOutcome, now: int) -> list[dict[str, str | None]]:
    moments = [(job.created_at, "claimed"), (job.packaged_at, "submission ended"), (job.callback_at, "last callback")]
    moments += [(job.held_at, "held for an operator"), (job.reopened_at, "the operator decided: the job went on")]
    moments += [(job.cancel_at, "cancel asked for"), (now, f"report written: {outcome.value}")]
    for batch in batches if len(batches) <= 50 else [batches[0], batches[-1]]:
        name = f"batch {batch.n}"
        moments += [(batch.packaged_at, f"{name} packaged"), (batch.submitted_at, f"{name} submitted")]
        moments += [(batch.doubt_at, f"{name} in doubt")]
        moments += [(batch.done_at, f"{name} {batch.state}"), (batch.collected_at, f"{name} collected")]
    return [{"at": iso(at), "event": event} for at, event in sorted(moments) if at]
