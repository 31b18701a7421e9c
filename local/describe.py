"""Jobs in the words and shapes the command prints."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from batchdrop.job import Batch, Job
from batchdrop.places import iso
from batchdrop.words import RecordOutcome

STATES = {
    "reading": "the drop is read once as a whole, to see whether it can be used",
    "submitting": "batches are packaged and submitted",
    "resting": "the submission pauses: the vendor asked for it or does not answer, or another job goes first",
    "waiting": "everything is submitted; the vendor is at work, or its results are being read",
    "canceling": "it was canceled, and ends once it is known what became of all that was sent",
}


def state(job: Job) -> str:
    """The outcome of an ended job; what an unfinished one is at, by `STATES`."""
    if job.outcome:
        return job.outcome
    if job.stops:
        return "canceling"
    if job.packaged_at:
        return "waiting"
    if _rests(job):
        return "resting"
    return "submitting" if job.inspection else "reading"


def _rests(job: Job) -> bool:
    """Whether nobody works on its submission, and nobody is to yet."""
    now = time.time() * 1000
    return job.not_before > now >= job.lease_until


def summary(job: Job) -> dict[str, Any]:
    """A job in a list."""
    return {
        "job_id": job.job_id,
        "route": job.route,
        "destination": job.destination,
        "state": state(job),
        "outcome": job.outcome or None,
        "key": job.key,
        "size": job.size,
        "created_at": iso(job.created_at),
        "closed_at": iso(job.closed_at),
        "counts": job.counts or None,
    }


def detail(job: Job, batches: list[Batch]) -> dict[str, Any]:
    """A job with its batches."""
    return summary(job) | {
        "bucket": job.bucket,
        "version_id": job.version_id,
        "sha256": job.inspection.get("sha256"),
        "deadline_at": iso(job.deadline_at),
        "packaged_at": iso(job.packaged_at),
        "failure": job.failure or None,
        "previous": job.previous or None,
        "warnings": job.warnings,
        "rests_until": iso(job.not_before) if state(job) == "resting" else None,
        "report_key": job.report_key or None,
        "batches": [_batch(b) for b in batches],
    }


def _batch(batch: Batch) -> dict[str, Any]:
    return {
        "n": batch.n,
        "state": batch.state,
        "status": batch.word or None,
        "step": batch.step,
        "attempt": batch.attempt,
        "records": batch.records,
        "invalid": batch.invalid,
        "bytes": batch.bytes,
        "sha256": batch.sha256 or None,
        "receipt": batch.receipt,
        "message": batch.message or None,
        "submitted_at": iso(batch.submitted_at),
        "done_at": iso(batch.done_at),
        "counts": batch.counts or None,
    }


COLUMNS = ("job", "route", "state", "records", "accepted", "not accepted", "size", "drop", "since")
_LONGEST = 60  # characters of a drop's name in a list for people
BRIEF = ("job", "route", "state", "records", "accepted", "not accepted", "size", "drop", "since (UTC)")
BRIEF_SPARE = ("size", "records", "accepted", "not accepted")  # what a narrow terminal goes without, first to last


def row(job: Job) -> tuple[object, ...]:
    """A job as a line of the list of jobs, by `COLUMNS`."""
    since = (summary(job)["created_at"] or "")[:19] + "Z"
    return job.job_id, job.route, state(job), *tally(job), size(job.size), _drop(job), since


def brief(job: Job) -> tuple[object, ...]:
    """The same for a terminal, by `BRIEF`."""
    records, accepted, _ = tally(job)
    others = records - accepted if records is not None and accepted is not None else None
    since = (iso(job.created_at) or "")[5:16].replace("T", " ")
    drop = _shortened(_drop(job).removesuffix("/_READY"))
    return short(job), job.route, state(job), records, accepted, others, size(job.size), drop, since


def _drop(job: Job) -> str:
    return job.key.removeprefix(f"drops/{job.route}/")


def _shortened(text: str) -> str:
    """A long name with its middle left out: its end tells files apart, and their format."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2]}…{text[1 - _LONGEST // 2 :]}"


def receipt(ids: Mapping[str, object]) -> str:
    """The ids a vendor gave for a batch."""
    return " ".join(f"{name}={id_}" for name, id_ in ids.items())


def short(job: Job) -> str:
    """As much of a job's id as people need."""
    return job.job_id[:8]


def counted(job: Job) -> str:
    """`3 records: 2 accepted, 1 invalid`."""
    return account(job.counts)


def account(counts: Mapping[str, int]) -> str:
    """The same of the counts alone."""
    some = [f"{int(counts[o])} {o}" for o in RecordOutcome if counts.get(o)]
    records = int(counts.get("records", 0))
    return f"{records} record{'' if records == 1 else 's'}" + (f": {', '.join(some)}" if some else "")


def tally(job: Job) -> tuple[int | None, int | None, str]:
    """Records, accepted records, and the rest in words; nothing while the job has not ended."""
    counts = job.counts
    rest = [f"{counts[o]} {o}" for o in RecordOutcome if o is not RecordOutcome.ACCEPTED and counts.get(o)]
    return counts.get("records"), counts.get("accepted"), ", ".join(rest)


def size(count: int) -> str:
    """`734 B`, `1.2 MB`."""
    amount = float(count)
    for unit in ("B", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def span(seconds: float) -> str:
    """`4.2 s`, `3 min`, `2 h 05 min`."""
    if seconds < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
