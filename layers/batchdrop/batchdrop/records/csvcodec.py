"""CSV records on their way to JSON or CSV batches."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Iterator, Sequence
from itertools import chain

import msgspec

from batchdrop.records.blocks import Block
from batchdrop.records.codec import Encoded, Entry, too_big
from batchdrop.records.columnar import columnar
from batchdrop.records.columns import Columns
from batchdrop.records.csvcut import Cutter, Skipper
from batchdrop.records.index import Index, csv_index
from batchdrop.records.model import Problem
from batchdrop.records.rows import RowsEncoder, no_garbage
from batchdrop.records.safecell import restore
from batchdrop.records.spec import InputSpec, OutputSpec

# The module's own limit of 131,072 characters a cell is lifted: records are limited instead, by `max_record_bytes`.
csv.field_size_limit(min(sys.maxsize, 2**31 - 1))

_encoder = msgspec.json.Encoder()
_PLAIN_BYTES = bytes(set(range(256)) - set(b",\r\n"))


class CsvCutting:
    """Where CSV records end."""

    raws = None

    def __init__(self, spec: InputSpec, *, tidy: bool) -> None:
        self.cutter = Cutter(spec.delimiter, spec.quote, tidy=tidy)
        self.cut = self.cutter.cut

    def skipper(self) -> Skipper:
        return Skipper(self.cutter.quote)

    def complete(self, data: bytes) -> bytes:
        return data if data.endswith(b"\n") else data + b"\n"


class CsvCodec:
    """Rows by the header's columns. CSV batches are always written with commas, double quotes and line feeds."""

    def __init__(self, header: Sequence[str], spec: InputSpec, output: OutputSpec, *, tidy: bool) -> None:
        self.spec = spec
        self.columns = Columns(header, spec)
        self.cutting = CsvCutting(spec, tidy=tidy)
        self._to_csv = output.format == "csv"
        self._quote_all = output.csv_quoting == "strings"
        self._rows = RowsEncoder(self.columns)
        self._columnar = columnar(self.columns) if tidy else None
        # Rows a vendor can read as they are pass byte for byte, whatever their line ends and quoting.
        plain = (spec.delimiter, spec.quote, output.csv_quoting) == (",", '"', "minimal")
        whole = len(self.columns.used) == len(self.columns.header) and not self.columns.mended
        self._as_is = self._to_csv and tidy and plain and whole
        self._only_widths = not (self.columns.required or spec.types or len(self.columns.header) == 1)
        self.head = self._csv_line([(c.name, "string") for c in self.columns.used]) if self._to_csv else b""

    def whole(self, block: Block) -> Encoded | None:
        data = block.data
        if block.oversize or len(data) > self.spec.max_record_bytes or b"\0" in data or self.columns.mended:
            return None
        if self._as_is and self._only_widths:
            return Encoded(data, lines) if (lines := self._even_lines(data)) else None
        return self._by_columns(data, block.lines + 1) or self._by_rows(data)

    def _by_columns(self, data: bytes, most: int) -> Encoded | None:
        if not self._columnar or (self._to_csv and not self._as_is):
            return None
        if self._as_is:
            rows = None if _has_blank_lines(data) else self._columnar.rows(data, most)
            return Encoded(data, rows) if rows else None
        lines = self._columnar.lines(data, most)
        return Encoded(*lines) if lines else None

    def _by_rows(self, data: bytes) -> Encoded | None:
        with no_garbage():
            return self._whole_rows(data)

    def _whole_rows(self, data: bytes) -> Encoded | None:
        try:
            rows = list(self._reader(data.decode()))
        except csv.Error:
            return None
        if self._as_is:
            return Encoded(data, len(rows)) if self._rows.check(rows) and self._rows.fits(rows) else None
        return self._encoded([row for row in rows if row])

    def _encoded(self, rows: list[list[str]]) -> Encoded | None:
        if self._to_csv:
            lines = [self._encode(row) for row in rows]
            sound = not any(type(line) is Problem for line in lines)
            return Encoded(b"".join(lines), len(rows)) if sound else None  # type: ignore[arg-type]
        records = self._rows.records(rows)
        return Encoded(_encoder.encode_lines(records), len(records)) if records else None

    def _even_lines(self, data: bytes) -> int:
        """How many rows there are, if all are as wide as the header; else 0. For tidy text only."""
        quote = self.cutting.cutter.quote
        bare = b"".join(data.split(quote)[::2]) if quote in data else data
        marks = bare.translate(None, _PLAIN_BYTES)
        lines = marks.count(b"\n")
        row = b"," * (len(self.columns.header) - 1)
        return lines if marks in ((row + b"\n") * lines, (row + b"\r\n") * lines) else 0

    def entries(self, block: Block) -> Iterator[Entry]:
        if block.oversize:
            yield Entry(0, 0, [], None, too_big(self.spec.max_record_bytes))
            return
        start = line = 0
        for end in self.cutting.cutter.ends(block.data):
            record = block.data[start:end]
            if record.strip(b"\r\n"):
                yield self.entry(record, start, line, block)
            line += record.count(b"\n")
            start = end

    def index(self, block: Block) -> Index | None:
        slow = block.oversize or not self.cutting.cutter.tidy or self.columns.mended or not self.columns.id
        return None if slow else csv_index(block.data, self.columns)

    def entry(self, record: bytes, start: int, line: int, block: Block) -> Entry:
        offset = block.offset + start
        if len(record) > self.spec.max_record_bytes:
            return Entry(start, line, [], None, too_big(self.spec.max_record_bytes))
        record = record if record.endswith(b"\n") else record + b"\n"
        text = record.decode()
        try:
            (row,) = self._reader(text)
        except (csv.Error, ValueError):
            problem = Problem("carriage_return", "a carriage return outside quotes", offset=offset)
            return Entry(start, line, [text.rstrip("\r\n")], None, problem)
        row = self._restored(row)
        encoded = self._encode(row)
        if self._as_is and isinstance(encoded, bytes):
            encoded = record
        if isinstance(encoded, Problem):
            problem = Problem(encoded.code, encoded.message, encoded.column, offset)
            return Entry(start, line, row, None, problem)
        return Entry(start, line, row, encoded)

    def id_of(self, raw: list[str] | bytes) -> str | None:
        return self.columns.id_of(raw) if isinstance(raw, list) else None

    def _reader(self, text: str) -> Iterator[list[str]]:
        lines = io.StringIO(text, newline="\n")
        return csv.reader(lines, delimiter=self.spec.delimiter, quotechar=self.spec.quote, strict=True)

    def _restored(self, row: list[str]) -> list[str]:
        return [restore(cell) for cell in row] if self.columns.mended else row

    def _encode(self, row: list[str]) -> bytes | Problem:
        problem = self.columns.problem(row)
        if problem:
            return problem
        record = self.columns.record(row)
        if isinstance(record, Problem):
            return record
        if self._to_csv:
            return self._csv_line([(row[c.index], c.kind) for c in self.columns.used])
        return _encoder.encode(record) + b"\n"

    def _csv_line(self, values: list[tuple[str, str]]) -> bytes:
        line = ",".join(self._csv_cell(text, kind) for text, kind in values) or '""'  # not a blank line
        return (line + "\n").encode()

    def _csv_cell(self, text: str, kind: str) -> str:
        bare = kind in ("integer", "number", "boolean")
        if (self._quote_all and not bare) or any(c in text for c in ',"\r\n'):
            return '"' + text.replace('"', '""') + '"'
        return text


def _has_blank_lines(data: bytes) -> bool:
    """Whether there may be a blank line: a text may have one, too."""
    return data[:1] in (b"\r", b"\n") or b"\n\n" in data or b"\n\r\n" in data


def read_header(record: bytes, spec: InputSpec) -> list[str]:
    """The cells of a header line. Raises `csv.Error`."""
    lines = io.StringIO(record.decode(), newline="\n")
    rows = csv.reader(lines, delimiter=spec.delimiter, quotechar=spec.quote, strict=True)
    return list(chain.from_iterable(rows))
