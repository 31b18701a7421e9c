"""Closing the account: from what is known of every batch to the outcome of every record, and of the job."""

from __future__ import annotations

from collections.abc import Sequence

from batchdrop.destinations.base import Collected
from batchdrop.entries import records_of
from batchdrop.job import Batch, Job
from batchdrop.words import LATE, BatchState, Counts, JobOutcome


def fate(
    batch: Batch, collected: Collected | None, matched: int, already: int, astray: int = 0
) -> tuple[Counts, bool, list[str]]:
    """The counts of one batch, whether `accepted` is inferred, and what does not add up.

    `matched`: rejects found among its records; `already`: those that may be our own earlier attempt's doing; `astray`:
    refusals that name none of its records, so that as many of them may have been refused.
    """
    sent = batch.records
    state = batch.status
    if state is BatchState.SUCCEEDED and collected is not None and not collected.unknown:
        return _of_success(batch, collected, matched, already, astray)
    if state is BatchState.SUCCEEDED and collected is None:
        return Counts(invalid=batch.invalid), False, []
    if refused_whole(batch):
        return Counts(invalid=batch.invalid, rejected=sent), False, []
    if never_taken(batch):
        return Counts(invalid=batch.invalid, unprocessed=sent), False, []
    return Counts(invalid=batch.invalid, unconfirmed=sent), False, []


def refused_whole(batch: Batch) -> bool:
    """Whether the vendor refused all of it. Where one was sent again in doubt, the first attempt may have arrived."""
    return batch.status is BatchState.FAILED and not batch.flagged


def never_taken(batch: Batch) -> bool:
    """Whether the vendor has none of it: no step that commits can have been carried out, or it was canceled there."""
    if batch.status is BatchState.SUBMITTING:
        return not batch.may_be_sent
    return batch.status in (BatchState.CANCELED, BatchState.GIVEN_UP) and not batch.flagged


def unnamed(batch: Batch, counts: Counts, matched: int) -> list[str]:
    """The warning of records the vendor counts as refused and does not name, in a batch that is not refused whole."""
    if batch.status is not BatchState.SUCCEEDED or counts.rejected <= matched:
        return []
    count = counts.rejected - matched
    return [
        f"batch {batch.n}: {count} rejected record(s) are not in the rejects file: no id the vendor names is theirs"
    ]


def _of_success(
    batch: Batch, found: Collected, matched: int, already: int, astray: int
) -> tuple[Counts, bool, list[str]]:
    sent, told = batch.records, found.accepted is not None
    rejected = matched if found.rejected is None else found.rejected
    accepted = found.accepted if found.accepted is not None else sent - max(rejected, matched + astray) - already
    warnings = []
    if rejected < matched:
        warnings.append(
            f"batch {batch.n}: the vendor speaks of {rejected} rejected, but {matched} records have the ids it names; "
            "all of these count as rejected, though some may have been accepted"
        )
        rejected = matched
    elif rejected + already > sent or (told and accepted + rejected + already != sent):
        warnings.append(
            f"batch {batch.n}: {sent} records sent, but the vendor speaks of {accepted} accepted, {rejected} rejected"
        )
    rejected = min(rejected, sent - already)
    accepted = max(0, min(accepted, sent - rejected - already))
    counts = Counts(accepted=accepted, invalid=batch.invalid, rejected=rejected, unconfirmed=sent - accepted - rejected)
    return counts, not told, warnings


def outcome_of(job: Job, batches: Sequence[Batch], counts: Counts, now: int) -> tuple[JobOutcome, str]:
    """How the job ended, and why, in words. `now` in milliseconds."""
    states = [b.status for b in batches]
    if any(b.is_in_doubt for b in batches):
        return JobOutcome.HELD, _why(batches, BatchState.HELD) or "whether a batch arrived at the vendor cannot be told"
    if job.cancel_at and _is_cut_short(job, counts):
        return JobOutcome.CANCELED, "canceled on request"
    if BatchState.SUBMITTED in states or (now >= job.deadline_at and not job.packaged_at):
        return JobOutcome.TIMED_OUT, _late(job, batches)
    if job.failure and not (job.gave_up_canceled and not counts.unprocessed):  # a cancel when all had been sent is none
        return JobOutcome.FAILED, str(job.failure.get("message", ""))
    if BatchState.HANDED_OVER in states:
        return JobOutcome.HANDED_OVER, "handed over; the vendor does not say what became of it"
    if counts.unconfirmed and not counts.accepted:
        return JobOutcome.FAILED, _why(batches, BatchState.UNCONFIRMED) or "the vendor did not confirm any record"
    if counts.unprocessed:
        outcome = JobOutcome.CANCELED if BatchState.CANCELED in states else JobOutcome.FAILED
        return outcome, _why(batches, BatchState.GIVEN_UP) or "not everything was sent"
    return _by_counts(counts, batches)


def _late(job: Job, batches: Sequence[Batch]) -> str:
    """With what kept it from being sent to the last, where that is known."""
    unsent = (b for b in batches if b.status is BatchState.SUBMITTING and not b.may_be_sent and b.message)
    cause = next((f"batch {b.n}: {b.message}" for b in unsent), "" if batches else job.trouble)
    return f"{LATE}; the last cause was: {cause}" if cause else LATE


def _is_cut_short(job: Job, counts: Counts) -> bool:
    """Whether not every record has an outcome; of a drop that was not looked into, not even their number is known."""
    told = counts.accepted + counts.rejected + counts.invalid
    return told < max(counts.records, records_of(job.inspection)) or (job.gave_up_canceled and not counts.records)


def _by_counts(counts: Counts, batches: Sequence[Batch]) -> tuple[JobOutcome, str]:
    if not counts.accepted:
        return JobOutcome.FAILED, _why(batches, BatchState.FAILED) or "no record was accepted"
    if counts.accepted == counts.records:
        return JobOutcome.COMPLETED, "every record was accepted"
    return JobOutcome.COMPLETED_WITH_REJECTS, "some records were not accepted"


def _why(batches: Sequence[Batch], state: BatchState) -> str:
    return next((f"batch {b.n}: {b.message}" for b in batches if b.status is state and b.message), "")
