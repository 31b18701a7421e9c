"""The ids of a whole block at once, to find the few records a vendor named without looking at the others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate

import msgspec

from batchdrop.records.columns import Columns
from batchdrop.records.fieldtypes import Decoder


@dataclass(slots=True)
class Index:
    """The records of a block as bytes without their line ends, and the id of each, as UTF-8."""

    records: list[bytes]
    ids: list[bytes | None]

    def starts(self) -> list[int]:
        """Where each record begins in the block."""
        return list(accumulate((len(record) + 1 for record in self.records), initial=0))

    def lines(self) -> list[int]:
        """How many line ends come before each record in the block."""
        return list(accumulate((record.count(b"\n") + 1 for record in self.records), initial=0))


def csv_index(data: bytes, columns: Columns) -> Index | None:
    """Of tidy CSV; None where there are blank lines or the ids lie in quotes."""
    quote, delimiter = columns.spec.quote.encode(), columns.spec.delimiter.encode()
    records = _tidy_records(data, quote)
    last = max(columns.id) + 1
    joiner = columns.spec.id_joiner.encode()
    ids: list[bytes | None] = []
    for record in records:
        cells = record.split(delimiter, last)
        if len(cells) < last or (quote in record and any(quote in cell for cell in cells[:last])):
            return None
        ids.append(joiner.join([cells[index] for index in columns.id]).rstrip(b"\r"))
    return Index(records, ids) if all(records) else None


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


def line_index(
    data: bytes, decoder: Decoder, parts: Callable[[object], list[msgspec.Raw]], joiner: str
) -> Index | None:
    """Of NDJSON; None where a line has no id or is blank."""
    records = data.split(b"\n")
    records.pop()
    try:
        shapes = decoder.decode_lines(data)
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
