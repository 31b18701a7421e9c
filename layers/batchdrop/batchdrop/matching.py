"""Rejects come home: the vendor's refusals joined to the source lines of their batch, by id and never by position."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from sys import intern
from typing import Any

from batchdrop.destinations.base import Reject
from batchdrop.records.model import SourceRecord
from batchdrop.records.rejects import RejectsWriter
from batchdrop.words import RecordOutcome

SAMPLE = 100  # rejects shown in a report
MESSAGE = 500  # characters of a vendor's message kept per record


@dataclass(slots=True)
class Tally:
    """What matching found: rows written, a sample for the report, reasons counted."""

    matched: int = 0
    already: int = 0
    unprocessed: int = 0
    invalid: int = 0
    sample: list[dict[str, Any]] = field(default_factory=list)
    reasons: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    unmatched: list[dict[str, str]] = field(default_factory=list)

    def add(self, record: SourceRecord, outcome: str, code: str, message: str) -> None:
        if len(self.sample) < SAMPLE:
            row = {"line": record.line, "id": record.id, "outcome": outcome, "code": code, "message": message}
            self.sample.append(row)
        key = (outcome, code, message if len(self.reasons) < SAMPLE else "")
        self.reasons[key] += 1


class Refusals:
    """The refusals of one batch by id. Memory is bounded by the batch, never by the file."""

    def __init__(self, rejects: Iterable[Reject]) -> None:
        self._by_id: dict[str, tuple[str, str, bool]] = {}
        for reject in rejects:
            refusal = (intern(reject.code), intern(reject.message[:MESSAGE]), reject.already_present)
            self._by_id.setdefault(reject.id, refusal)
        self._seen: set[str] = set()
        self._folded: dict[str, str] | None = None

    def __len__(self) -> int:
        return len(self._by_id)

    def of(self, id_: str | None) -> tuple[str, str, bool] | None:
        """The refusal of this id; where the vendor changed its letters' case, of the one id that differs by case."""
        if id_ is None or not self._by_id:
            return None
        found = id_ if id_ in self._by_id else self._by_case(id_)
        if found is None:
            return None
        self._seen.add(found)
        return self._by_id[found]

    def _by_case(self, id_: str) -> str | None:
        if self._folded is None:
            counted = Counter(i.casefold() for i in self._by_id)
            self._folded = {i.casefold(): i for i in self._by_id if counted[i.casefold()] == 1}
        return self._folded.get(id_.casefold())

    def unmatched(self, limit: int = SAMPLE) -> list[dict[str, str]]:
        """Refusals of ids we never sent."""
        left = islice((i for i in self._by_id if i not in self._seen), limit)
        return [{"id": i, "code": self._by_id[i][0], "message": self._by_id[i][1]} for i in left]


def rows_of_batch(
    records: Iterable[SourceRecord],
    refusals: Refusals,
    writer: RejectsWriter,
    tally: Tally,
    whole: tuple[str, str, str] | None,
) -> Iterator[bytes]:
    """Rows of the rejects file for one batch's records; `tally` is filled on the way.

    `whole`: `(outcome, code, message)` that befell every record of the batch that was sent.
    """
    for record in records:
        if record.problem is not None:
            verdict = (RecordOutcome.INVALID.value, record.problem.code, record.problem.message)
            tally.invalid += 1
        elif whole is not None:
            verdict = whole
            tally.unprocessed += 1
        else:
            refusal = refusals.of(record.id)
            if refusal is None:
                continue
            if refusal[2]:
                tally.already += 1
                tally.add(record, RecordOutcome.UNCONFIRMED.value, "already_present", "maybe from our earlier attempt")
                continue
            verdict = (RecordOutcome.REJECTED.value, refusal[0], refusal[1])
            tally.matched += 1
        tally.add(record, *verdict)
        yield writer.row(record, *verdict)
    tally.unmatched = refusals.unmatched()
