"""How far the spans of a job are that is submitted side by side, at one moment."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Self

from msgspec import Struct
from msgspec.structs import replace

from batchdrop.job import Job, Span
from batchdrop.ledger import Ledger


class Spans(Struct, frozen=True):
    """All spans of a job, those that nobody has begun with too."""

    each: tuple[Span, ...]
    now: int

    @classmethod
    def of(cls, ledger: Ledger, job: Job) -> Self:
        begun = ledger.spans(job.job_id) if job.spread else {}
        each = tuple(begun.get(number, Span(job.job_id, number)) for number in job.spans) if job.spread else ()
        return cls(each, ledger.now())

    @property
    def held(self) -> tuple[Span, ...]:
        """Those that somebody may be submitting."""
        return tuple(span for span in self.each if span.lease_until >= self.now)

    @property
    def left(self) -> tuple[Span, ...]:
        """Those that are not all submitted."""
        return tuple(span for span in self.each if not span.packaged_at)

    def left_of(self, numbers: Collection[int]) -> Self:
        """The same with only those left that have one of these numbers."""
        return replace(self, each=tuple(span for span in self.left if span.span in numbers))

    @property
    def due(self) -> tuple[int, ...]:
        """Those that somebody should go on with."""
        return tuple(s.span for s in self.left if s.lease_until < self.now and s.not_before <= self.now)

    @property
    def failure(self) -> dict[str, Any]:
        """Why the first of those that gave up did."""
        return next((span.failure for span in self.each if span.failure), {})

    def free_in(self) -> float:
        """Seconds until the last lease is over; 0: nobody submits any."""
        return max(self._leases(), default=0.0)

    def room_in(self) -> float:
        """Seconds until the first lease is over, where there is one."""
        return min(self._leases(), default=0.0)

    def _leases(self) -> list[float]:
        return [(span.lease_until - self.now) / 1000 + 1 for span in self.held]

    def due_in(self) -> float:
        """Seconds until there is something to go on with."""
        waits = (max(span.not_before, span.lease_until + 1000) for span in self.left)
        return max(0.0, (min(waits, default=self.now) - self.now) / 1000)
