"""What a CSV cell means by its declared type. Values keep the digits and spelling they were written in."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from math import isinf

import msgspec

from batchdrop.records.jsoncheck import MAX_DIGITS, value_problem

Value = str | msgspec.Raw
Reader = Callable[[str], Value]


class BadCell(ValueError):
    """The cell does not fit its type; the text says what would."""


_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)", re.ASCII)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?", re.ASCII)
_TIMESTAMP = re.compile(
    r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d{1,9})?)?(?:Z|[+-]\d\d(?::?\d\d)?)?)?", re.ASCII
)
_BOOLEANS = {"true": msgspec.Raw(b"true"), "1": msgspec.Raw(b"true")} | {
    "false": msgspec.Raw(b"false"),
    "0": msgspec.Raw(b"false"),
}


def integer(cell: str) -> Value:
    if not _INTEGER.fullmatch(cell):
        raise BadCell("a whole number such as -12 (no leading zeros, spaces or signs)")
    return _digits(cell)


def number(cell: str) -> Value:
    if not _NUMBER.fullmatch(cell):
        raise BadCell("a number such as -1.50 (a point, no leading zeros, spaces or thousands separators)")
    if not cell.removeprefix("-").isdigit() and isinf(float(cell)):
        raise BadCell("a number below 1.8e308")
    return _digits(cell)


def _digits(cell: str) -> Value:
    if len(cell) > MAX_DIGITS:
        raise BadCell(f"a number of at most {MAX_DIGITS} digits")
    return msgspec.Raw(cell)


def boolean(cell: str) -> Value:
    value = _BOOLEANS.get(cell.lower())
    if value is None:
        raise BadCell("true, false, 1 or 0")
    return value


def timestamp(cell: str) -> Value:
    if _TIMESTAMP.fullmatch(cell):
        try:
            datetime.fromisoformat(re.sub(r"[.,]\d+", "", cell))
        except ValueError:
            pass
        else:
            return cell
    raise BadCell("a date or time such as 2025-01-31 or 2025-01-31T12:00:00Z")


def list_(cell: str) -> Value:
    return msgspec.Raw(msgspec.json.encode(cell.split(",")))


def json(cell: str) -> Value:
    raw = cell.encode()
    if problem := value_problem(raw):
        raise BadCell(f"JSON ({problem.message})")
    return msgspec.Raw(raw.replace(b"\n", b" "))  # outside of strings it is only space, and inside it is not allowed


READERS: dict[str, Reader] = {
    "integer": integer,
    "number": number,
    "boolean": boolean,
    "timestamp": timestamp,
    "list": list_,
    "json": json,
}
EMPTY_TYPED: dict[str, Value] = {"timestamp": "", "list": msgspec.Raw(b"[]")}
NULL = msgspec.Raw(b"null")
