"""The parts of a job's rejects file: one for each account that was closed, kept until the report is written."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from batchdrop.job import Batch, Job, Piece
from batchdrop.matching import Tally, commonest
from batchdrop.places import workplace
from batchdrop.ports import ObjectRef
from batchdrop.refusals import SAMPLE
from batchdrop.world import World

Account = Batch | Piece


class Part(Struct, frozen=True):
    """The rows of one account, and what the report tells of them."""

    rows: ObjectRef
    notes: ObjectRef


class RejectParts(Struct):
    """The parts of one job, in `work/`."""

    world: World
    job: Job

    @property
    def place(self) -> str:
        return workplace(self.job.job_id)

    @property
    def bucket(self) -> str:
        return self.world.settings.results_bucket

    def write(self, name: str, rows: Iterator[bytes], tally: Tally) -> None:
        """Keep rows, and what the report tells of them."""
        self.world.objects.put_stream(self.bucket, self._key(name, "rows"), rows)
        reasons = [[*key, count] for key, count in commonest(tally.reasons, SAMPLE)]
        notes = json.dumps({"sample": tally.sample, "reasons": reasons}).encode()
        self.world.objects.put(self.bucket, self._key(name, "json"), notes)

    def kept(self) -> dict[str, ObjectRef]:
        """All there is in the job's place, by key."""
        return {ref.key: ref for ref in self.world.objects.list(self.bucket, self.place)}

    def of(self, accounts: Sequence[Account], kept: dict[str, ObjectRef]) -> tuple[list[Part], list[str]]:
        """The parts of these accounts, and of each that is gone a warning."""
        parts, gone = [], []
        for account in accounts:
            name = f"{account.n:06d}" if account.part is None else account.part  # as the versions before named them
            rows, notes = (kept.get(self._key(name, kind)) for kind in ("rows", "json"))
            if name and rows and notes:
                parts.append(Part(rows, notes))
            elif account.part:
                gone.append(_gone(account))
        return parts, gone

    def notes(self, part: Part) -> dict[str, Any]:
        with self.world.objects.open(part.notes) as body:
            told: dict[str, Any] = json.loads(body.read())
            return told

    def tidy(self, is_late: Callable[[], bool]) -> None:
        """Delete them; what there is no time for goes by itself in the end."""
        for key in self.kept():
            if is_late():
                return
            self.world.objects.delete(self.bucket, key)

    def _key(self, name: str, kind: str) -> str:
        return f"{self.place}rejects-{name}.{kind}"


def _gone(account: Account) -> str:
    """Parts are kept for 40 days: a job that was held for longer has lost some."""
    counts = account.tally
    whose = f"batch {account.n}" if isinstance(account, Batch) else "the drop's unsent rest"
    rows = counts.invalid + counts.rejected + counts.unprocessed
    return f"{whose}: {rows} records are counted, but no longer in the rejects file, as the job was held for too long"
