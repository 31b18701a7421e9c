"""One pass over a whole drop before anything of it is sent: is it usable, and where is what."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

from batchdrop.errors import DropRefused
from batchdrop.records.digest import Digest
from batchdrop.records.expand import BLOCK, detect, expand, limited, skip
from batchdrop.records.halt import Halt
from batchdrop.records.inspection import Inspection
from batchdrop.records.model import Checkpoint
from batchdrop.records.packager import Packager
from batchdrop.records.packager import Packed as Batch
from batchdrop.records.patience import Patience, has_time
from batchdrop.records.reading import File, Reading, checked
from batchdrop.records.repeats import Repeats
from batchdrop.records.scans import empty
from batchdrop.records.scratch import LocalScratch, Scratch, ScratchGone
from batchdrop.records.source import Source
from batchdrop.records.spec import InputSpec, OutputSpec
from batchdrop.records.walk import Walk

LARGE = 2_000_000_000  # bytes of a drop whose look can be put down and taken up again
READY_BYTES = 256_000_000  # packaged on the way at most; the submit function's disk holds several times that
READY_FILES = 64  # batches, as each is a file
READY_HELD = 4_000_000  # bytes of them in memory


class Looked(Struct, frozen=True):
    """What one pass over a drop found, and the first batches, made on the way; perhaps all of them.

    Call `tidy` once it is certain that the look need not be taken up again.
    """

    inspection: Inspection
    ready: list[Batch]
    tidy: Callable[[], None]


def _nothing() -> None:
    return


def inspect(source: Source, spec: InputSpec, *, check: Callable[[], None] = _nothing) -> Inspection:
    """Read the whole drop once. Raises `DropRefused` when nothing of it may be sent.

    `check` is called between blocks: it may raise when the caller's time is up.
    """
    looked = look(source, spec, None, check=check)
    looked.tidy()
    return looked.inspection


def look(
    source: Source,
    spec: InputSpec,
    output: OutputSpec | None,
    *,
    check: Callable[[], None] = _nothing,
    room: int = READY_BYTES,
    cut_bytes: int = 0,
    scratch: Scratch | None = None,
    halt: Halt | None = None,
    keep: Callable[[Halt], None] | None = None,
) -> Looked:
    """As `inspect`, and package what is read on the way, as much as goes into `room` bytes.

    The batches may be used only now that the whole drop is known to be usable; close each one's payload. Where the
    look into a large drop is interrupted, `keep` is told where, and `halt` says where to go on; `scratch` has to be
    the same then, and `ScratchGone` says that it is not.

    A plain file of more than `cut_bytes` is cut into spans of at least so many bytes, to be packaged by several
    workers, and nothing of it on the way.
    """
    if not source.size:
        raise empty()
    file = File(source, spec, detect(source, spec))
    try:
        going = _Look(file, output, check, halt, cut_bytes, scratch or LocalScratch())
    except DropRefused as error:
        raise _with_line(error, file, Checkpoint(0, 1, 0), _nothing) from None
    return going.whole(room, keep)


def _is_large(file: File) -> bool:
    """Whether the look may take long: a packed file is as large as what may come out of it."""
    size, spec = file.source.size, file.spec
    return (size if file.packed == "none" else min(size * spec.max_ratio, spec.max_expanded_bytes)) >= LARGE


class _Look:
    """One look, or one go of it."""

    def __init__(
        self,
        file: File,
        output: OutputSpec | None,
        check: Callable[[], None],
        halt: Halt | None,
        cut_bytes: int,
        scratch: Scratch,
    ) -> None:
        self._file, self._spec, self._output, self._halt = file, file.spec, output, halt
        self._kept = Digest(halt.digest if halt else "") if _is_large(file) else None
        self._digest = self._kept or hashlib.sha256()
        self._check, self._patience = check, Patience(check, self._has_moved)
        has_ids = self._spec.id and self._spec.duplicates != "allow"
        self._repeats = Repeats(scratch, halt.ids if halt else {}) if has_ids else None
        self._reading: Reading | None = None
        self._found = halt.inspection if halt and halt.is_read else None
        if self._found is None:
            start = halt.at.offset if halt else 0
            blocks = checked(file.blocks(start, self._kept, self._digest.update), self._patience)
            self._reading = Reading(file, blocks, halt, cut_bytes)

    @property
    def _here(self) -> Checkpoint:
        """The place before the next record."""
        if self._reading:
            return self._reading.walk.here
        return self._halt.at if self._halt else Checkpoint(0, 1, 0)

    def whole(self, room: int, keep: Callable[[Halt], None] | None) -> Looked:
        ready: list[Batch] = []
        try:
            found, yields = self._all(ready, room)
        except Exception as error:
            _close(ready)
            if isinstance(error, DropRefused):
                self._tidy()
            elif self._kept and keep and not isinstance(error, ScratchGone):
                keep(self._put_down(self._kept))
            raise
        if yields:
            _close(ready)  # records are in them that have to yield to others
        found = replace(found, sha256=self._digest.hexdigest(), duplicates=yields)
        return Looked(found, [] if yields else ready, self._tidy)

    def _all(self, ready: list[Batch], room: int) -> tuple[Inspection, dict[int, int]]:
        """What was found, and the records that have to yield to others."""
        try:
            found = self._found = self._found or self._read(ready, room)
            self._hash_zip()
            return found, self._yields(found)
        except DropRefused as error:
            raise self._told(error) from None

    def _told(self, error: DropRefused) -> DropRefused:
        """The refusal with its line, and how much was read before it. Where there is no time left to find the line,
        a look that got anywhere in this go is put down, and meets with the refusal again in its next one; any other
        would meet with it for ever, and goes without the line."""
        try:
            told = _with_line(error, self._file, self._here, self._check)
        except Exception:
            if has_time(self._check) or (self._kept and self._has_moved()):
                raise
            told = error
        told.read = (self._here.offset, self._here.ordinal)
        if self._found:
            told.read = (self._found.expanded_bytes, self._found.records)
        return told

    def _has_moved(self) -> bool:
        """Whether this go has got anywhere; one that is not put down need not."""
        before = self._halt.at.ordinal if self._halt else 0
        return self._kept is None or (self._reading is not None and self._reading.walk.ordinal > before)

    def _read(self, ready: list[Batch], room: int) -> Inspection:
        """Package what there is room for; of the rest, and where there is nothing to package for, take the ids."""
        reading = self._reading
        if reading is None:
            raise RuntimeError("the file was read before")
        packager = self._packager(reading.inspection())
        if self._output and not self._halt and not reading.span:
            _fill(packager, reading.walk, self._repeats, ready, room)
        if self._repeats:
            packager.hash_ids(self._repeats.ids, reading.walk, reading.cut)
        return reading.finish()

    def _hash_zip(self) -> None:
        """The stored bytes of a ZIP, which are not read in order."""
        if self._file.packed != "zip":
            return
        with self._file.source.open(self._kept.total if self._kept else 0) as stream:
            while block := stream.read(BLOCK):
                self._digest.update(block)
                self._patience.step()

    def _yields(self, found: Inspection) -> dict[int, int]:
        """The records that have to yield to others."""
        if not self._repeats:
            return {}
        last_wins = self._spec.duplicates == "last_wins"
        return self._repeats.yields(self._packager(found), self._patience, last_wins=last_wins)

    def _packager(self, found: Inspection) -> Packager:
        """For the output, or for one that takes anything."""
        anything = OutputSpec("json_array" if found.format == "csv" else "ndjson", 1 << 62)
        return Packager(self._file.source, self._spec, self._output or anything, found)

    def _put_down(self, digest: Digest) -> Halt:
        ids = self._repeats.keep() if self._repeats else {}
        if self._found:
            return Halt(self._found, self._found.start, digest.keep(), is_read=True, ids=ids)
        if self._reading is None:
            raise RuntimeError("nothing is being read")
        mark = self._reading.walk.mark.decode("ascii", "replace")
        return Halt(self._reading.inspection(), self._here, digest.keep(), ids=ids, mark=mark)

    def _tidy(self) -> None:
        if self._repeats:
            self._repeats.drop()


def _fill(packager: Packager, walk: Walk, repeats: Repeats | None, ready: list[Batch], room: int) -> None:
    packager.spool_bytes, held = READY_HELD, 0
    for batch in packager.package(walk, repeats.ids if repeats else None):
        ready.append(batch)
        size = batch.payload.size if batch.payload else 0
        held += size if size <= packager.spool_bytes else 0
        packager.spool_bytes = max(0, READY_HELD - held)
        room -= size
        if room < 0 or len(ready) == READY_FILES:
            return


def _close(batches: list[Batch]) -> None:
    for batch in batches:
        if batch.payload:
            batch.payload.close()


def _with_line(error: DropRefused, file: File, known: Checkpoint, check: Callable[[], None]) -> DropRefused:
    """The same refusal with the line of its byte."""
    if error.line is not None or error.offset is None:
        return error
    line = _line_at(file, known, error.offset, check)
    return DropRefused(error.reason, f"{error} (line {line})", line=line, offset=error.offset)


def _line_at(file: File, known: Checkpoint, offset: int, check: Callable[[], None]) -> int:
    """The line of a byte, counted from the last record before it; to get there may take a packed file long."""
    start, line = (known.offset, known.line) if known.offset <= offset else (0, 1)
    if start == offset:
        return line
    opened = start if file.opens_anywhere else 0
    blocks = checked(expand(file.source, file.packed, opened, encoding=file.spec.encoding), check)
    try:
        for block in limited(skip(blocks, start - opened), offset - start):
            line += block.count(b"\n")
    except DropRefused:
        pass  # the file breaks off there
    return line
