"""The parts of the page about records: how they ended, why some were refused, and the first of those."""

from __future__ import annotations

from batchdrop.report.gave_way import told_of
from batchdrop.report.links import link
from batchdrop.report.markup import Html, el, foreign, join, name_number, number
from batchdrop.report.reading import Doc, integer, mapping, mappings, text
from batchdrop.report.svg import mini_bar, shares_bar, swatch
from batchdrop.report.table import Column, table
from batchdrop.report.wording import RECORD_OUTCOMES, share

_REJECTS_SHOWN = 100
_REASONS_SHOWN = 20


def records(report: Doc) -> Html:
    """A bar of the five outcomes and the same as a table, which is its legend too."""
    counts = mapping(report, "counts")
    total = integer(counts, "records")
    parts = [(name, integer(counts, name)) for name in RECORD_OUTCOMES]
    described = "Records: " + ", ".join(f"{count:,} {name}" for name, count in parts)
    rows = [(_outcome(name), number(count, f"counts.{name}"), share(count, total)) for name, count in parts]
    columns = (Column("outcome"), Column("records", "n"), Column("share", "n"))
    foot = ("all records", number(total, "counts.records"), "")
    return join(
        shares_bar(parts, described),
        table("Every record ends in exactly one outcome.", columns, rows, foot, class_="slim"),
    )


def _outcome(name: str) -> Html:
    return join(swatch(name), name, el("span", RECORD_OUTCOMES[name], class_="meaning"))


def reasons(report: Doc) -> Html | None:
    """The commonest reasons, with how often each occurred; None where nothing was refused."""
    found = mappings(report, "reject_reasons")[:_REASONS_SHOWN]
    if not found:
        return None
    most = max(integer(reason, "count") for reason in found)
    columns = (
        Column("code"),
        Column("outcome", "s"),
        Column("records", "n"),
        Column(""),
        Column("example message", "w"),
    )
    rows = [_reason(index, reason, most) for index, reason in enumerate(found)]
    return table("The commonest reasons first.", columns, rows)


def _reason(index: int, reason: Doc, most: int) -> tuple[Html, ...]:
    count, outcome = integer(reason, "count"), text(reason, "outcome")
    kind = outcome if outcome in RECORD_OUTCOMES else "unprocessed"
    return (
        _code(text(reason, "code")),
        foreign(outcome, 40),
        number(count, f"reject_reasons.{index}.count"),
        mini_bar(kind, count, most),
        foreign(text(reason, "message"), 300),
    )


def rejects(report: Doc) -> Html | None:
    """The first refused records, and where all of them are; None where there are none."""
    found = mappings(report, "rejects")[:_REJECTS_SHOWN]
    if not found:
        return None
    columns = (Column("line", "n"), Column("id", "s"), Column("outcome", "s"), Column("code"), Column("message", "w"))
    rows = [_reject(index, reject) for index, reject in enumerate(found)]
    gone = told_of(report)
    told, all_ = (f" {gone}", "All that can be mended or sent") if gone else ("", "All of them")
    whole = el("p", f"{all_}, with your own columns: ", link(text(report, "rejects_file")), f".{told}")
    caption = f"The first {len(found)}, in the order of the file." if len(found) > 1 else "The only one in this report."
    return join(table(caption, columns, rows), whole if text(report, "rejects_file") else None)


def _reject(index: int, reject: Doc) -> tuple[Html, ...]:
    line = name_number(integer(reject, "line"), f"rejects.{index}.line") if text(reject, "line") else join("–")
    return (
        line,
        foreign(text(reject, "id"), 120),
        foreign(text(reject, "outcome"), 40),
        _code(text(reject, "code")),
        foreign(text(reject, "message")),
    )


def unmatched(report: Doc) -> Html | None:
    """Errors the vendor gave for ids that the drop does not hold; None where there are none."""
    found = mappings(report, "unmatched_vendor_errors")[:_REJECTS_SHOWN]
    columns = (Column("id"), Column("code"), Column("message", "w"))
    rows = [(foreign(text(e, "id"), 120), _code(text(e, "code")), foreign(text(e, "message"))) for e in found]
    return table("The vendor named ids that are not in this drop.", columns, rows) if rows else None


def _code(word: str) -> Html:
    return el("code", foreign(word, 80)) if word else join("–")
