"""What the command says: results on stdout, everything else on stderr; colours and tables only on a terminal."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

_LONG = 22  # characters of a cell that may be folded where a table is too wide

STYLES = {
    "completed": "green",
    "handed_over": "green",
    "completed_with_rejects": "yellow",
    "held": "yellow",
    "failed": "red",
    "timed_out": "red",
    "canceled": "red",
}


def say(message: str) -> None:
    """Progress, for people."""
    err.print(message, markup=False)


def plain(text: str) -> None:
    """A result as it is, without wrapping, markup or colour."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
    sys.stdout.flush()  # who reads a pipe sees progress as it happens


def outcome(name: str, text: str) -> None:
    """A line about an outcome, in its colour on a terminal."""
    out.print(Text(text, STYLES.get(name, ""))) if out.is_terminal else plain(text)


def as_json(value: object) -> None:
    plain(json.dumps(value, indent=2, ensure_ascii=False, default=_number))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on a terminal; tab-separated lines, with a heading, in a pipe."""
    if out.is_terminal:
        out.print(drawn(columns, rows), soft_wrap=False)
    else:
        for row in (columns, *rows):
            plain("\t".join(_cell(c) for c in row))


def drawn(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Table:
    """A table for a terminal."""
    lines = [[_cell(c) for c in row] for row in rows]
    found = Table(box=None, pad_edge=False, collapse_padding=True, header_style="bold")
    for n, column in enumerate(columns):
        numbers = all(line[n][:1].isdigit() or not line[n] for line in lines)
        long = any(len(line[n]) > _LONG for line in lines)
        side: Literal["left", "right"] = "right" if numbers and n else "left"
        found.add_column(column, overflow="fold", no_wrap=not long, min_width=10 if long else None, justify=side)
    for line in lines:
        found.add_row(*map(_coloured, line))
    return found


def _cell(value: object) -> str:
    return "" if value is None else " ".join(str(value).split())


def _coloured(text: str) -> Text:
    return Text(text, STYLES.get(text, ""))


def aligned(columns: Sequence[str], rows: Iterable[Sequence[object]], width: int) -> None:
    """A table for people, in a pipe too, where it is so wide."""
    console = out if out.is_terminal else Console(highlight=False, width=width)
    console.print(drawn(columns, rows), soft_wrap=False)


def _number(value: Any) -> object:
    """DynamoDB's decimals as the numbers they are."""
    return int(value) if value == int(value) else float(value)
