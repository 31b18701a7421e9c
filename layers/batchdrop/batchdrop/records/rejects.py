"""The rejects file: the user's own records with our columns, ready to be mended and dropped again."""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from batchdrop.records.columns import OUR_COLUMNS, UNREAD
from batchdrop.records.model import SourceRecord
from batchdrop.records.safecell import protect

_encode = msgspec.json.Encoder().encode
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_LINE_ENDS = re.compile(rb"[\r\n]")


class RejectsWriter:
    """Writes rejected records in the source's format: `head()` once, then a `row()` each."""

    def __init__(self, header: Sequence[str] | None, delimiter: str, quote: str) -> None:
        self.name = "rejects.ndjson" if header is None else "rejects.csv"
        self._header = header or ()
        self._own = [i for i, name in enumerate(self._header) if name not in OUR_COLUMNS]
        self._delimiter, self._quote = delimiter, quote

    @classmethod
    def for_format(
        cls, format_: str, header: Sequence[str] = (), delimiter: str = ",", quote: str = '"'
    ) -> RejectsWriter:
        """A writer for a drop of this format (`csv`, `json` or `ndjson`)."""
        return cls(header if format_ == "csv" else None, delimiter, quote)

    def head(self) -> bytes:
        """What the file begins with: a header for CSV, nothing for NDJSON."""
        return self._line([*(self._header[i] for i in self._own), *OUR_COLUMNS]) if self._header else b""

    def row(self, record: SourceRecord, outcome: str, code: str, message: str) -> bytes:
        """One rejected record. A record that could not be read keeps its place, if not all of its content."""
        ours = (str(record.line), outcome, code, message)
        if isinstance(record.raw, list):
            return self._line([protect(cell) for cell in (*self._cells(record.raw), *ours)])
        return _json_row(record.raw, dict(zip(OUR_COLUMNS, (record.line, *ours[1:]), strict=True)))

    def _cells(self, raw: list[str]) -> list[str]:
        """The user's cells, as many as the header has; what a too long row has beyond goes into its last cell."""
        if len(raw) == len(self._header):
            return [raw[i] for i in self._own]
        width = len(self._own)
        if len(raw) > width:
            return [*raw[: width - 1], self._delimiter.join(raw[width - 1 :])]
        return raw + [""] * (width - len(raw))

    def _line(self, cells: Sequence[str]) -> bytes:
        return (self._delimiter.join(self._cell(cell) for cell in cells) + "\n").encode("utf-8", "replace")

    def _cell(self, text: str) -> str:
        q = self._quote
        if q in text or self._delimiter in text or "\n" in text or "\r" in text:
            return q + text.replace(q, q + q) + q
        return text


def _json_row(raw: bytes, ours: dict[str, object]) -> bytes:
    try:
        fields: dict[str, object] = dict(_object.decode(raw))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _encode({UNREAD: raw.decode("utf-8", "replace"), **ours}) + b"\n"
    if any(name in fields for name in OUR_COLUMNS) or not fields:
        return _LINE_ENDS.sub(b" ", _encode({k: v for k, v in fields.items() if k not in OUR_COLUMNS} | ours)) + b"\n"
    # The user's own bytes are kept as they are, our keys put before the last brace.
    head = _LINE_ENDS.sub(b" ", raw).rstrip()[:-1].rstrip()
    return head + b"," + _encode(ours)[1:] + b"\n"
