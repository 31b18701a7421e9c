"""What the inspection looks for in each format: where the records begin and end, and what makes a file unusable."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from typing import Protocol

from msgspec import Struct, field

from batchdrop.errors import DropRefused
from batchdrop.records.columns import Columns, is_rejects_header, refuse_other_delimiter
from batchdrop.records.csvcodec import csv_form, read_header
from batchdrop.records.inspection import MOST_HEADER
from batchdrop.records.jsoncheck import value_problem
from batchdrop.records.jsoncodec import json_form
from batchdrop.records.jsonhead import ArrayFinder
from batchdrop.records.kernel import Mode, Stop
from batchdrop.records.model import Checkpoint
from batchdrop.records.spec import MOST_DEPTH, InputSpec
from batchdrop.records.walk import Walk


class Found(Struct):
    """What a scan found. `records` counts all of them, the invalid ones included."""

    start: Checkpoint
    end: int | None = None
    header: tuple[str, ...] = ()
    records: int = 0
    warnings: list[str] = field(default_factory=list)


class Again(Struct, frozen=True):
    """Where a scan that could not end goes on."""

    found: Found
    at: Checkpoint
    prefix: bytes = b""  # what is before an array that is in an object
    mark: bytes = b""  # the last byte before `at`


def empty() -> DropRefused:
    return DropRefused("empty", "the file holds no record")


class Scan(Protocol):
    """Made, it has found where the records begin; `walk` is there. `finish` judges the end the walk came to."""

    found: Found
    walk: Walk

    def finish(self) -> None:
        """Raises `DropRefused`."""


def count(walk: Walk, step: Callable[[], None] = lambda: None) -> None:
    """Go through the records that are left; `step` is called at places between two of them."""
    while run := walk.run(Mode.SCAN):
        if not run.records:
            walk.one()
        step()


def counted(walk: Walk) -> int:
    """How many records there were."""
    if not walk.ordinal:
        raise empty()
    return walk.ordinal


class LineScan:
    """NDJSON: nothing can be wrong with the whole file."""

    def __init__(self, chunks: Iterator[bytes], spec: InputSpec, body: int, again: Again | None) -> None:
        self.found = again.found if again else Found(Checkpoint(body, 1, 0))
        at = again.at if again else self.found.start
        self.walk = json_form(is_array=False).walk(chunks, at, spec.max_record_bytes)

    def finish(self) -> None:
        self.found.records = counted(self.walk)


class CsvScan:
    """CSV: the header, and quotes that all close. Raises `DropRefused`."""

    def __init__(self, chunks: Iterator[bytes], spec: InputSpec, body: int, again: Again | None) -> None:
        self.found = again.found if again else Found(Checkpoint(body, 1, 0))
        at = again.at if again else self.found.start
        first = b"" if again else next(chunks, b"")
        self.walk = csv_form(spec).walk(chain([first], chunks), at, spec.max_record_bytes)
        if not again:
            _take_header(self.walk, first, spec, self.found)

    def finish(self) -> None:
        offset = self.walk.here.offset
        if self.walk.stop is Stop.BROKEN:
            raise DropRefused("quotes", "text follows a closing quote; a quote is wrong or missing", offset=offset)
        if self.walk.rest.strip() or self.walk.is_unended:
            raise DropRefused("quotes", "a quote in this record is never closed", offset=offset)
        self.found.records = counted(self.walk)


def _take_header(walk: Walk, first: bytes, spec: InputSpec, found: Found) -> None:
    """Read the header, or take the given one. `first` is what the file begins with."""
    run = walk.run(Mode.SCAN, most=0)
    if walk.stop is Stop.BROKEN:
        raise DropRefused("quotes", "text follows a closing quote in the header", offset=walk.here.offset)
    if run is None:
        raise _endless_header(walk, first) if walk.rest.strip() else empty()
    header = _header(walk.data[walk.at : run.end], spec) if run.stop is Stop.FULL else []
    refuse_other_delimiter(header)
    if spec.header is not None and not is_rejects_header(header, spec.header):
        _use_header(spec.header, spec, found)
        return
    if walk.one().data is None:
        raise _endless_header(walk, first)
    _use_header(header, spec, found)
    found.start = Checkpoint(walk.here.offset, walk.line, 0)
    walk.ordinal = 0


def _endless_header(walk: Walk, first: bytes) -> DropRefused:
    if b"\r" in first.partition(b"\n")[0].rstrip(b"\r"):
        return _line_ends()
    return DropRefused("header", "the header does not end; a quote is missing in it", offset=walk.here.offset)


def _header(record: bytes, spec: InputSpec) -> list[str]:
    try:
        return read_header(record, spec)
    except csv.Error as error:
        if spec.header is not None:
            return []
        raise _line_ends() from error


def _line_ends() -> DropRefused:
    return DropRefused(
        "line_ends", "the header holds carriage returns; save the file with LF or CRLF line ends", line=1
    )


def _use_header(header: Sequence[str], spec: InputSpec, found: Found) -> None:
    if (size := sum(len(name.encode()) + 1 for name in header)) > MOST_HEADER:
        raise DropRefused(
            "header",
            f"the header has {size:,} bytes in {len(header):,} columns, of which at most {MOST_HEADER:,} can be kept:"
            " shorten the names; or is the first line no header, or input.delimiter not what separates the columns?",
            line=1,
        )
    if place := next((n for n, name in enumerate(header, 1) if "\0" in name), 0):
        raise DropRefused("header", f"column {place} of the header holds a NUL character", line=1)
    columns = Columns(header, spec)
    found.header = columns.header
    known = {name for c in columns.used for name in (c.source, c.name)} | set(spec.drop)
    for option, names in (("types", spec.types), ("rename", spec.rename)):
        for name in names:
            if name not in known:
                found.warnings.append(f"input.{option} names the column '{name}', which the file has not")


class ArrayScan:
    """A JSON array: that it is one, where it begins, and that it ends. Raises `DropRefused`."""

    def __init__(self, chunks: Iterator[bytes], spec: InputSpec, body: int, again: Again | None) -> None:
        self._prefix = b""
        if again:
            self.found, at, self._prefix = again.found, again.at, again.prefix
        else:
            head, start = _begin(chunks, spec, body)
            self.found = Found(Checkpoint(body + start, 1 + head.count(b"\n", 0, start), 0))
            self._prefix, at = head[:start] if spec.json_key else b"", self.found.start
            chunks = chain([head[start:]], chunks)
        self.walk = json_form(is_array=True).walk(chunks, at, spec.max_record_bytes)
        self.walk.behind(again.mark if again else b"")
        self._chunks, self._spec = chunks, spec

    def finish(self) -> None:
        found, offset = self.found, self.walk.here.offset
        if self.walk.stop is Stop.BROKEN:
            raise DropRefused("json", "a } closes nothing: the array is broken", offset=offset)
        if self.walk.stop is not Stop.CLOSED:
            raise _truncated(offset)
        if self.walk.mark == b",":
            raise DropRefused("json", "a comma before the end of the array: a record is missing there", offset=offset)
        _check_rest(self._prefix, chain([self.walk.rest[1:]], self._chunks), self._spec, offset)
        found.end, found.records = offset, counted(self.walk)


def _begin(chunks: Iterator[bytes], spec: InputSpec, body: int) -> tuple[bytes, int]:
    """The file's first bytes, and where in them the array's first element begins."""
    head, array = b"", ArrayFinder(spec.json_key or "")
    for piece in _doubling(chunks):
        head += piece
        blank = len(head) - len(head.lstrip())
        if blank == len(head):
            if blank > spec.max_record_bytes:
                many = f"more than {spec.max_record_bytes} blank bytes"
                raise DropRefused("format", f"the file begins with {many}", line=1)
            continue
        if head[blank : blank + 1] == b"[":
            return head, blank + 1
        if not spec.json_key:
            raise DropRefused("format", "the JSON is not an array", line=1)
        if (start := array.find(head)) is not None:
            return head, start
        if len(head) > spec.max_record_bytes:
            raise DropRefused("format", f"no array under '{spec.json_key}' in the first bytes", line=1)
    raise _truncated(body) if head.strip() else empty()


def _doubling(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """The same bytes, each time as many as there were before: what they add up to can be gone through each time."""
    held, before = bytearray(), 0
    for chunk in chunks:
        held += chunk
        if len(held) >= before:
            yield bytes(held)
            before, held = before + len(held), bytearray()
    if held:
        yield bytes(held)


def _truncated(offset: int) -> DropRefused:
    return DropRefused("truncated", "the JSON ends in the middle; drop the whole file again", offset=offset)


def _check_rest(prefix: bytes, chunks: Iterator[bytes], spec: InputSpec, end: int) -> None:
    """What follows the array: nothing, or the rest of the object it is in."""
    rest, is_alone = bytearray(), not prefix.strip(b" \t\r\n[")
    for chunk in chunks:
        if is_alone and chunk.strip():
            raise DropRefused("json", "something follows the end of the array", offset=end)
        rest += chunk
        if len(rest) > spec.max_record_bytes:
            raise DropRefused("json", "too much follows the array", offset=end)
    # Not only broken: where its key is there twice, nobody can tell which of the two arrays is meant.
    if not is_alone and (problem := value_problem(prefix + b"]" + bytes(rest), MOST_DEPTH)):
        raise DropRefused("json", f"the JSON around the array cannot be used: {problem.message}")
