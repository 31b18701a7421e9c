"""A text of lines below a header, such as TSV, cut at its lines."""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct

from batchdrop.errors import DropRefused
from batchdrop.members import CHUNK
from batchdrop.records.model import Checkpoint, SourceRecord
from batchdrop.records.source import Source


class Line(Struct, frozen=True):
    """One line with its line end; a blank one is no record."""

    at: Checkpoint
    text: bytes

    @property
    def is_record(self) -> bool:
        return bool(self.text.strip())

    @property
    def after(self) -> Checkpoint:
        return Checkpoint(self.at.offset + len(self.text), self.at.line + 1, self.at.ordinal + self.is_record)


class LineFile(Struct, frozen=True):
    """The file; no line of it may be longer than `max_bytes`, header included. Raises `DropRefused` where one is."""

    source: Source
    max_bytes: int

    def header(self) -> Line:
        first = next(self._lines(Checkpoint(0, 1, 0)), None)
        if first is None or not first.is_record:
            raise DropRefused("header", "the file does not begin with a line of column names", line=1)
        return first

    def first(self) -> Checkpoint:
        """Where the records begin."""
        return Checkpoint(len(self.header().text), 2, 0)

    def lines(self, start: Checkpoint, end: Checkpoint | None = None) -> Iterator[Line]:
        for line in self._lines(start):
            if end is not None and line.at.offset >= end.offset:
                return
            yield line

    def part(self, start: Checkpoint) -> tuple[bytes, int, Checkpoint, bool]:
        """The header with as many lines as fit: bytes, records, where they end, and whether that is the file's end."""
        header = self.header().text
        taken, size, records, at = [header if header.endswith(b"\n") else header + b"\n"], len(header), 0, start
        for line in self._lines(start):
            size += len(line.text)
            if size > self.max_bytes:
                return b"".join(taken), records, at, False
            taken.append(line.text)
            records, at = records + line.is_record, line.after
        return b"".join(taken), records, at, True

    def records(self, start: Checkpoint, end: Checkpoint | None) -> Iterator[SourceRecord]:
        for line in self.lines(start, end):
            if line.is_record:
                yield SourceRecord(line.at.ordinal + 1, line.at.line, None, True, line.text.rstrip(b"\r\n"))

    def _lines(self, at: Checkpoint) -> Iterator[Line]:
        held = b""
        with self.source.open(at.offset) as stream:
            while chunk := stream.read(CHUNK):
                *whole, held = (held + chunk).split(b"\n")
                for text in whole:
                    line = self._checked(at, text + b"\n")
                    yield line
                    at = line.after
                self._checked(at, held)
        if held:
            yield Line(at, held)

    def _checked(self, at: Checkpoint, text: bytes) -> Line:
        if len(text) > self.max_bytes // 2:
            raise DropRefused("line_length", f"a line is longer than {self.max_bytes // 2} bytes", line=at.line)
        return Line(at, text)
