"""Rejects come home: the vendor's refusals joined to the source lines of their batch, by id and never by position."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from batchdrop.destinations.base import Reject
from batchdrop.job import Batch
from batchdrop.parcels import Parcels
from batchdrop.records.model import SourceRecord
from batchdrop.records.rejects import RejectsWriter
from batchdrop.words import RecordOutcome

SAMPLE = 100  # rejects shown in a report
MESSAGE = 500  # characters of a vendor's message kept per record
SHARED = 1000  # different refusals of which equal ones are kept once
_REJECTED = RecordOutcome.REJECTED.value
Refusal = tuple[str, str, bool]  # code, message, whether the record was there already


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
    hashes_ids: bool = False  # the report is not to tell them

    def add(self, record: SourceRecord, outcome: str, code: str, message: str) -> None:
        id_ = record.id
        if self.hashes_ids and id_:
            id_, message = hashed(id_), message.replace(id_, hashed(id_))
        if len(self.sample) < SAMPLE:
            row = {"line": record.line, "id": id_, "outcome": outcome, "code": code, "message": message}
            self.sample.append(row)
        key = (outcome, code, message if len(self.reasons) < SAMPLE else "")
        self.reasons[key] += 1


def hashed(id_: str) -> str:
    """What stands for an id where it is not to be told. Who can guess the id can check the guess."""
    return hashlib.sha256(id_.encode()).hexdigest()[:16]


class Refusals:
    """The refusals of one batch by id. Memory is bounded by the batch, never by the file."""

    def __init__(self, rejects: Iterable[Reject]) -> None:
        self._by_id: dict[str, Refusal] = {}
        same: dict[Refusal, Refusal] = {}  # most vendors have a few messages for all that is wrong
        for reject in rejects:
            refusal = (reject.code, reject.message[:MESSAGE], reject.already_present)
            refusal = same.setdefault(refusal, refusal) if len(same) < SHARED else same.get(refusal, refusal)
            self._by_id.setdefault(reject.id, refusal)
        self._seen: set[str] = set()
        self._folded: dict[str, str] | None = None

    def __len__(self) -> int:
        return len(self._by_id)

    @property
    def ids(self) -> Collection[str]:
        """The ids as the vendor gave them."""
        return self._by_id.keys()

    def of(self, id_: str | None) -> Refusal | None:
        """The refusal of exactly this id."""
        found = self._by_id.get(id_) if id_ is not None else None
        if found is not None and id_ is not None:
            self._seen.add(id_)
        return found

    def nearly(self, id_: str | None) -> str | None:
        """The one refused id that differs from this one by the case of its letters, if there is one."""
        if id_ is None or not self._by_id:
            return None
        if self._folded is None:
            counted = Counter(i.casefold() for i in self._by_id)
            self._folded = {i.casefold(): i for i in self._by_id if counted[i.casefold()] == 1}
        return self._folded.get(id_.casefold())

    def is_open(self, id_: str) -> bool:
        """Whether no record of exactly this refused id was met."""
        return id_ not in self._seen

    def unmatched(self, limit: int = SAMPLE) -> list[dict[str, str]]:
        """Refusals of ids we never sent."""
        left = islice((i for i in self._by_id if i not in self._seen), limit)
        return [{"id": i, "code": self._by_id[i][0], "message": self._by_id[i][1]} for i in left]


def refused(parcels: Parcels, batch: Batch, refusals: Refusals) -> Iterator[SourceRecord]:
    """The records of a batch that are invalid or that these refusals may be about.

    They are found by their exact ids, which is fast. Only where ids are left over, every record is looked at again.
    """
    yield from parcels.find(refusals.ids, batch.start, batch.end, invalid=bool(batch.invalid))
    if refusals.unmatched(1):
        for record in parcels.replay(batch.start, batch.end):
            if record.problem is None and record.id not in refusals.ids and refusals.nearly(record.id):
                yield record


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
    near: dict[str, list[SourceRecord]] = {}  # by refused id: records whose id differs from it by case alone
    for record in records:
        if record.problem is not None:
            verdict = (RecordOutcome.INVALID.value, record.problem.code, record.problem.message)
            tally.invalid += 1
        elif whole is not None:
            verdict = whole
            tally.unprocessed += 1
        elif refusal := refusals.of(record.id):
            yield _refused(record, refusal, writer, tally)
            continue
        else:
            if id_ := refusals.nearly(record.id):
                near[id_] = [*near.get(id_, ())[:1], record]  # two are as many as it takes to be in doubt
            continue
        tally.add(record, *verdict)
        yield writer.row(record, *verdict)
    # Some vendors change the case of ids. Such a refusal is a record's only if no other record can be meant.
    for id_, candidates in near.items():
        if len(candidates) == 1 and refusals.is_open(id_) and (refusal := refusals.of(id_)):
            yield _refused(candidates[0], refusal, writer, tally)
    tally.unmatched = [_untold(each) for each in refusals.unmatched()] if tally.hashes_ids else refusals.unmatched()


def _untold(unmatched: dict[str, str]) -> dict[str, str]:
    """The same refusal, its id hashed."""
    id_, told = unmatched["id"], hashed(unmatched["id"])
    return {**unmatched, "id": told, "message": unmatched["message"].replace(id_, told)}


def _refused(record: SourceRecord, refusal: Refusal, writer: RejectsWriter, tally: Tally) -> bytes:
    """The row of a refused record; nothing where it was there already."""
    code, message, already_present = refusal
    if already_present:
        tally.already += 1
        tally.add(record, RecordOutcome.UNCONFIRMED.value, "already_present", "maybe from our earlier attempt")
        return b""
    tally.matched += 1
    tally.add(record, _REJECTED, code, message)
    return writer.row(record, _REJECTED, code, message)
