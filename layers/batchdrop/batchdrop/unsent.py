"""What was never packaged of a job: counted, and written to the rejects file so that it can be dropped again.

It is done in pieces, each closed as the account of a batch is: where an invocation ends, the next goes on behind them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec import Struct, field

from batchdrop.errors import DropRefused, ObjectGone, ObjectRefused
from batchdrop.job import NUMBERS, Batch, Job, Piece
from batchdrop.matching import Tally, everyone, rows_of_batch
from batchdrop.parcels import parcels_of
from batchdrop.records.model import Checkpoint
from batchdrop.refusals import Refusals
from batchdrop.reject_parts import RejectParts
from batchdrop.route import Route
from batchdrop.words import Counts
from batchdrop.world import OutOfTime, World

FIRST = NUMBERS - 1000  # of the pieces' numbers in each span: those of batches are below


class _Stop(Struct):
    """Where a piece ends for want of time; nowhere: it goes to the end."""

    is_late: Callable[[], bool]
    place: dict[str, Any] = field(default_factory=dict)

    def __call__(self, here: Checkpoint) -> bool:
        if self.is_late():
            self.place = dict(here.to_json())
        return bool(self.place)


class Unsent(Struct):
    """The pieces of one job, made by one invocation."""

    world: World
    job: Job
    route: Route
    parts: RejectParts
    owner: str
    is_late: Callable[[], bool]
    unless_for_good: Callable[[Exception], None]  # raises where the drop may be readable later
    got_on: bool = False  # a piece was closed

    def account(self, batches: Sequence[Batch]) -> list[Piece]:
        """All of it; `OutOfTime` where it takes another invocation."""
        kept = self.world.ledger.pieces(self.job.job_id)
        return [piece for span in self.job.spans for piece in self._of_span(span, batches, kept)]

    def _of_span(self, span: int, batches: Sequence[Batch], kept: dict[int, Piece]) -> Iterator[Piece]:
        """Those that are kept, as long as each goes on where the one before it ended; then new ones."""
        before: Batch | Piece | None = next((b for b in reversed(batches) if b.span == span), None)
        number = span * NUMBERS + FIRST
        while not (before and before.last):
            start = before.end if before else {}
            piece = kept.get(number)
            if piece is None or (piece.start, piece.reason) != (start, self._reason):
                piece = self._close(span, number, start)
            yield piece
            before, number = piece, number + 1

    def _close(self, span: int, number: int, start: dict[str, Any]) -> Piece:
        if self.is_late():
            raise OutOfTime
        tally, stop = Tally(hashes_ids=self.route.hash_ids), _Stop(self.is_late)
        piece = Piece(self.job.job_id, number, span, self._reason, start)
        try:
            piece.part = f"{number:06d}-{self.owner}"  # where the piece ends depends on who makes it
            self.parts.write(piece.part, self._rows(piece, tally, stop), tally)
        except (ObjectGone, ObjectRefused, DropRefused) as error:
            self.unless_for_good(error)
            piece.part, stop.place = "", {}
            piece.warnings = [f"what was never sent is counted, but not in the rejects file: {error}"]
        piece.end, piece.last = stop.place, not stop.place
        piece.counts = Counts(invalid=tally.invalid, unprocessed=tally.whole).as_dict()
        self.got_on = True
        return self.world.ledger.keep_piece(piece)

    def _rows(self, piece: Piece, tally: Tally, stop: _Stop) -> Iterator[bytes]:
        parcels = parcels_of(self.job, self.route, self.world.objects, span=piece.span)
        whole = ("unprocessed", self._reason, str(self.job.failure.get("message", "never sent")))
        records = everyone(parcels, piece.start or None, None, whole, tally, stop)
        yield from rows_of_batch(records, Refusals(()), parcels.rejects(), tally, whole)

    @property
    def _reason(self) -> str:
        return str(self.job.failure.get("reason", "")) or "not_sent"
