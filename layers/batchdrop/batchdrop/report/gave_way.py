"""The records of a report that gave way to later ones with the same id: nothing of them is to be sent again."""

from __future__ import annotations

from batchdrop.records.model import REPLACED
from batchdrop.report.reading import Doc, integer, mappings, text
from batchdrop.words import RecordOutcome


def gave_way(report: Doc) -> int:
    """How many there are."""
    return sum(integer(reason, "count") for reason in mappings(report, "reject_reasons") if _is_it(reason))


def has_rows(report: Doc) -> bool:
    """Whether any record is named that stands in the rejects file: neither these do, nor what may have arrived."""
    named = (each for name in ("rejects", "reject_reasons") for each in mappings(report, name))
    return any(not _is_it(each) and text(each, "outcome") != RecordOutcome.UNCONFIRMED for each in named)


def told_of(count: int) -> str:
    """In a sentence."""
    if count == 1:
        return "1 record gave way to a later one with the same id: it is not in the rejects file."
    return f"{count:,} records gave way to later ones with the same id: they are not in the rejects file."


def _is_it(refused: Doc) -> bool:
    return (text(refused, "outcome"), text(refused, "code")) == (RecordOutcome.INVALID, REPLACED)
