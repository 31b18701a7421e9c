"""Rejects come home: the vendor's refusals joined to the source lines of their batch, by id and never by position."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import repeat
from typing import Any

from msgspec import Struct, field

from batchdrop.job import Batch
from batchdrop.parcels import Parcels
from batchdrop.records.model import REPLACED, TOOK_ITS_PLACE, SourceRecord, Stops, never
from batchdrop.records.rejects import RejectsWriter
from batchdrop.records.verdicts import MESSAGE, Refusal, Rows, Verdicts, Wanted
from batchdrop.refusals import SAMPLE, Refusals
from batchdrop.storable import storable
from batchdrop.words import RecordOutcome

_REJECTED = RecordOutcome.REJECTED.value
_SHOWN = 200  # characters of an id and a code of which no record was found: a ledger item holds a hundred of them
_WORDS = re.compile(r"\w")
_PLACE = re.compile(r"\b(line|byte) \d+")
Whole = tuple[str, str, str]  # outcome, code, message
Place = dict[str, Any]
Reason = tuple[str, str, str]  # outcome, code, message
# Whatever took the place of each, it is one reason: the advice counts them by it, as they are not to be dropped again.
GAVE_WAY: Reason = (RecordOutcome.INVALID.value, REPLACED, TOOK_ITS_PLACE)
# The same in a part of the rejects file that a version before wrote: their lines are in it.
GAVE_WAY_BEFORE: Reason = (*GAVE_WAY[:2], f"{TOOK_ITS_PLACE}; its line is in the rejects file")


class Tally(Struct):
    """What matching found: rows written, a sample for the report, reasons counted."""

    matched: int = 0
    already: int = 0
    whole: int = 0  # records that one verdict befell together: never sent, or of a batch refused as a whole
    invalid: int = 0
    sample: list[dict[str, Any]] = field(default_factory=list)
    reasons: Counter[Reason] = field(default_factory=Counter)
    unmatched: list[dict[str, str]] = field(default_factory=list)
    astray: int = 0  # refusals that are of none of the records; those above are the first of them
    hashes_ids: bool = False  # the report is not to tell them

    def add(self, record: SourceRecord, outcome: str, code: str, message: str, about: str | None = None) -> None:
        """`about`: the message may be about one record alone, of this id, if it has one."""
        id_ = record.id
        if self.hashes_ids and id_:
            about = about and hashed(id_)
            id_, message = hashed(id_), untold(message, id_)
        id_, code, message = id_ and storable(id_), storable(code), storable(message)
        if len(self.sample) < SAMPLE:
            row = {"line": record.line, "id": id_, "outcome": outcome, "code": code, "message": message}
            self.sample.append(row)
        told = message if about is None else in_general(message, about)
        self.reasons[one_reason((outcome, code, told if len(self.reasons) < SAMPLE else ""))] += 1

    def take(self, rows: Rows, whole: Whole | None) -> bytes:
        """Add rows of which the report shows none. `whole` befell their records, or else the vendor refused them."""
        outcome, count = whole[0] if whole else _REJECTED, len(rows.verdicts)
        if whole:
            self.whole += count
        else:
            self.matched += count
        done = self._with_messages(rows, outcome, is_own=whole is None)
        for number, times in Counter(rows.codes[done:]).items():
            self.reasons[outcome, rows.told.code(number), ""] += times
        return rows.data

    def _with_messages(self, rows: Rows, outcome: str, *, is_own: bool) -> int:
        """Count rows with their messages, as long as these are not too many; how many rows that were."""
        for done, (number, times) in enumerate(self._in_turn(rows)):
            if len(self.reasons) >= SAMPLE:
                return done
            id_, told = rows.told.first(number)
            self.reasons[outcome, told.code, in_general(told.message, id_) if is_own else told.message] += times
        return len(rows.verdicts)

    def _in_turn(self, rows: Rows) -> Iterable[tuple[int, int]]:
        """The verdicts of rows, with how often; one by one where the limit may be reached among them."""
        counted = Counter(rows.verdicts)
        return counted.items() if len(self.reasons) + len(counted) < SAMPLE else zip(rows.verdicts, repeat(1))


def in_general(message: str, id_: str) -> str:
    """The message without what is of one record alone, so that those of the same reason are counted together."""
    if id_ and id_ in message:
        told, *rest = message.split(id_)  # a pattern made for each id would take a hundred times as long
        for part in rest:
            is_word = not (_WORDS.match(told[-1:]) or _WORDS.match(part[:1]))
            told += ("<id>" if is_word else id_) + part
        message = told
    return _PLACE.sub(r"\1 <n>", message) if "line " in message or "byte " in message else message


def one_reason(reason: Reason) -> Reason:
    return GAVE_WAY if reason[:2] == GAVE_WAY[:2] else reason


def commonest(reasons: Counter[Reason], most: int) -> list[tuple[Reason, int]]:
    """The most frequent reasons; that records gave way is always among them."""
    found = sorted(reasons.most_common(), key=lambda each: each[0][:2] != GAVE_WAY[:2])[:most]
    return sorted(found, key=lambda each: each[1], reverse=True)


def hashed(id_: str) -> str:
    """What stands for an id where it is not to be told. Who can guess the id can check the guess."""
    return hashlib.sha256(id_.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def untold(message: str, id_: str) -> str:
    """A vendor's message with the hash of the id in its place, in whatever case; one that was cut may end within it."""
    found = re.sub(re.escape(id_), hashed(id_), message, flags=re.IGNORECASE)
    if len(message) < MESSAGE:
        return found
    begun = (n for n in range(min(len(id_), len(found)), 0, -1) if found.lower().endswith(id_[:n].lower()))
    return found[: len(found) - next(begun, 0)]


