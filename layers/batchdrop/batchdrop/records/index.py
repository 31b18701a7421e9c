"""The ids of a whole block at once, to find the few records a vendor named without looking at the others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from batchdrop.records.columns import Columns
from batchdrop.records.fieldtypes import Decoder

Parts = Callable[[object], list[msgspec.Raw]]


@dataclass(slots=True)
class Index:
    """The records of a block as bytes, in order, and the id of each as UTF-8."""

    records: list[bytes]
    ids: list[bytes]

    def places(self, data: bytes, wanted: list[int]) -> Iterator[tuple[int, int, int]]:
        """Of the wanted records, in order: number, start in the block's data, and line ends before it."""
        at = line = last = 0
        left = iter(wanted)
        next_ = next(left, -1)
        for number, record in enumerate(self.records):
            if next_ < 0:
                return
            start = data.find(record, at)  # only separators lie between `at` and the record
            at = start + len(record)
            if number == next_:
                line, last = line + data.count(b"\n", last, start), start
                yield number, start, line
                next_ = next(left, -1)


def csv_index(data: bytes, columns: Columns) -> Index | None:
    """Of tidy CSV; None where there are blank lines or the ids lie in or behind quotes."""
    quote, delimiter = columns.spec.quote.encode(), columns.spec.delimiter.encode()
    records = _tidy_records(data, quote)
    last = max(columns.id) + 1
    rows = [record.split(delimiter, last) for record in records]
    if not all(records) or any(len(row) < last for row in rows):
        return None
    if quote in data and quote in b"".join([cell for row in rows for cell in row[:last]]):
        return None
    if len(columns.id) == 1:
        ids = [row[last - 1] for row in rows]
    else:
        joiner = columns.spec.id_joiner.encode()
        ids = [joiner.join([row[index] for index in columns.id]) for row in rows]
    return Index(records, [id_.rstrip(b"\r") for id_ in ids] if b"\r" in data else ids)


def _tidy_records(data: bytes, quote: bytes) -> list[bytes]:
    lines = data.split(b"\n")
    lines.pop()
    if quote not in data:
        return lines
    records: list[bytes] = []
    held: list[bytes] = []
    for line in lines:
        odd = line.count(quote) & 1
        if held:
            held.append(line)
            if odd:
                records.append(b"\n".join(held))
                held = []
        elif odd:
            held = [line]
        else:
            records.append(line)
    return records


def line_index(records: list[bytes], decoder: Decoder, parts: Parts, joiner: str) -> Index | None:
    """Of JSON records, each without line ends; None where one has no id or is blank."""
    try:
        shapes = decoder.decode_lines(b"\n".join(records))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    if len(shapes) != len(records):
        return None
    glue = joiner.encode()
    return Index(records, [glue.join([_text(bytes(raw)) for raw in parts(shape)]) for shape in shapes])


def _text(raw: bytes) -> bytes:
    """The id as UTF-8, from its JSON form."""
    if raw[:1] != b'"':
        return raw
    return msgspec.json.decode(raw, type=str).encode() if b"\\" in raw else raw[1:-1]
