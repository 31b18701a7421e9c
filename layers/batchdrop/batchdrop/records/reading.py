"""Reading a file of records from the first one, or from where a look was put down, to the end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain

from msgspec import Struct

from batchdrop.records.digest import Digest
from batchdrop.records.expand import Packed, expand, guarded, limited, opens_anywhere, skip
from batchdrop.records.halt import Halt
from batchdrop.records.inspection import Inspection
from batchdrop.records.scans import Again, ArrayScan, CsvScan, Found, LineScan, Scan, count
from batchdrop.records.sniff import BLANK, sniff
from batchdrop.records.source import Source
from batchdrop.records.spec import InputSpec
from batchdrop.records.utf8 import BOM, Utf8Check, WasUtf8
from batchdrop.records.walk import Walk
from batchdrop.records.wrapped import hint_of

_SCANS: dict[str, Callable[[Iterator[bytes], InputSpec, int, Again | None], Scan]] = {
    "csv": CsvScan,
    "json": ArrayScan,
    "ndjson": LineScan,
}
_HEAD = 4096
_ODD = (
    "the file seems to be UTF-8, but the route says {}: each accented letter becomes several odd characters; "
    "if so, set input.encoding to utf-8"
)


class File(Struct, frozen=True):
    """What is looked into, and how it is to be read."""

    source: Source
    spec: InputSpec
    packed: Packed

    @property
    def opens_anywhere(self) -> bool:
        return opens_anywhere(self.packed, self.spec.encoding)

    def blocks(self, start: int, digest: Digest | None, tap: Callable[[bytes], object]) -> Iterator[bytes]:
        """The text from a place on. `tap` is given the stored bytes it comes from, but for those `digest` has seen."""
        source, packed, encoding = self.source, self.packed, self.spec.encoding
        done = digest.total if digest else 0
        if self.opens_anywhere:
            return expand(source, packed, start, _after(tap, done - start))
        blocks = expand(source, packed, 0, _after(tap, done), encoding)
        if packed != "none":
            blocks = guarded(blocks, source.size, self.spec.max_expanded_bytes, self.spec.max_ratio)
        return skip(blocks, start)

    def prefix(self, found: Inspection) -> bytes:
        """What is before an array that is in an object."""
        if found.format != "json" or not self.spec.json_key:
            return b""
        blocks = expand(self.source, self.packed, encoding=self.spec.encoding)
        return b"".join(limited(blocks, found.start.offset)).removeprefix(BOM)


class Reading:
    """Going through the records of a file, from the first one or from where it was put down."""

    def __init__(self, file: File, blocks: Iterator[bytes], halt: Halt | None, cut_bytes: int) -> None:
        self._compression = file.packed
        is_cut = file.opens_anywhere and not file.spec.json_key and file.source.size > cut_bytes
        self.span = cut_bytes if is_cut else 0
        self._cuts = halt.inspection.cuts if halt else ()
        self._spec, self._first = file.spec, b""
        if halt:
            again = Again(_found(halt.inspection), halt.at, file.prefix(halt.inspection), halt.mark.encode())
            self._format, self._text = halt.inspection.format, _Text(blocks, 0, halt.at.offset)
            self._was_utf8 = WasUtf8("utf-8")  # not asked: its first accents may be behind
        else:
            first = _first(blocks, file.spec.max_record_bytes)
            sniffed = sniff(first, file.source.name, file.spec)
            again, self._format = None, sniffed.format
            self._first = first if self._format == "ndjson" else b""
            self._was_utf8 = WasUtf8(file.spec.encoding)
            self._text = _Text(_seen(chain([first], blocks), self._was_utf8), sniffed.body)
        self._scan = _SCANS[self._format](iter(self._text), file.spec, self._text.body, again)
        self._odd = _ODD.format(file.spec.encoding)

    @property
    def walk(self) -> Walk:
        return self._scan.walk

    def cut(self) -> None:
        """The walk is between two records: cut here if the span is long enough."""
        begun = self._cuts[-1] if self._cuts else self._scan.found.start
        if self.span and self.walk.here.offset >= begun.offset + self.span:
            self._cuts += (self.walk.here,)

    def finish(self) -> Inspection:
        """The records are done: judge the end. Raises `DropRefused`."""
        count(self.walk, self.cut)
        self._scan.finish()
        self._cuts = tuple(cut for cut in self._cuts if cut.ordinal < self._scan.found.records)
        return self.inspection()

    def inspection(self) -> Inspection:
        """As far as is known by now."""
        found = self._scan.found
        odd = [self._odd] if self._was_utf8.answer else []
        odd += filter(None, [hint_of(self._first, self._spec, found.records)])
        return Inspection(
            sha256="",
            format=self._format,
            compression=self._compression,
            expanded_bytes=self._text.size,
            records=found.records,
            start=found.start,
            end=found.end,
            header=found.header,
            duplicates={},
            warnings=(*found.warnings, *odd),
            cuts=self._cuts,
        )


class _Text:
    """The file's text after its byte-order mark, checked to be UTF-8 on the way. `size` is where it is."""

    def __init__(self, blocks: Iterator[bytes], body: int, size: int = 0) -> None:
        self._blocks, self.body = blocks, body
        self.size = size

    def __iter__(self) -> Iterator[bytes]:
        utf8 = Utf8Check(self.size)
        for block in self._blocks:
            utf8.feed(block)
            yield block if self.size else block[self.body :]
            self.size += len(block)
        utf8.finish()


def _seen(blocks: Iterator[bytes], by: WasUtf8) -> Iterator[bytes]:
    for block in blocks:
        by.feed(block)
        yield block


def _after(update: Callable[[bytes], object], count: int) -> Callable[[bytes], object]:
    """The same, for all but the first `count` bytes."""
    if count <= 0:
        return update

    def later(data: bytes) -> None:
        nonlocal count
        update(data[count:])
        count = max(0, count - len(data))

    return later


def _found(inspection: Inspection) -> Found:
    return Found(inspection.start, header=inspection.header, warnings=list(inspection.warnings))


def checked(blocks: Iterator[bytes], check: Callable[[], None]) -> Iterator[bytes]:
    for block in blocks:
        check()
        yield block


def _first(blocks: Iterator[bytes], most_blank: int) -> bytes:
    """Enough of the text to tell what it is, however small the pieces a packed file begins with, and whatever is blank
    before it, within reason."""
    head, is_blank = bytearray(), True
    for block in blocks:
        is_blank = is_blank and not (block if head else block.removeprefix(BOM)).strip(BLANK)
        head += block
        if len(head) >= (most_blank if is_blank else _HEAD):
            break
    return bytes(head)
