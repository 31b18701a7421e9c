"""What the inspection looks for in each format: where the records begin and end, and what makes a file unusable."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from batchdrop.errors import DropRefused
from batchdrop.records.blocks import Skipper
from batchdrop.records.columns import Columns, is_rejects_header
from batchdrop.records.csvcodec import CsvCutting, read_header
from batchdrop.records.jsonscan import ArrayCutter, find_array
from batchdrop.records.jsonscan import Skipper as ElementSkipper
from batchdrop.records.model import Checkpoint
from batchdrop.records.spec import InputSpec


@dataclass(slots=True)
class Found:
    """What a scan found. `seen` tells whether there is any record at all."""

    start: Checkpoint
    end: int | None = None
    header: tuple[str, ...] = ()
    tidy: bool = True
    seen: bool = False
    warnings: list[str] = field(default_factory=list)


class Scan(Protocol):
    found: Found

    def feed(self, block: bytes) -> None:
        """The next bytes of the text, after the byte-order mark. Raises `DropRefused`."""

    def finish(self) -> None:
        """There is no more. Raises `DropRefused`."""


class LineScan:
    """NDJSON: nothing can be wrong with the whole file."""

    def __init__(self, _spec: InputSpec, body: int) -> None:
        self.found = Found(Checkpoint(body, 1, 0))

    def feed(self, block: bytes) -> None:
        self.found.seen = self.found.seen or bool(block.strip())

    def finish(self) -> None:
        return


class CsvScan:
    """CSV: the header, and quotes that all close."""

    def __init__(self, spec: InputSpec, body: int) -> None:
        self.spec = spec
        self.found = Found(Checkpoint(body, 1, 0))
        self._cutting = CsvCutting(spec, tidy=True)
        self._skipper: Skipper | None = None
        self._held = b""
        self._wait = 0
        self._offset = body  # of the first held byte
        self._headed = False

    def feed(self, block: bytes) -> None:
        if self._skipper:
            end = self._skipper.skip(block)
            self._offset += end if end >= 0 else len(block)
            if end < 0:
                return
            block, self._skipper = block[end:], None
        self._held = self._held + block if self._held else block
        if len(self._held) >= self._wait:
            self._cut()

    def _cut(self) -> None:
        if not self._headed and not self._take_header():
            return
        end = self._cutting.cutter.checked_cut(self._held, self._offset)
        if end:
            self._advance(end)
            self._wait = 0
        elif len(self._held) > self.spec.max_record_bytes:
            self._skipper = self._cutting.skipper()
            self._skipper.skip(self._held)
            self._advance(len(self._held))
            self._wait = 0
        else:
            self._wait = min(2 * len(self._held), self.spec.max_record_bytes)

    def _advance(self, end: int) -> None:
        self.found.seen = self.found.seen or bool(self._held[:end].strip())
        self._offset += end
        self._held = self._held[end:]

    def _take_header(self) -> bool:
        """Take the header off the held bytes; False if it is not all there yet."""
        text = self._held.lstrip(b"\r\n")
        end = next(iter(self._cutting.cutter.ends(text)), 0)
        if not end and len(text) <= self.spec.max_record_bytes:
            return False
        given = self.spec.header
        header = self._header(text[:end]) if end or given is None else []
        if given is not None and not is_rejects_header(header, given):
            self._use_header(given)
            return True
        self._use_header(header)
        passed = len(self._held) - len(text) + end
        self._offset += passed
        self.found.start = Checkpoint(self._offset, 1 + self._held.count(b"\n", 0, passed), 0)
        self._held = text[end:]
        return True

    def _header(self, record: bytes) -> list[str]:
        if not record:
            raise DropRefused("header", "the header does not end; a quote is missing in it", offset=self._offset)
        try:
            return read_header(record, self.spec)
        except csv.Error as error:
            if self.spec.header is not None:
                return []
            raise DropRefused(
                "line_ends", "the header holds carriage returns; save the file with LF or CRLF line ends", line=1
            ) from error

    def _use_header(self, header: Sequence[str]) -> None:
        self._headed = True
        columns = Columns(header, self.spec)
        self.found.header = columns.header
        known = {name for c in columns.used for name in (c.source, c.name)} | set(self.spec.drop)
        for option, names in (("types", self.spec.types), ("rename", self.spec.rename)):
            for name in names:
                if name not in known:
                    self.found.warnings.append(f"input.{option} names the column '{name}', which the file has not")

    def finish(self) -> None:
        if self._skipper:
            raise DropRefused("quotes", "a quote is never closed", offset=self._offset)
        if self._held.strip():
            self._held += b"" if self._held.endswith(b"\n") else b"\n"
            self._cut()
        if self._held.strip():
            raise DropRefused("quotes", "a quote in this record is never closed", offset=self._offset)
        self.found.tidy = self._cutting.cutter.tidy


class ArrayScan:
    """A JSON array: that it is one, where it begins, and that it ends."""

    def __init__(self, spec: InputSpec, body: int) -> None:
        self.spec = spec
        self.found = Found(Checkpoint(body, 1, 0))
        self._cutter = ArrayCutter()
        self._skipper: ElementSkipper | None = None
        self._held = b""
        self._wait = 0
        self._offset = body  # of the first held byte
        self._open = False
        self._prefix = b""

    def feed(self, block: bytes) -> None:
        if self.found.end is not None:
            self._after(block)
            return
        if self._skipper:
            end = self._skipper.skip(block)
            self._offset += end if end >= 0 else len(block)
            if end < 0:
                return
            block, self._skipper = block[end:], None
        self._held = self._held + block if self._held else block
        if len(self._held) >= self._wait:
            self._cut()

    def _cut(self) -> None:
        if not self._open and not self._begin():
            return
        try:
            end = self._cutter.cut(self._held)
        except DropRefused as error:
            raise DropRefused("json", f"{error}: the array is broken", offset=self._offset) from error
        self.found.seen = self.found.seen or bool(self._held[:end].strip())
        self._wait = 0
        if end or self._cutter.closed is not None:
            self._pass(end)
        elif len(self._held) > self.spec.max_record_bytes:
            self.found.seen = True
            self._skipper = ElementSkipper()
            held, self._held = self._held, b""
            if self._skipper.skip(held) >= 0:
                raise DropRefused("json", "the array is broken", offset=self._offset)
            self._offset += len(held)
        else:
            self._wait = min(2 * len(self._held), self.spec.max_record_bytes)

    def _pass(self, end: int) -> None:
        self._offset += end
        self._held = self._held[end:]
        if self._cutter.closed is not None:
            self.found.end = self._offset
            rest, self._held = self._held[1:], b""
            self._after(rest)

    def _begin(self) -> bool:
        """Find the array's bracket; what is before it is kept to check the whole document's form."""
        blank = len(self._held) - len(self._held.lstrip())
        if self._held[blank : blank + 1] == b"[":
            start: int | None = blank + 1
        elif not self.spec.json_key:
            raise DropRefused("format", "the JSON is not an array", line=1)
        else:
            start = find_array(self._held, self.spec.json_key)
            self._prefix = self._held[: start or 0]
        if start is None:
            if len(self._held) > self.spec.max_record_bytes:
                raise DropRefused("format", f"no array under '{self.spec.json_key}' in the first bytes", line=1)
            return False
        self._open = True
        self._offset += start
        self.found.start = Checkpoint(self._offset, 1 + self._held.count(b"\n", 0, start), 0)
        self._held = self._held[start:]
        return True

    def _after(self, block: bytes) -> None:
        """What follows the array: nothing, or the rest of the object it is in."""
        if not self._prefix and block.strip():
            raise DropRefused("json", "something follows the end of the array", offset=self.found.end)
        self._held += block
        if len(self._held) > self.spec.max_record_bytes:
            raise DropRefused("json", "too much follows the array", offset=self.found.end)

    def finish(self) -> None:
        if self.found.end is None and self._held:
            self._cut()
        if self.found.end is None:
            raise DropRefused(
                "truncated", "the JSON ends in the middle; drop the whole file again", offset=self._offset
            )
        if self._prefix:
            try:
                msgspec.json.decode(self._prefix + b"]" + self._held, type=msgspec.Raw)
            except msgspec.DecodeError as error:
                raise DropRefused("json", f"the JSON around the array is broken: {error}") from error
