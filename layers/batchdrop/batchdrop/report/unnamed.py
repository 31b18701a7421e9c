"""The records that a report counts as refused or never sent, and that its rejects file has not."""

from __future__ import annotations

from batchdrop.report.reading import Doc, integer, mapping, mappings, text

LISTED = 20  # reasons that a report tells: where there are fewer, they are all


def unnamed(report: Doc, *outcomes: str) -> int:
    """How many there are of these outcomes; none where the report does not tell.

    The vendor counts them without naming them, or the drop could no longer be read for their lines.
    """
    reasons = list(mappings(report, "reject_reasons"))
    if "reject_reasons" not in report or len(reasons) >= LISTED:
        return 0
    named = sum(integer(reason, "count") for reason in reasons if text(reason, "outcome") in outcomes)
    return max(0, sum(integer(mapping(report, "counts"), outcome) for outcome in outcomes) - named)
