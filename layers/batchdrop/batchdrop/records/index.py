"""The ids of a whole block at once, to find the few records a vendor named without looking at the others."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

import msgspec

from batchdrop.records.columns import Columns
from batchdrop.records.fieldtypes import IdReader

_SEPARATORS = re.compile(rb"[ \t\r\n,]*+")
_HIDDEN, _MARK = b"\xff", b"\xfe"  # no byte of UTF-8 text


@dataclass(slots=True)
class Index:
    """The records of a block, in order, and the id of each: as text, or as UTF-8."""

    records: list[bytes]
    ids: Sequence[str | bytes]
    starts: Callable[[], Sequence[int]]

    def places(self, data: bytes, wanted: list[int]) -> Iterator[tuple[int, int, bytes]]:
        """Start, line ends before it and bytes of each wanted record of the block's data, in order."""
        starts = self.starts() if wanted else ()
        line = last = 0
        for number in wanted:
            start = starts[number]
            line, last = line + data.count(b"\n", last, start), start
            yield start, line, data[start : start + len(self.records[number])]


def csv_index(data: bytes, columns: Columns) -> Index | None:
    """Of tidy CSV; None where there are blank lines or the ids lie in or behind quotes."""
    quote, delimiter = columns.spec.quote.encode(), columns.spec.delimiter.encode()
    records = (_quoted_ends_hidden(data, quote) if quote in data else data).split(b"\n")
    records.pop()
    last = max(columns.id) + 1
    rows = [record.split(delimiter, last) for record in records]
    if not all(records) or min(map(len, rows)) < last:
        return None
    if quote in data and quote in b"".join([cell for row in rows for cell in row[:last]]):
        return None
    if len(columns.id) == 1:
        ids = [row[last - 1] for row in rows]
    else:
        joiner = columns.spec.id_joiner.encode()
        ids = [joiner.join([row[index] for index in columns.id]) for row in rows]
    return _of_lines(records, [id_.rstrip(b"\r") for id_ in ids] if b"\r" in data else ids)


def _quoted_ends_hidden(data: bytes, quote: bytes) -> bytes:
    """The text with the line ends in quotes hidden: those that are left end records."""
    parts = data.split(quote)
    parts[1::2] = _MARK.join(parts[1::2]).replace(b"\n", _HIDDEN).split(_MARK)
    return quote.join(parts)


def line_index(data: bytes, reader: IdReader) -> Index | None:
    """Of NDJSON; None where a line has no id or is blank."""
    records = data.split(b"\n")
    records.pop()
    ids = reader.ids(data)
    return _of_lines(records, ids) if ids and len(ids) == len(records) else None


def _of_lines(records: list[bytes], ids: Sequence[str | bytes]) -> Index:
    return Index(records, ids, lambda: list(accumulate((len(record) + 1 for record in records), initial=0)))


def array_index(data: bytes, raws: list[msgspec.Raw], reader: IdReader) -> Index | None:
    """Of elements of an array; None where one has no id or more than one line."""
    records = [bytes(raw) for raw in raws]
    ids = reader.ids(b"\n".join(records))

    def starts() -> list[int]:
        found, at = [], 0
        for record in records:
            if separators := _SEPARATORS.match(data, at):
                at = separators.end()
            found.append(at)
            at += len(record)
        return found

    return Index(records, ids, starts) if ids and len(ids) == len(records) else None
