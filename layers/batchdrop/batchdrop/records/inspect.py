"""One pass over a whole drop before anything of it is sent: is it usable, and where is what."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

from batchdrop.errors import DropRefused
from batchdrop.records.duplicates import find_duplicates
from batchdrop.records.expand import BLOCK, Packed, detect, expand, guarded, limited
from batchdrop.records.inspection import Inspection
from batchdrop.records.packager import Packager
from batchdrop.records.packager import Packed as Batch
from batchdrop.records.scans import ArrayScan, CsvScan, LineScan, Scan, count, empty
from batchdrop.records.sniff import BOM, sniff
from batchdrop.records.source import Source
from batchdrop.records.spec import InputSpec, OutputSpec
from batchdrop.records.utf8 import Utf8Check

_SCANS: dict[str, Callable[[Iterator[bytes], InputSpec, int], Scan]] = {
    "csv": CsvScan,
    "json": ArrayScan,
    "ndjson": LineScan,
}
_HEAD = 4096
READY_BYTES = 256_000_000  # packaged on the way at most; a function has twice that on its disk


@dataclass(frozen=True, slots=True)
class Looked:
    """What one pass over a drop found, and the first batches, made on the way; perhaps all of them."""

    inspection: Inspection
    ready: list[Batch]


def _nothing() -> None:
    return


def inspect(source: Source, spec: InputSpec, *, check: Callable[[], None] = _nothing) -> Inspection:
    """Read the whole drop once. Raises `DropRefused` when nothing of it may be sent.

    `check` is called between blocks: it may raise when the caller's time is up.
    """
    return look(source, spec, None, check=check).inspection


def look(
    source: Source,
    spec: InputSpec,
    output: OutputSpec | None,
    *,
    check: Callable[[], None] = _nothing,
    room: int = READY_BYTES,
) -> Looked:
    """As `inspect`, and package what is read on the way, as much as goes into `room` bytes.

    The batches may be used only now that the whole drop is known to be usable; close each one's payload.
    """
    with source.open(0, min(source.size, BLOCK)) as stream:
        head = stream.read(len(BOM) + 1)
    if not head:
        raise empty()
    packed = detect(head, spec.compression)
    try:
        looked = _Look(source, spec, packed, check).whole(output, room)
    except DropRefused as error:
        if error.line is not None or error.offset is None:
            raise
        line = _line_at(source, packed, spec.encoding, error.offset, check)
        raise DropRefused(error.reason, f"{error} (line {line})", line=line, offset=error.offset) from error
    if spec.duplicates == "allow":
        return looked
    inspection = find_duplicates(source, spec, looked.inspection, check)
    if not inspection.duplicates:
        return Looked(inspection, looked.ready)
    _close(looked.ready)  # records are in them that have to yield to others
    return Looked(inspection, [])


def _close(batches: list[Batch]) -> None:
    for batch in batches:
        if batch.payload:
            batch.payload.close()


class _Look:
    """One pass."""

    def __init__(self, source: Source, spec: InputSpec, packed: Packed, check: Callable[[], None]) -> None:
        self._source, self._spec, self._packed, self._check = source, spec, packed, check
        self._digest = hashlib.sha256()
        blocks = _checked(expand(source, packed, 0, self._digest.update, spec.encoding), source, packed, spec, check)
        first = _first(blocks)
        sniffed = sniff(first, source.name, spec)
        self._format = sniffed.format
        self._text = _Text(chain([first], blocks), sniffed.body)
        self._scan = _SCANS[sniffed.format](iter(self._text), spec, sniffed.body)

    def whole(self, output: OutputSpec | None, room: int) -> Looked:
        ready: list[Batch] = []
        try:
            if output:
                self._package(Packager(self._source, self._spec, output, self._inspection()), ready, room)
            count(self._scan.walk)
            self._scan.finish()
            if self._packed == "zip":
                _hash_stored(self._source, self._digest.update, self._check)
        except BaseException:
            _close(ready)
            raise
        return Looked(self._inspection(), ready)

    def _package(self, packager: Packager, ready: list[Batch], room: int) -> None:
        for batch in packager.package(self._scan.walk):
            ready.append(batch)
            room -= batch.payload.size if batch.payload else 0
            if room < 0:
                return

    def _inspection(self) -> Inspection:
        """As far as is known by now."""
        found = self._scan.found
        return Inspection(
            sha256=self._digest.hexdigest(),
            format=self._format,
            compression=self._packed,
            expanded_bytes=self._text.size,
            records=found.records,
            start=found.start,
            end=found.end,
            header=found.header,
            duplicates={},
            warnings=tuple(found.warnings),
        )


class _Text:
    """The file's text after its byte-order mark, checked to be UTF-8 on the way."""

    def __init__(self, blocks: Iterator[bytes], body: int) -> None:
        self._blocks, self._body = blocks, body
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        utf8 = Utf8Check()
        for block in self._blocks:
            utf8.feed(block)
            yield block if self.size else block[self._body :]
            self.size += len(block)
        utf8.finish()


def _checked(
    blocks: Iterator[bytes], source: Source, packed: Packed, spec: InputSpec, check: Callable[[], None]
) -> Iterator[bytes]:
    if packed != "none":
        blocks = guarded(blocks, source.size, spec.max_expanded_bytes, spec.max_ratio)
    for block in blocks:
        check()
        yield block


def _first(blocks: Iterator[bytes]) -> bytes:
    """Enough of the text to tell what it is, however small the pieces a packed file begins with."""
    head = b""
    for block in blocks:
        head += block
        if len(head) >= _HEAD:
            break
    return head


def _line_at(source: Source, packed: Packed, encoding: str, offset: int, check: Callable[[], None]) -> int:
    """The line of a byte. Only asked for where a drop is refused, so that all others need not count lines."""
    line = 1
    try:
        for block in limited(expand(source, packed, encoding=encoding), offset):
            check()
            line += block.count(b"\n")
    except DropRefused:
        pass  # the file breaks off there
    return line


def _hash_stored(source: Source, update: Callable[[bytes], object], check: Callable[[], None]) -> None:
    with source.open() as stream:
        while block := stream.read(BLOCK):
            check()
            update(block)
