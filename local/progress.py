"""How far a job has come, from what the ledger keeps of it; a rate and an estimate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from batchdrop.job import Batch, Job
from batchdrop.words import BatchState

_LATEST = 10  # batches by which the pace is told


@dataclass(frozen=True, slots=True)
class Progress:
    """Bytes are of the expanded drop; `rate`, of packaging in bytes a second, and `left` in seconds are None where
    there is none, or none is known."""

    total: int
    packaged: int
    sent: int  # batches that are submitted, or were
    at_vendor: int  # of them, those the vendor is at
    done: int
    collected: int
    rate: float | None = None
    left: float | None = None

    @property
    def percent(self) -> int:
        return 100 * self.packaged // self.total if self.total else 0

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self) | {"percent": self.percent}


def progress_of(job: Job, batches: Sequence[Batch], now: int) -> Progress:
    """The progress of a job at `now`, in milliseconds."""
    total = int(job.inspection.get("expanded_bytes") or job.size)
    packaged = _packaged(job, batches, total)
    is_over = job.is_closed or job.stops  # while it is canceled nobody can tell what is still to come
    rate = None if job.packaged_at or is_over else _rate(job, batches, total)
    batches = [batch for batch in batches if batch.records]  # one of invalid records alone is never sent
    states = [batch.status for batch in batches]
    done = sum(not state.is_open for state in states)
    at_vendor = states.count(BatchState.SUBMITTED)
    left = None if is_over else _left(job, batches, done, at_vendor, now)
    if rate and packaged < total:
        left = (total - packaged) / rate
    collected = sum(bool(batch.collected_at) for batch in batches)
    if left is None and 0 < collected < done == len(batches) and not is_over:
        left = _left_to_read(batches, collected)
    return Progress(total, packaged, done + at_vendor, at_vendor, done, collected, rate, left)


def _packaged(job: Job, batches: Sequence[Batch], total: int) -> int:
    if not batches:
        return 0
    if job.spread and sum(batch.last for batch in batches) < job.spread:
        return min(total, sum(map(_length, batches)))
    if batches[-1].last:
        return total
    end = batches[-1].end
    if "offset" in end:
        return min(total, int(end["offset"]))
    return min(total, _of_set(job, end.get("at", {})))


def _length(batch: Batch) -> int:
    return int(batch.end["offset"]) - int(batch.start["offset"])


def _of_set(job: Job, going_on: Mapping[str, Mapping[str, Any]]) -> int:
    """Of the files that go on in a later batch, what lies before; the others are packaged whole."""
    places = {name: int(at.get("offset", 0)) for name, at in going_on.items()}
    return sum(places.get(str(m["name"]), int(m["size"])) for m in job.members)


def _rate(job: Job, batches: Sequence[Batch], total: int) -> float | None:
    """Of the latest batches; of the only one, since the claim."""
    latest = sorted(batches, key=lambda batch: batch.packaged_at)[-_LATEST:]
    if not latest:
        return None
    begun = latest[0].packaged_at if len(latest) > 1 else job.created_at
    before = _packaged(job, latest[:1], total) if len(latest) > 1 else 0
    took = (latest[-1].packaged_at - begun) / 1000
    gone = _packaged(job, latest if job.spread else batches, total) - before
    return gone / took if took > 0 and gone > 0 else None


def _left_to_read(batches: Sequence[Batch], collected: int) -> float:
    """Once the vendor is done with all: the results still to be read take as long as those that were."""
    took = max(batch.collected_at for batch in batches) - max(batch.done_at for batch in batches)
    return max(0.0, took / 1000 / collected * (len(batches) - collected))


def _left(job: Job, batches: Sequence[Batch], done: int, at_vendor: int, now: int) -> float | None:
    """Once all is sent: the batches at the vendor take as long as those before them, one after the other."""
    if not (job.packaged_at and done and at_vendor):
        return None
    first = min(batch.submitted_at for batch in batches if batch.submitted_at)
    return max(0.0, at_vendor * (now - first) / 1000 / done)
