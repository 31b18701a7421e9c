"""The part of the page about batches: a timeline, and tables of what became of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from batchdrop.report.markup import Html, el, foreign, join, name_number, number
from batchdrop.report.reading import Doc, integer, mapping, mappings, text
from batchdrop.report.table import Column, table
from batchdrop.report.timeline import MOST_ROWS, timeline
from batchdrop.report.wording import RECORD_OUTCOMES, size, stamp

_MOST_EVENTS = 200
_STATE_ICONS = {
    "succeeded": "✓",
    "handed_over": "✓",
    "failed": "✕",
    "held": "✕",
    "canceled": "✕",
    "unconfirmed": "!",
    "given_up": "✕",
}
_TIMES = ("packaged", "submitted", "done", "collected")


def batches(report: Doc) -> Html | None:
    """None where the job made no batch."""
    found = mappings(report, "batches")
    if not found:
        return None
    shown, rest = found[:MOST_ROWS], found[MOST_ROWS:]
    inferred = any(batch.get("inferred") for batch in found)
    return join(
        timeline(report),
        _accounts(shown),
        el("p", _rest(rest)) if rest else None,
        el("p", "* Inferred: the vendor names only what it refused, so the others count as accepted.", class_="dim")
        if inferred
        else None,
        el("details", el("summary", "Times and digests of the batches"), _times(shown)),
    )


def _accounts(shown: Sequence[Doc]) -> Html:
    columns = (
        Column("batch", "n"),
        Column("state", "s"),
        Column("receipt", "w"),
        *(Column(name, "n") for name in ("records", *RECORD_OUTCOMES, "size", "attempts")),
    )
    rows = [_account(index, batch) for index, batch in enumerate(shown)]
    return table("What was submitted, and what became of it.", columns, rows)


def _account(index: int, batch: Doc) -> tuple[Html | str, ...]:
    at, counts = f"batches.{index}", mapping(batch, "counts")
    mark = el("span", "*", title="inferred") if batch.get("inferred") else None
    numbers = [(name, number(integer(counts, name), f"{at}.counts.{name}")) for name in RECORD_OUTCOMES]
    return (
        name_number(integer(batch, "n"), f"{at}.n"),
        _state(batch),
        _receipt(mapping(batch, "receipt")),
        number(integer(batch, "records"), f"{at}.records"),
        *(join(shown, mark if name == "accepted" else None) for name, shown in numbers),
        el("data", size(integer(batch, "bytes")), value=integer(batch, "bytes"), data_at=f"{at}.bytes"),
        number(integer(batch, "attempts"), f"{at}.attempts"),
    )


def _state(batch: Doc) -> Html:
    """The state in words, what the vendor said to it, and whether it was sent again without proof."""
    state, said = text(batch, "state"), text(batch, "message")
    notes = [foreign(said, 300) if said else None, "sent again: possible duplicate" if batch.get("flagged") else None]
    return join(
        el("span", _STATE_ICONS.get(state, "…"), aria_hidden="true"),
        " ",
        foreign(state.replace("_", " "), 40),
        *(el("span", note, class_="note") for note in notes if note),
    )


def _receipt(receipt: Doc) -> Html | str:
    lines = [
        el("span", foreign(str(name), 60), ": ", el("code", foreign(str(value), 200)), class_="receipt")
        for name, value in list(receipt.items())[:20]
    ]
    return join(*lines)


def _times(shown: Sequence[Doc]) -> Html:
    columns = (Column("batch", "n"), *(Column(name, "s") for name in _TIMES), Column("sha256", "w"))
    rows = [
        (
            f"{integer(batch, 'n')}",
            *(stamp(batch, f"{name}_at") for name in _TIMES),
            el("code", foreign(text(batch, "sha256"), 80)),
        )
        for batch in shown
    ]
    return table("Each digest is of the exact bytes sent.", columns, rows)


def _rest(rest: Sequence[Doc]) -> str:
    """The batches beyond the table in one sentence."""
    states = Counter(text(batch, "state").replace("_", " ") for batch in rest)
    total = sum(integer(batch, "records") for batch in rest)
    told = ", ".join(f"{count:,} {state}" for state, count in states.most_common())
    return f"And {len(rest):,} more batches with {total:,} records: {told}. report.json has each of them."


def events(report: Doc) -> Html | None:
    """What happened when, folded away; None where nothing is recorded."""
    found = mappings(report, "timeline")
    if not found:
        return None
    rows = [(stamp(event, "at"), foreign(text(event, "event"), 300)) for event in found[:_MOST_EVENTS]]
    more = f"The first {len(rows)} of {len(found):,} events." if len(found) > len(rows) else "All recorded events."
    words = "1 event" if len(found) == 1 else f"{len(found):,} events"
    return el("details", el("summary", words), table(more, (Column("time", "s"), Column("event", "w")), rows))
