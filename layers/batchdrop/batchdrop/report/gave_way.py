"""The records of a report that gave way to later ones with the same id: nothing of them is to be sent again."""

from __future__ import annotations

from batchdrop.records.model import REPLACED, TOOK_ITS_PLACE
from batchdrop.report.reading import Doc, integer, mappings, text
from batchdrop.words import RecordOutcome


def gave_way(report: Doc) -> int:
    """How many there are."""
    return sum(integer(reason, "count") for reason in mappings(report, "reject_reasons") if _is_it(reason))


def has_rows(report: Doc) -> bool:
    """Whether any record is named that stands in the rejects file: neither these do, nor what may have arrived."""
    named = (each for name in ("rejects", "reject_reasons") for each in mappings(report, name))
    return any(not _is_it(each) and text(each, "outcome") != RecordOutcome.UNCONFIRMED for each in named)


def told_of(report: Doc) -> str:
    """In a sentence; nothing where there are none. The file of a report of versions before has them."""
    if not (count := gave_way(report)):
        return ""
    who, they, are = ("record", "it", "is") if count == 1 else ("records", "they", "are")
    later = "a later one" if count == 1 else "later ones"
    where = f"{they} {are} not in the rejects file"
    if any(
        _is_it(reason) and text(reason, "message") != TOOK_ITS_PLACE for reason in mappings(report, "reject_reasons")
    ):
        where = f"in the rejects file {they} {are} marked `{REPLACED}`, and so not sent where it is dropped"
    return f"{count:,} {who} gave way to {later} with the same id: {where}."


def _is_it(refused: Doc) -> bool:
    return (text(refused, "outcome"), text(refused, "code")) == (RecordOutcome.INVALID, REPLACED)
