"""Reading a vendor's error file whose form nobody has published.

Understood, line by line or as one array: the refused record as it was sent; an object that holds the record, as an
object or as text, beside words about it; the record's id alone beside such words; text with the record in it; for CSV,
the refused rows, with a header or without, perhaps with the vendor's words in columns after theirs.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from typing import BinaryIO

from batchdrop.destinations.base import Reject

_MESSAGES = ("error", "message", "error_message", "errorMessage", "reason", "cause", "description", "detail")
_CODES = ("code", "error_code", "errorCode", "error_type", "errorType")
LONGEST_LINE = 32_000_000  # bytes of an error file held at once
_DEPTH = 3  # of objects within objects in which the record is looked for
Object = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class IdSpec:
    """How a record of this job is known: the id's fields as they were sent, and what joins them."""

    fields: tuple[str, ...]
    joiner: str
    columns: tuple[str, ...] = ()  # of a CSV batch

    @classmethod
    def of_route(cls, given: Object, header: Sequence[str] = ()) -> IdSpec:
        """From the `input` of a route and, for CSV, the header of the drop."""
        wanted, rename, dropped = given.get("id") or (), given.get("rename") or {}, given.get("drop") or ()
        names = [wanted] if isinstance(wanted, str) else list(wanted) if isinstance(wanted, list | tuple) else []
        new = {str(k): str(v) for k, v in rename.items()} if isinstance(rename, Mapping) else {}
        gone = (dropped,) if isinstance(dropped, str) else tuple(dropped) if isinstance(dropped, list | tuple) else ()
        columns = tuple(new.get(name, name) for name in header if name not in gone)
        return cls(tuple(new.get(str(n), str(n)) for n in names), str(given.get("id_joiner", "/")), columns)

    def of(self, record: Object) -> str | None:
        """The record's id; None where it lacks one of the fields."""
        parts = [_text_at(record, name) for name in self.fields]
        return self.joiner.join(p for p in parts if p) if parts and all(parts) else None


@dataclass(frozen=True, slots=True)
class RejectLines:
    """The refusals of a vendor's error file; `otherwise` stands for a code and a message that are missing.

    Whoever has to read very many can read lines of plain objects by the names here, with the same result.
    """

    open: Callable[[], BinaryIO]
    spec: IdSpec
    as_csv: bool = False
    otherwise: tuple[str, str] = ("", "")
    codes: tuple[str, ...] = _CODES
    messages: tuple[str, ...] = _MESSAGES

    def __iter__(self) -> Iterator[Reject]:
        with self.open() as file:
            yield from self.each(lines_of(file))

    def each(self, lines: Iterable[bytes]) -> Iterator[Reject]:
        """The refusals of some of the lines."""
        code, message = self.otherwise
        for found in rejects_in(lines, self.spec, as_csv=self.as_csv):
            yield Reject(found.id, found.code or code, found.message or message)


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.readline(LONGEST_LINE), b"")


def rejects_in(lines: Iterable[bytes], spec: IdSpec, *, as_csv: bool) -> Iterator[Reject]:
    """The refused records that can be told by their id; a line that names none is passed over."""
    if not spec.fields:
        return
    texts: Iterator[str] = (line.decode("utf-8", "replace").removeprefix("\ufeff") for line in lines)
    first = next(texts, "")
    texts, is_csv = chain((first,), texts), as_csv and not first.lstrip().startswith(("{", "["))
    for reject in _from_csv(texts, spec) if is_csv else _from_json(texts, spec):
        if reject is not None:
            yield reject


def _from_json(texts: Iterator[str], spec: IdSpec) -> Iterator[Reject | None]:
    for text in texts:
        if not text.startswith("["):
            yield _from_text(text.strip(), spec)
            continue
        whole = _loads(text + "".join(texts))  # one array instead of lines
        for value in whole if isinstance(whole, list) else ():
            yield _from_value(value, "", spec)


def _from_text(text: str, spec: IdSpec) -> Reject | None:
    found = _object_in(text)
    return None if found is None else _from_value(found[0], found[1], spec)


def _from_value(value: object, around: str, spec: IdSpec) -> Reject | None:
    if not isinstance(value, Mapping):
        return None
    id_ = next((id_ for inner in _objects(value) if (id_ := spec.of(inner))), None)
    return None if id_ is None else Reject(id_, _word(value, _CODES), _word(value, _MESSAGES) or around)


def _object_in(text: str) -> tuple[Object, str] | None:
    """The JSON object of a line, and the text around it."""
    start, end = text.find("{"), text.rfind("}") + 1
    for piece in (text[start:end], text[start:end].replace('""', '"')) if 0 <= start < end else ():
        value = _loads(piece)
        if isinstance(value, Mapping):
            return value, f"{text[:start]} {text[end:]}".strip(' \t,;:|"')
    return None


def _objects(value: object, depth: int = _DEPTH) -> Iterator[Object]:
    """An object, and those within it, also where one is kept as text."""
    if isinstance(value, str) and value.lstrip().startswith("{"):
        value = _loads(value)
    if isinstance(value, Mapping):
        yield value
        for inner in value.values() if depth else ():
            yield from _objects(inner, depth - 1)


def _from_csv(texts: Iterable[str], spec: IdSpec) -> Iterator[Reject | None]:
    columns = spec.columns
    for row in _rows(texts):
        if set(spec.fields) <= set(row):  # a header
            columns = tuple(row)
            continue
        record: Object = dict(zip(columns, row, strict=False))
        id_ = spec.of(record)
        if id_ is None:
            yield _from_text(",".join(row), spec)
        else:
            yield Reject(id_, _word(record, _CODES), _word(record, _MESSAGES) or " ".join(row[len(columns) :]))


def _rows(texts: Iterable[str]) -> Iterator[list[str]]:
    with suppress(csv.Error):  # no CSV from here on: what was read counts, the rest is in the stored file
        yield from csv.reader(texts)


def _word(record: Object, names: Sequence[str]) -> str:
    for name in names:
        value = record.get(name)
        if isinstance(value, Mapping):
            value = value.get("message")
        if isinstance(value, str | int) and str(value).strip():
            return str(value).strip()
    return ""


def _text_at(record: Object, name: str) -> str:
    """A field by its whole name or, where there is none, by the names between its dots."""
    value: object = record.get(name)
    if value is None:
        value = record
        for part in name.split("."):
            value = value.get(part) if isinstance(value, Mapping) else None
    return str(value) if isinstance(value, str | int | _Digits) and not isinstance(value, bool) else ""


class _Digits(str):
    """A number as it was written: an id must not lose digits."""

    __slots__ = ()


def _loads(text: str) -> object:
    try:
        return json.loads(text, parse_float=_Digits, parse_int=_Digits)
    except (ValueError, RecursionError):
        return None
