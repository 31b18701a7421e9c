"""One pass over a whole drop before anything of it is sent: is it usable, and where is what."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from batchdrop.errors import DropRefused
from batchdrop.records.digest import Digest
from batchdrop.records.duplicates import yielding
from batchdrop.records.expand import BLOCK, Packed, detect, expand, guarded, limited
from batchdrop.records.idhashes import IdHashes
from batchdrop.records.inspection import Inspection
from batchdrop.records.model import Checkpoint
from batchdrop.records.packager import Packager
from batchdrop.records.packager import Packed as Batch
from batchdrop.records.scans import Again, ArrayScan, CsvScan, Found, LineScan, Scan, count, empty
from batchdrop.records.sniff import BOM, sniff
from batchdrop.records.source import Source
from batchdrop.records.spec import InputSpec, OutputSpec
from batchdrop.records.utf8 import Utf8Check

_SCANS: dict[str, Callable[[Iterator[bytes], InputSpec, int, Again | None], Scan]] = {
    "csv": CsvScan,
    "json": ArrayScan,
    "ndjson": LineScan,
}
_HEAD = 4096
LARGE = 2_000_000_000  # bytes of a drop whose look can be put down and taken up again
READY_BYTES = 256_000_000  # packaged on the way at most; the submit function's disk holds several times that
READY_FILES = 64  # batches, as each is a file
READY_HELD = 4_000_000  # bytes of them in memory


@dataclass(frozen=True, slots=True)
class Looked:
    """What one pass over a drop found, and the first batches, made on the way; perhaps all of them."""

    inspection: Inspection
    ready: list[Batch]


@dataclass(frozen=True, slots=True)
class Halt:
    """Where a look had to end: at a record of a file that is neither packed nor converted."""

    inspection: Inspection
    at: Checkpoint
    digest: str

    def to_json(self) -> dict[str, object]:
        return {"inspection": self.inspection.to_json(), "at": self.at.to_json(), "digest": self.digest}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Halt:
        at = Checkpoint.from_json(data["at"])
        return cls(Inspection.from_json(data["inspection"]), at, str(data["digest"]))


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
    cut_bytes: int = 0,
    halt: Halt | None = None,
    keep: Callable[[Halt], None] | None = None,
) -> Looked:
    """As `inspect`, and package what is read on the way, as much as goes into `room` bytes.

    The batches may be used only now that the whole drop is known to be usable; close each one's payload. Where the
    look into a large drop is interrupted, `keep` is told where, and `halt` says where to go on.

    A plain file of more than `cut_bytes` is cut into spans of at least so many bytes, to be packaged by several
    workers, and nothing of it on the way.
    """
    with source.open(0, min(source.size, BLOCK)) as stream:
        head = stream.read(len(BOM) + 1)
    if not head:
        raise empty()
    packed = detect(head, spec.compression)
    going = None
    try:
        going = _Look(source, spec, output, packed, check, halt, cut_bytes)
        looked = going.whole(room, keep)
    except DropRefused as error:
        if error.line is not None or error.offset is None:
            raise
        known = going.here if going else Checkpoint(0, 1, 0)
        line = _line_at(source, packed, spec.encoding, known, error.offset)
        raise DropRefused(error.reason, f"{error} (line {line})", line=line, offset=error.offset) from error
    yields = going.yields()
    if not yields:
        return looked
    _close(looked.ready)  # records are in them that have to yield to others
    return Looked(replace(looked.inspection, duplicates=yields), [])


def _close(batches: list[Batch]) -> None:
    for batch in batches:
        if batch.payload:
            batch.payload.close()


class _Look:
    """One pass."""

    def __init__(
        self,
        source: Source,
        spec: InputSpec,
        output: OutputSpec | None,
        packed: Packed,
        check: Callable[[], None],
        halt: Halt | None,
        cut_bytes: int,
    ) -> None:
        self._source, self._spec, self._output, self._packed, self._check = source, spec, output, packed, check
        is_plain = packed == "none" and spec.encoding == "utf-8" and not spec.json_key
        self._span = cut_bytes if is_plain and source.size > cut_bytes else 0
        self._cuts = halt.inspection.cuts if halt else ()
        self._kept = Digest(halt.digest if halt else "") if is_plain and source.size >= LARGE else None
        self._digest = self._kept or hashlib.sha256()
        self._ids = IdHashes() if spec.id and spec.duplicates != "allow" else None
        self._is_halved = halt is not None
        start = halt.at.offset if halt else 0
        tap = _after(self._digest.update, self._kept.total - start if self._kept and halt else 0)
        blocks = _checked(expand(source, packed, start, tap, spec.encoding), source, packed, spec, check)
        if halt:
            again = Again(_found(halt.inspection), halt.at)
            self._format, self._text = halt.inspection.format, _Text(blocks, 0, start)
        else:
            first = _first(blocks)
            sniffed = sniff(first, source.name, spec)
            again, self._format = None, sniffed.format
            self._text = _Text(chain([first], blocks), sniffed.body)
        self._scan = _SCANS[self._format](iter(self._text), spec, self._text.body, again)

    @property
    def here(self) -> Checkpoint:
        """The place before the next record."""
        return self._scan.walk.here

    def whole(self, room: int, keep: Callable[[Halt], None] | None) -> Looked:
        ready: list[Batch] = []
        try:
            if not self._is_halved:
                self._package(ready, room)
            count(self._scan.walk, self._cut)
            self._scan.finish()
            self._cuts = tuple(cut for cut in self._cuts if cut.ordinal < self._scan.found.records)
            if self._packed == "zip":
                _hash_stored(self._source, self._digest.update, self._check)
        except Exception as error:
            _close(ready)
            if self._kept and keep and not isinstance(error, DropRefused):
                keep(Halt(self._inspection(), self.here, self._kept.keep()))
            raise
        return Looked(self._inspection(), ready)

    def yields(self) -> dict[int, int]:
        """The records that have to yield to others; to be asked at the end."""
        if self._ids is None:
            return {}
        packager = self._packager()
        if self._is_halved:  # an earlier look has seen the other half
            packager.hash_ids(self._ids, step=self._check)
        hashes = self._ids.repeated()
        if not hashes:
            return {}
        found = packager.having(hashes, self._ids, self._check)
        return yielding(found, last_wins=self._spec.duplicates == "last_wins")

    def _packager(self) -> Packager:
        """For the output, or for one that takes anything."""
        anything = OutputSpec("json_array" if self._format == "csv" else "ndjson", 1 << 62)
        return Packager(self._source, self._spec, self._output or anything, self._inspection())

    def _package(self, ready: list[Batch], room: int) -> None:
        """Package what there is room for; of the rest, and where there is nothing to package for, take the ids."""
        packager = self._packager()
        if self._output and not self._span:
            self._fill(packager, ready, room)
        if self._ids is not None:
            packager.hash_ids(self._ids, self._scan.walk, self._cut)

    def _cut(self) -> None:
        """The walk is between two records: cut here if the span is long enough."""
        begun = self._cuts[-1] if self._cuts else self._scan.found.start
        if self._span and self.here.offset >= begun.offset + self._span:
            self._cuts += (self.here,)

    def _fill(self, packager: Packager, ready: list[Batch], room: int) -> None:
        packager.spool_bytes, held = READY_HELD, 0
        for batch in packager.package(self._scan.walk, self._ids):
            ready.append(batch)
            size = batch.payload.size if batch.payload else 0
            held += size if size <= packager.spool_bytes else 0
            packager.spool_bytes = max(0, READY_HELD - held)
            room -= size
            if room < 0 or len(ready) == READY_FILES:
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


def _after(update: Callable[[bytes], object], count: int) -> Callable[[bytes], object]:
    """The same, for all but the first `count` bytes."""
    if not count:
        return update

    def later(data: bytes) -> None:
        nonlocal count
        update(data[count:])
        count = max(0, count - len(data))

    return later


def _found(inspection: Inspection) -> Found:
    return Found(inspection.start, header=inspection.header, warnings=list(inspection.warnings))


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


def _line_at(source: Source, packed: Packed, encoding: str, known: Checkpoint, offset: int) -> int:
    """The line of a byte, counted from the last record before it."""
    start, line = (known.offset, known.line) if known.offset <= offset else (0, 1)
    try:
        for block in limited(expand(source, packed, start, encoding=encoding), offset - start):
            line += block.count(b"\n")
    except DropRefused:
        pass  # the file breaks off there
    return line


def _hash_stored(source: Source, update: Callable[[bytes], object], check: Callable[[], None]) -> None:
    with source.open() as stream:
        while block := stream.read(BLOCK):
            check()
            update(block)
