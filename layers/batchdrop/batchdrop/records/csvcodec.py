"""CSV records on their way to JSON or CSV batches."""

from __future__ import annotations

import csv
import io
import sys
from collections.abc import Sequence
from ctypes import c_uint32
from functools import partial
from itertools import chain

import msgspec
from msgspec.structs import replace

from batchdrop.records.codec import Entry, Form, too_big
from batchdrop.records.columns import Close, Column, Columns, Open, Step
from batchdrop.records.kernel import CsvSpec, Kernel, Op, Text, c_array
from batchdrop.records.model import Problem
from batchdrop.records.safecell import restore
from batchdrop.records.skippers import RowSkipper
from batchdrop.records.spec import InputSpec, OutputSpec

# The module's own limit of 131,072 characters a cell is lifted: records are limited instead, by `max_record_bytes`.
csv.field_size_limit(min(sys.maxsize, 2**31 - 1))

_encoder = msgspec.json.Encoder()
_KINDS = ("string", "integer", "number", "boolean", "timestamp", "list", "json", "open", "close")
_LINES, _CSV, _AS_IS = range(3)  # what the kernel makes of a row
_MOST_COLUMNS = 2048  # the kernel's


class CsvCodec:
    """Rows by the header's columns. CSV batches are always written with commas, double quotes and line feeds."""

    def __init__(self, header: Sequence[str], spec: InputSpec, output: OutputSpec) -> None:
        self.spec = spec
        self.columns = Columns(header, spec)
        self._to_csv = output.format == "csv"
        self._quote_all = output.csv_quoting == "strings"
        # Rows a vendor can read as they are pass byte for byte, whatever their line ends and quoting.
        plain = (spec.delimiter, spec.quote, output.csv_quoting) == (",", '"', "minimal")
        whole = len(self.columns.used) == len(self.columns.header) and not self.columns.mended
        self._as_is = self._to_csv and plain and whole
        self.head = self._csv_line([(c.name, "string") for c in self.columns.used]) + b"\n" if self._to_csv else b""
        self.form = csv_form(spec, self._kernel_spec(b"," if output.format == "json_array" else b"\n"))

    def _kernel_spec(self, separator: bytes) -> CsvSpec:
        columns, spec = self.columns, self.spec
        ops = (
            [_op(step, columns) for step in columns.steps] if not self._to_csv else [_cell_op(c) for c in columns.used]
        )
        return CsvSpec(
            delimiter=ord(spec.delimiter),
            quote=ord(spec.quote),
            separator=ord(separator),
            quote_all=self._quote_all,
            target=_AS_IS if self._as_is else _CSV if self._to_csv else _LINES,
            columns=len(columns.header),
            ops=c_array(Op, ops),
            op_count=len(ops),
            required=c_array(c_uint32, columns.required),
            required_count=len(columns.required),
            ids=c_array(c_uint32, columns.id),
            id_count=len(columns.id),
            id_joiner=Text.of(spec.id_joiner.encode()),
            forbidden=Text.of(spec.forbidden_in_id.encode()),
            longest=spec.max_record_bytes,
            # Cells of a mended file have lost what made them safe for spreadsheets: each is looked at. So is each where
            # commas are quotes: the kernel would take two that stand for one for the end of a list's item.
            all_careful=columns.mended
            or spec.quote == ","
            or len(columns.header) > _MOST_COLUMNS
            or not spec.forbidden_in_id.isascii(),
        )

    def entry(self, record: bytes, offset: int) -> Entry:
        if len(record) > self.spec.max_record_bytes:
            return Entry(None, too_big(self.spec.max_record_bytes))
        row = read_row(record, self.spec.delimiter, self.spec.quote)
        if row is None:
            return Entry(None, Problem("carriage_return", "a carriage return outside quotes", offset=offset))
        if self.columns.mended:
            row = [restore(cell) for cell in row]
        id_ = self.columns.id_of(row)
        encoded = self._encode(row)
        if isinstance(encoded, Problem):
            return Entry(None, replace(encoded, offset=offset), id_)
        return Entry(record.removesuffix(b"\n") if self._as_is else encoded, id=id_)

    def _encode(self, row: list[str]) -> bytes | Problem:
        problem = self.columns.problem(row)
        if problem:
            return problem
        record = self.columns.record(row)
        if isinstance(record, Problem):
            return record
        if self._to_csv:
            return self._csv_line([(row[c.index], c.kind) for c in self.columns.used])
        return _encoder.encode(record)

    def _csv_line(self, values: list[tuple[str, str]]) -> bytes:
        line = ",".join(self._csv_cell(text, kind) for text, kind in values) or '""'  # not a blank line
        return line.encode()

    def _csv_cell(self, text: str, kind: str) -> str:
        bare = kind in ("integer", "number", "boolean")
        if (self._quote_all and not bare) or any(c in text for c in ',"\r\n'):
            return '"' + text.replace('"', '""') + '"'
        return text


def csv_form(spec: InputSpec, rows: CsvSpec | None = None) -> Form:
    """How CSV stands in a stream; without `rows`, its records can only be counted."""
    rows = rows or CsvSpec(delimiter=ord(spec.delimiter), quote=ord(spec.quote), longest=spec.max_record_bytes)
    return Form(Kernel(rows), partial(RowSkipper, spec.quote.encode(), spec.delimiter.encode()), b"\n", b"\r\n")


def _op(step: Step, columns: Columns) -> Op:
    """The kernel's step that does what `Columns.record` does."""
    if isinstance(step, Open):
        return Op(kind=_KINDS.index("open"), key=Text.of(b"," + _encoder.encode(step.name) + b":{"))
    if isinstance(step, Close):
        return Op(kind=_KINDS.index("close"))
    empty = columns.value(step, "")
    written = b"" if empty is None else _encoder.encode(empty)
    key = b"," + _encoder.encode(step.path[-1]) + b":"
    return Op(kind=_KINDS.index(step.kind), column=step.index, key=Text.of(key), empty=Text.of(written))


def _cell_op(column: Column) -> Op:
    return Op(kind=_KINDS.index(column.kind), column=column.index)


def read_row(record: bytes, delimiter: str, quote: str) -> list[str] | None:
    """The cells of one record; None for one with a carriage return outside quotes."""
    lines = io.StringIO(record.decode() + "\n" * (not record.endswith(b"\n")), newline="\n")
    try:
        (row,) = csv.reader(lines, delimiter=delimiter, quotechar=quote, strict=True)
    except (csv.Error, ValueError):
        return None
    return row


def cells_of(raw: bytes, delimiter: str, quote: str) -> list[str]:
    """The cells of a record's bytes, whatever is wrong with them: one that cannot be read is one cell."""
    row = read_row(raw, delimiter, quote) if raw else []
    return [raw.decode("utf-8", "replace")] if row is None else row


def read_header(record: bytes, spec: InputSpec) -> list[str]:
    """The cells of a header line. Raises `csv.Error`."""
    lines = io.StringIO(record.decode(), newline="\n")
    rows = csv.reader(lines, delimiter=spec.delimiter, quotechar=spec.quote, strict=True)
    return list(chain.from_iterable(rows))
