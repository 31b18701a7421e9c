"""The rejects file: the user's own records with our columns, ready to be mended and dropped again."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import msgspec

from batchdrop.records.columns import OUR_COLUMNS, UNREAD, is_ours
from batchdrop.records.csvcodec import cells_of
from batchdrop.records.model import SourceRecord
from batchdrop.records.safecell import protect, restore
from batchdrop.records.spec import InputSpec
from batchdrop.records.utf8 import BOM
from batchdrop.records.verdicts import RowForm
from batchdrop.storable import storable
from batchdrop.words import RecordOutcome

_encode = msgspec.json.Encoder().encode
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TAILS = 500  # different verdicts whose bytes are kept
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\[\s\S])*+"|[{}\[\],]')
_OUTCOMES = (RecordOutcome.INVALID, RecordOutcome.REJECTED, RecordOutcome.UNPROCESSED)  # that stand in the file
_LINE_ENDS = re.compile(rb"[\r\n]")


class RejectsWriter:
    """Writes rejected records in the source's format: `head()` once, then a `row()` each."""

    def __init__(self, header: Sequence[str] | None, delimiter: str, quote: str, encoding: str) -> None:
        self.name = "rejects.ndjson" if header is None else "rejects.csv"
        self._header = header or ()
        self._bom = b"" if encoding == "utf-8" else BOM  # it is UTF-8 whatever the drop was
        self._own = [i for i, name in enumerate(self._header) if name not in OUR_COLUMNS]
        self._is_mended = is_ours(self._header)
        self._delimiter, self._quote, self._mark = delimiter, quote, delimiter.encode()
        self._tails: dict[tuple[str, str, str], bytes] = {}

    @classmethod
    def for_format(
        cls, format_: str, header: Sequence[str] = (), delimiter: str = ",", quote: str = '"', encoding: str = "utf-8"
    ) -> RejectsWriter:
        """A writer for a drop of this format (`csv`, `json` or `ndjson`)."""
        return cls(header if format_ == "csv" else None, delimiter, quote, encoding)

    @classmethod
    def for_file(cls, format_: str, header: Sequence[str], given: InputSpec) -> RejectsWriter:
        """A writer for a file that was read as `given`."""
        return cls.for_format(format_, header, given.delimiter, given.quote, given.encoding)

    @property
    def form(self) -> RowForm | None:
        """How rows of plain records are written, where that takes no more than their own bytes."""
        if self._is_mended:
            return None
        return RowForm(self._delimiter, self._quote) if self._header else RowForm()

    def head(self) -> bytes:
        """What the file begins with: a header for CSV, the mark of UTF-8 where the route's files are not."""
        header = self._line([*(self._header[i] for i in self._own), *OUR_COLUMNS]) if self._header else b""
        return self._bom + header

    def row(self, record: SourceRecord, outcome: str, code: str, message: str) -> bytes:
        """One rejected record. A record that could not be read keeps its place, if not all of its content."""
        if record.is_plain and not self._is_mended:
            return self._echoed(record, (outcome, code, message))
        if not self._header:
            return _json_row(record.raw, {OUR_COLUMNS[0]: record.line, **_told(outcome, code, message)})
        cells = [*self._cells(record.raw), str(record.line), outcome, code, message]
        return self._line([protect(cell) for cell in cells])

    def _echoed(self, record: SourceRecord, verdict: tuple[str, str, str]) -> bytes:
        """The record's own bytes, with ours behind them."""
        tail = self._tails.get(verdict) or self._tail(*verdict)
        if self._header:
            return b"%b%b%d%b" % (record.raw, self._mark, record.line, tail)
        return b'%b,"batchdrop_line":%d,%b' % (record.raw[:-1], record.line, tail)

    def _tail(self, outcome: str, code: str, message: str) -> bytes:
        if self._header:
            tail = self._mark + self._line([protect(cell) for cell in (outcome, code, message)])
        else:
            tail = _encode(_told(outcome, code, message))[1:] + b"\n"
        if len(self._tails) < _TAILS:
            self._tails[outcome, code, message] = tail
        return tail

    def _cells(self, raw: bytes) -> list[str]:
        """The user's cells, as many as the header has; what a too long row has beyond goes into its last cell."""
        row = cells_of(raw, self._delimiter, self._quote)
        row = [restore(cell) for cell in row] if self._is_mended else row
        if len(row) == len(self._header):
            return [row[i] for i in self._own]
        width = len(self._own)
        if self._is_mended and self._own == list(range(width)):
            row = row[: _begin_of_ours(row)]
        if len(row) > width:
            return [*row[: width - 1], self._delimiter.join(row[width - 1 :])]
        return row + [""] * (width - len(row))

    def _line(self, cells: Sequence[str]) -> bytes:
        return (self._delimiter.join(self._cell(cell) for cell in cells) + "\n").encode("utf-8", "replace")

    def _cell(self, text: str) -> str:
        q = self._quote
        if q in text or self._delimiter in text or "\n" in text or "\r" in text:
            return q + text.replace(q, q + q) + q
        return text


def _begin_of_ours(row: Sequence[str]) -> int:
    """Where ours stand behind the user's cells in a mended row that has lost or got some: a line, then an outcome."""
    for at in range(len(row) - 1, 0, -1):
        if row[at] in _OUTCOMES and row[at - 1].isdecimal():
            return at - 1
    return len(row)


def _told(*verdict: str) -> dict[str, object]:
    return dict(zip(OUR_COLUMNS[1:], map(storable, verdict), strict=True))


def _json_row(raw: bytes, ours: dict[str, object]) -> bytes:
    try:
        fields = _object.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _encode({UNREAD: raw.decode("utf-8", "replace"), **ours}) + b"\n"
    # The user's own bytes are kept as they are, our keys put before the last brace.
    head = _LINE_ENDS.sub(b" ", raw).rstrip()[:-1].rstrip()
    if any(name in fields for name in OUR_COLUMNS):
        head = b"{" + b",".join(_own_fields(head + b"}"))
    return head + b"," * (len(head) > 1) + _encode(ours)[1:] + b"\n"


def _own_fields(raw: bytes) -> Iterator[bytes]:
    """The fields of a JSON object that are not ours, as they are written: of a key that is there twice, both."""
    depth = begun = 0
    for token in _TOKEN.finditer(raw):
        mark = token.group()
        depth += (mark in b"{[") - (mark in b"}]")
        if mark == b"{" and depth == 1:
            begun = token.end()
        elif depth == 0 or (depth == 1 and mark == b","):
            field, begun = raw[begun : token.start()].strip(), token.end()
            if (key := _TOKEN.match(field)) and msgspec.json.decode(key.group(), type=str) not in OUR_COLUMNS:
                yield field