def refused(parcels: Parcels, batch: Batch, refusals: Refusals, tally: Tally) -> Iterator[SourceRecord | Rows]:
    """The records of a batch that are invalid or that these refusals may be about, or their rows.

    They are found by their exact ids, which is fast. Only where ids are left over, every record is looked at again.
    """
    found = _wanted(refusals.verdicts, parcels, tally, invalid=bool(batch.invalid))
    yield from parcels.find(found, batch.start, batch.end)
    if refusals.unmatched(1):
        for record in parcels.replay(batch.start, batch.end):
            if record.problem is None and refusals.nearly(record.id) and not refusals.verdicts.has(record.id):
                yield record


def everyone(
    parcels: Parcels, start: Place | None, end: Place | None, whole: Whole, tally: Tally, stop: Stops = never
) -> Iterator[SourceRecord | Rows]:
    """All records of a range, or their rows: the same befell each that was sent."""
    outcome, code, message = whole
    if len(message) > MESSAGE:
        return parcels.replay(start, end, stop)
    wanted = _wanted(Verdicts([("", code, message, False)]), parcels, tally, whole=True, outcome=outcome)
    return parcels.find(wanted, start, end, stop)


def _wanted(verdicts: Verdicts, parcels: Parcels, tally: Tally, **how: Any) -> Wanted:
    """Records are wanted themselves where the report shows them, or hashes their ids; of the others, their rows."""
    form = None if tally.hashes_ids else parcels.rejects().form
    return Wanted(verdicts, form=form, by_hand=SAMPLE - len(tally.sample), **how)


def rows_of_batch(
    records: Iterable[SourceRecord | Rows],
    refusals: Refusals,
    writer: RejectsWriter,
    tally: Tally,
    whole: Whole | None,
) -> Iterator[bytes]:
    """Rows of the rejects file for one batch's records; `tally` is filled on the way.

    `whole`: `(outcome, code, message)` that befell every record of the batch that was sent.
    """
    near: dict[str, list[SourceRecord]] = {}  # by refused id: records whose id differs from it by case alone
    for record in records:
        if isinstance(record, Rows):
            yield tally.take(record, whole)
            continue
        if record.problem is not None:
            verdict = (RecordOutcome.INVALID.value, record.problem.code, record.problem.told)
            tally.invalid += 1
        elif whole is not None:
            verdict = whole
            tally.whole += 1
        elif refusal := refusals.of(record.id):
            yield _refused(record, refusal, refusals.first_like(record.id), writer, tally)
            continue
        else:
            if id_ := refusals.nearly(record.id):
                near[id_] = [*near.get(id_, ())[:1], record]  # two are as many as it takes to be in doubt
            continue
        tally.add(record, *verdict, about=None if record.problem is None else "")
        if one_reason(verdict) != GAVE_WAY:  # dropped again it would overwrite what took its place
            yield writer.row(record, *verdict)
    # Some vendors change the case of ids. Such a refusal is a record's only if no other record can be meant.
    for id_, candidates in near.items():
        if len(candidates) == 1 and refusals.is_open(id_) and (refusal := refusals.of(id_)):
            yield _refused(candidates[0], refusal, refusals.first_like(id_), writer, tally)
    left, tally.astray = refusals.unmatched(), refusals.left()
    tally.unmatched = [_shown(_untold(each) if tally.hashes_ids else each) for each in left]


def _shown(unmatched: dict[str, str]) -> dict[str, str]:
    """The same refusal, as a ledger item and a report can hold it."""
    id_, code, message = (storable(unmatched[name]) for name in ("id", "code", "message"))
    return {"id": _cut(id_), "code": _cut(code), "message": message}


def _cut(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _untold(unmatched: dict[str, str]) -> dict[str, str]:
    """The same refusal, its id hashed."""
    id_, message = unmatched["id"], unmatched["message"]
    return {**unmatched, "id": hashed(id_), "message": untold(message, id_)}


def _refused(record: SourceRecord, refusal: Refusal, about: str, writer: RejectsWriter, tally: Tally) -> bytes:
    """The row of a refused record; nothing where it was there already."""
    code, message, already_present = refusal
    if already_present:
        tally.already += 1
        tally.add(record, RecordOutcome.UNCONFIRMED.value, "already_present", "maybe from our earlier attempt")
        return b""
    tally.matched += 1
    tally.add(record, _REJECTED, code, message, about)
    return writer.row(record, _REJECTED, code, message)
