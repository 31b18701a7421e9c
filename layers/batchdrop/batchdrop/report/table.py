"""Tables that stay tables for a screen reader and become cards on a phone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct

from batchdrop.report.markup import Html, el, join


class Column(Struct, frozen=True):
    """`kind` is a style: `n` number, `s` short words, `w` wide text."""

    name: str
    kind: str | None = None


Row = Sequence[Html | str]


def table(caption: str, columns: Sequence[Column], rows: Iterable[Row], foot: Row = (), class_: str = "cards") -> Html:
    """The first cell of a row names it; a table of class `slim` fits a phone as it is.

    The roles are spelled out because a browser forgets them when the cells are laid out as cards.
    """
    heads = [el("th", c.name, scope="col", role="columnheader", class_=_head_kind(c)) for c in columns]
    body = [_row(columns, row) for row in rows]
    whole = el(
        "table",
        el("caption", caption),
        el("thead", el("tr", *heads, role="row"), role="rowgroup"),
        el("tbody", *body, role="rowgroup"),
        el("tfoot", _row(columns, foot), role="rowgroup") if foot else None,
        role="table",
        class_=class_,
    )
    return el("div", whole, class_="scroll")


def _head_kind(column: Column) -> str | None:
    return "n" if column.kind == "n" else None


def _row(columns: Sequence[Column], row: Row) -> Html:
    cells = [_cell(column, index, value) for index, (column, value) in enumerate(zip(columns, row, strict=True))]
    return el("tr", *cells, role="row")


def _cell(column: Column, index: int, value: Html | str) -> Html:
    kind = " ".join(filter(None, (column.kind, None if value else "none"))) or None
    inner = el("span", join(value))
    if index == 0:
        return el("th", inner, scope="row", role="rowheader", class_=kind, data_name=column.name)
    return el("td", inner, role="cell", class_=kind, data_name=column.name)
