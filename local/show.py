"""What the command says: results on stdout, everything else on stderr; colours and tables only on a terminal."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from local import tables
from local.safetext import in_json, printable

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


class Results:
    """Whether one was printed: with --json, an error that comes first is told as one."""

    printed = False


def say(message: str) -> None:
    """Progress, for people."""
    err.print(printable(message), markup=False)


def fail(message: str) -> None:
    """What ends the command."""
    err.print(printable(f"batchdrop: {message}"), markup=False, style="red")


def plain(text: str) -> None:
    """A result, without wrapping, markup or colour."""
    _write(printable(text))


def outcome(name: str, text: str) -> None:
    """A line about an outcome, in its colour on a terminal."""
    out.print(Text(printable(text), tables.STYLES.get(name, ""))) if out.is_terminal else plain(text)


def as_json(value: object) -> None:
    json_text(json.dumps(value, indent=2, ensure_ascii=False, default=_number))


def json_text(text: str) -> None:
    """JSON that is text already."""
    _write(in_json(text))


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], spare: Sequence[str] = ()) -> None:
    """A table on a terminal, narrow ones without the columns of `spare`; in a pipe lines with tabs and a heading."""
    if out.is_terminal:
        out.print(tables.table(columns, rows, spare), soft_wrap=False)
    else:
        for row in itertools.chain([columns], rows):
            sys.stdout.write("\t".join(map(tables.cell, row)) + "\n")
        sys.stdout.flush()


def aligned(columns: Sequence[str], rows: Iterable[Sequence[object]], width: int, spare: Sequence[str] = ()) -> None:
    """A table for people, in a pipe too, where it is so wide."""
    console = out if out.is_terminal else Console(highlight=False, width=width)
    console.print(tables.table(columns, rows, spare), soft_wrap=False)


def _write(text: str) -> None:
    Results.printed = True
    sys.stdout.write(text if text.endswith("\n") else text + "\n")
    sys.stdout.flush()  # who reads a pipe sees progress as it happens


def _number(value: Any) -> object:
    """DynamoDB's decimals as the numbers they are."""
    return int(value) if value == int(value) else float(value)
