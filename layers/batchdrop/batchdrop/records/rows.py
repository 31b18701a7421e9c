"""Many rows at once: checked column by column, turned into records by a function made for the file's columns."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import cast

from msgspec import Raw

from batchdrop.records import cells
from batchdrop.records.columns import Column, Columns

Rows = list[list[str]]
Tree = dict[str, "Tree | Column"]

# Narrower than the types allow: what is longer is looked at on its own.
_INTEGERS = re.compile(r"(?:(?:-?(?:0|[1-9][0-9]{0,199}+))?+\n)*+", re.ASCII)
_NUMBERS = re.compile(
    r"(?:(?:-?(?:0|[1-9][0-9]{0,199}+)(?:\.[0-9]{1,200}+)?+(?:[eE][+-]?[0-9]{1,2}+)?+)?+\n)*+", re.ASCII
)
_PATTERNS = {"integer": _INTEGERS, "number": _NUMBERS}


@contextmanager
def no_garbage() -> Iterator[None]:
    """Without the cycle collector, which would go through all the rows again and again; there are no cycles."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


class RowsEncoder:
    """Records of many rows, or None where a row needs a closer look."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._typed = [c for c in columns.used if c.kind != "string"]
        self._texts = [c for c in columns.used if c.kind == "string"]
        self._record = _row_function(columns)

    def records(self, rows: Rows) -> list[object] | None:
        """The rows are used up: their cells are replaced by values."""
        if self.check(rows) and all(self._convert(rows, column) for column in self._typed):
            if self._columns.spec.empty == "null":
                for column in self._texts:
                    self._nullify(rows, column.index)
            return [self._record(row) for row in rows]
        return None

    def check(self, rows: Rows) -> bool:
        """Whether all rows are as long as the header and have what they must have."""
        columns = self._columns
        if not rows or {*map(len, rows)} != {len(columns.header)}:
            return False
        if not all(row[index] for index in columns.required for row in rows):
            return False
        return not any(
            character in "".join(row[index] for row in rows)
            for character in columns.spec.forbidden_in_id
            for index in columns.id
        )

    def fits(self, rows: Rows) -> bool:
        """Whether every typed cell fits its type; the rows are left alone."""
        return all(self._values([row[c.index] for row in rows], c) is not None for c in self._typed)

    def _convert(self, rows: Rows, column: Column) -> bool:
        index = column.index
        values = self._values([row[index] for row in rows], column)
        if values is None:
            return False
        for row, value in zip(rows, values, strict=True):
            row[index] = value  # type: ignore[call-overload]
        return True

    def _values(self, texts: list[str], column: Column) -> list[object] | None:
        pattern = _PATTERNS.get(column.kind)
        try:
            empty = self._columns.value(column, "")
            if pattern:
                fits = pattern.fullmatch("\n".join(texts) + "\n")
                return [Raw(text) if text else empty for text in texts] if fits else None
            known = {text: self._columns.value(column, text) for text in set(texts)}
            return [known[text] for text in texts]
        except cells.BadCell:
            return None

    @staticmethod
    def _nullify(rows: Rows, index: int) -> None:
        for row in rows:
            row[index] = row[index] or None  # type: ignore[assignment]


def _row_function(columns: Columns) -> Callable[[list[str]], object]:
    """The function from a row to its record; written out, since a loop over the columns takes twice as long."""
    if columns.spec.empty == "omit":
        return lambda row: _without_empty(columns, row)
    tree: Tree = {}
    for column in columns.used:
        place = tree
        for name in column.path[:-1]:
            place = place.setdefault(name, {})  # type: ignore[assignment]
        place[column.path[-1]] = column
    source = f"lambda row: {_literal(tree)}"  # names are in it as literals, the rest are numbers
    return cast("Callable[[list[str]], object]", eval(source, {"__builtins__": {}}))  # noqa: S307


def _literal(tree: Tree) -> str:
    items = (f"{name!r}: {_literal(v) if isinstance(v, dict) else f'row[{v.index}]'}" for name, v in tree.items())
    return "{" + ", ".join(items) + "}"


def _without_empty(columns: Columns, row: list[str]) -> object:
    record: dict[str, object] = {}
    for column in columns.used:
        value = row[column.index]
        if value != "" and value is not None:
            place = record
            for name in column.path[:-1]:
                place = place.setdefault(name, {})  # type: ignore[assignment]
            place[column.path[-1]] = value
    return record
