"""How Sherpa.ai's simulator reads the file it fetched, and which of its rows it takes.

From the vendor's pages: UTF-8; CSV with the attribute names in the first row and every string in double quotes, or a
JSON array of objects; the mandatory attributes; the characters an id must not have; elements must be new. Assumed:
quotes inside a cell are doubled, rows end with LF or CRLF, an empty unquoted cell has no value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

FORBIDDEN_IN_IDS = frozenset('$./<>:"#%&*?|{}')
NAME_FIELDS = ("interactionName", "interactionId")  # the page has the first, the vendor's tutorial the second
MANDATORY: Mapping[str, tuple[str, ...]] = {
    "items": ("itemId",),
    "users": ("userId",),
    "interactions": ("userId", "itemId", "timestamp"),
}
KIND = {"items": "Item", "users": "User"}

_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "integer": (int,),
    "double": (int, float),
    "string": (str,),
    "boolean": (bool,),
}
_CELL = re.compile(r'"((?:[^"]|"")*)"|([^",\r\n]*)')
_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")


class FileRefused(Exception):
    """The file as a whole is not what the page describes; `rule` names the breach."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


def read(data: bytes, file_format: str) -> list[dict[str, Any]]:
    """The rows of a file. Raises `FileRefused`."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FileRefused("encoding", f"not UTF-8: {error}") from None
    if text.startswith("\ufeff"):
        raise FileRefused("encoding", "a byte order mark is not part of UTF-8 data")
    return _read_csv(text) if file_format == "csv" else _read_json(text)


def _read_json(text: str) -> list[dict[str, Any]]:
    try:
        rows = json.loads(text)
    except ValueError as error:
        raise FileRefused("json", f"not JSON: {error}") from None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise FileRefused("json", "not a list of objects")
    return rows


def _read_csv(text: str) -> list[dict[str, Any]]:
    lines = _csv_rows(text)
    names = next(lines, [])
    if not names or not all(quoted and name for name, quoted in names):
        raise FileRefused("csv_quoting", "the first row must hold the attribute names, each in quotes")
    rows = []
    for number, cells in enumerate(lines, 2):
        if len(cells) != len(names):
            raise FileRefused("csv", f"row {number} has {len(cells)} cells, the first row {len(names)}")
        values = zip(names, cells, strict=True)
        rows.append({name: _value(cell, quoted, number) for (name, _), (cell, quoted) in values})
    return [{name: value for name, value in row.items() if value is not None} for row in rows]


def _csv_rows(text: str) -> Iterator[list[tuple[str, bool]]]:
    """Cells with the mark whether each was quoted, row by row."""
    text = text if text.endswith("\n") or not text else text + "\n"
    position, row = 0, []
    while position < len(text):
        found = _CELL.match(text, position)
        assert found is not None  # the second alternative matches nothing at all
        quoted = found.group(1) is not None
        row.append((found.group(1).replace('""', '"') if quoted else found.group(2), quoted))
        position = found.end()
        following = text[position : position + 1]
        if following not in ("", ",", "\r", "\n"):
            raise FileRefused("csv", f"a stray {following!r} at character {position}")
        position += 2 if text.startswith("\r\n", position) else 1
        if following != ",":
            yield row
            row = []


def _value(cell: str, quoted: bool, row: int) -> Any:
    if quoted:
        return cell
    if cell in ("", "true", "false"):
        return {"": None, "true": True, "false": False}[cell]
    if not _NUMBER.fullmatch(cell):
        raise FileRefused("csv_quoting", f"row {row}: a string value is not enclosed by quotation marks")
    return int(cell) if cell.lstrip("-").isdigit() else float(cell)


def identify(row: Mapping[str, Any], dataset: str, table: str) -> str:
    """The errorId of a row; for interactions `user/table/item/interaction/timestamp`."""
    if dataset != "interactions":
        return str(row.get(MANDATORY[dataset][0], ""))
    name = next((row[field] for field in NAME_FIELDS if field in row), "")
    return f"{row.get('userId', '')}/{table}/{row.get('itemId', '')}/{name}/{row.get('timestamp', '')}"


def fault_of(row: Mapping[str, Any], dataset: str, types: Mapping[str, str]) -> str:
    """Why the row is not valid, in the words of the page's samples; empty when it is."""
    for field in MANDATORY[dataset]:
        if row.get(field) in (None, ""):
            return f"Attribute {field} is mandatory."
    if dataset == "interactions" and not any(row.get(field) for field in NAME_FIELDS):
        return f"Attribute {NAME_FIELDS[0]} is mandatory."
    for field in ("itemId", "userId"):
        if FORBIDDEN_IN_IDS.intersection(str(row.get(field, ""))):
            return f"Attribute {field} has a forbidden character."
    for field, kind in types.items():
        if field in row and not _is_of_type(row[field], kind):
            return f"Attribute {field} with value [{row[field]}] is not of {kind} type."
    return ""


def _is_of_type(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _PYTHON_TYPES[kind])


def already_exists(row: Mapping[str, Any], dataset: str, identifier: str) -> str:
    """The page's message for an element that is there already."""
    if dataset != "interactions":
        return f"{KIND[dataset]} [{identifier}] could not be created because it already exists."
    name = next(row[field] for field in NAME_FIELDS if field in row)
    return (
        f"Interaction [{name}] on Item [{row['itemId']}] of User [{row['userId']}] at time [{row['timestamp']}] "
        "could not be created because it already exists."
    )
