"""Reading a vendor's error file whose form nobody has published.

Understood, line by line or as one array that begins the file: the refused record as it was sent; an object that holds
the record, as an object or as text, beside words about it; the record's id alone beside such words; text with the
record in it; for CSV, the refused rows, with a header first or without, perhaps with the vendor's words in columns
after theirs. Of a file no more is held than one line, row or element.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain, dropwhile
from typing import BinaryIO

from msgspec import Struct

from batchdrop.destinations.base import Reject
from batchdrop.records.utf8 import BOM

_MESSAGES = ("error", "message", "error_message", "errorMessage", "reason", "cause", "description", "detail")
_CODES = ("code", "error_code", "errorCode", "error_type", "errorType")
# A number or a word is an element only where it ends with a comma or the line: others write `[12]` before a message.
_ARRAY = re.compile(rb'(?:\xef\xbb\xbf)?\s*\[[ \t]*(?:[\[{"\r\n]|(?:null|true|false|-?\d[\d.eE+-]*)[ \t]*[,\r\n]|\Z)')
LONGEST_LINE = 32_000_000  # bytes of an error file held at once
_DEPTH = 3  # of objects within objects in which the record is looked for
Object = Mapping[str, object]


class IdSpec(Struct, frozen=True):
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


class RejectLines(Struct, frozen=True):
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
            yield from self._complete(rejects_in(lines_of(file), self.spec, as_csv=self.as_csv))

    def each(self, lines: Iterable[bytes]) -> Iterator[Reject]:
        """The refusals of some of the lines, where they are neither CSV nor an array."""
        return self._complete(_from_lines(lines, self.spec))

    def _complete(self, rejects: Iterable[Reject]) -> Iterator[Reject]:
        code, message = self.otherwise
        for found in rejects:
            yield Reject(found.id, found.code or code, found.message or message)


def lines_of(file: BinaryIO) -> Iterator[bytes]:
    return iter(lambda: file.readline(LONGEST_LINE), b"")


def rejects_in(lines: Iterable[bytes], spec: IdSpec, *, as_csv: bool) -> Iterator[Reject]:
    """The refused records that can be told by their id; a line that names none is passed over."""
    if not spec.fields:
        return iter(())
    left = _begun(lines)
    first = next(left, b"")
    whole = chain((first,), left)
    if is_array(first):
        return _from_array(whole, spec)
    if as_csv and not first.removeprefix(BOM).lstrip().startswith(b"{"):
        return _from_csv(_texts(whole), spec)
    return _from_lines(whole, spec)


def _begun(lines: Iterable[bytes]) -> Iterator[bytes]:
    """From the first line that is not blank on."""
    return dropwhile(lambda line: not line.removeprefix(BOM).strip(), lines)


def _texts(lines: Iterable[bytes]) -> Iterator[str]:
    return (line.decode("utf-8", "replace").removeprefix("\ufeff") for line in lines)


def is_array(first: bytes) -> bool:
    """Whether a file that begins with this line, or more, is one array; others begin their lines with `[ERROR]`."""
    return bool(_ARRAY.match(first))


def _from_array(lines: Iterator[bytes], spec: IdSpec) -> Iterator[Reject]:
    """Element by element; from where it turns out to be no array on, line by line."""
    from batchdrop.records.jsoncodec import json_form  # few vendors' files are arrays, and each cold start would pay
    from batchdrop.records.kernel import Mode, Stop
    from batchdrop.records.model import Checkpoint

    first = next(lines).removeprefix(BOM).lstrip()
    chunks = chain((first[1:],), lines)
    walk = json_form(is_array=True).walk(chunks, Checkpoint(1, 1, 0), LONGEST_LINE)
    while walk.run(Mode.SCAN, most=0):
        yield from _from_element(walk.one().data or b"", spec)
    rest = walk.rest[1:] if walk.stop is Stop.CLOSED else walk.rest
    yield from _from_lines(chain(io.BytesIO(rest), chunks), spec)


def _from_element(element: bytes, spec: IdSpec) -> Iterator[Reject]:
    value = _loads(element.decode("utf-8", "replace"))
    if not isinstance(value, Mapping):
        return _from_lines(io.BytesIO(element), spec)
    found = _from_value(value, "", spec)
    return iter(() if found is None else (found,))


def _from_lines(lines: Iterable[bytes], spec: IdSpec) -> Iterator[Reject]:
    return (found for text in _texts(lines) if (found := _from_text(text.strip(), spec)))


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


def _from_csv(texts: Iterable[str], spec: IdSpec) -> Iterator[Reject]:
    rows = _rows(texts)
    first = next(rows, [])
    if set(spec.fields) <= set(first):  # a header; further down a cell may hold a column's name, too
        columns = tuple(first)
    else:
        columns, rows = spec.columns, chain((first,), rows)
    return (found for row in rows if (found := _from_row(row, columns, spec)))


def _from_row(row: Sequence[str], columns: Sequence[str], spec: IdSpec) -> Reject | None:
    record: Object = dict(zip(columns, row, strict=False))
    id_ = spec.of(record)
    if id_ is None:
        return _from_text(",".join(row), spec)
    return Reject(id_, _word(record, _CODES), _word(record, _MESSAGES) or " ".join(row[len(columns) :]))


def _rows(texts: Iterable[str]) -> Iterator[list[str]]:
    with suppress(csv.Error):  # no CSV from here on: what was read counts, the rest is in the stored file
        yield from filter(None, csv.reader(texts))


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
