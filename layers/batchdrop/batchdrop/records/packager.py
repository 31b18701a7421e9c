"""Cutting a drop into batches within a vendor's limits, resumable at any batch, the same bytes every time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator

from msgspec import Struct

from batchdrop.errors import DropRefused
from batchdrop.records.codec import Codec, Entry, too_big
from batchdrop.records.csvcodec import CsvCodec
from batchdrop.records.expand import expand, limited
from batchdrop.records.idhashes import IdHashes
from batchdrop.records.inspection import Inspection
from batchdrop.records.jsoncodec import JsonCodec
from batchdrop.records.kernel import ALL, HASH_BYTES, ROOM, Mode, Run, Stop
from batchdrop.records.model import REPLACED, Checkpoint, Problem, SourceRecord, Stops, never
from batchdrop.records.payload import Payload, PayloadBuilder
from batchdrop.records.source import Source
from batchdrop.records.spec import InputSpec, OutputSpec
from batchdrop.records.verdicts import Hit, Join, Rows, Wanted
from batchdrop.records.walk import Walk

__all__ = ["Checkpoint", "Packager", "Packed", "Payload", "Problem", "SourceRecord"]

SPOOL_BYTES = 4_000_000  # of a batch in memory; a bigger one is kept on the disk


class Packed(Struct):
    """One batch: the records of the source from `start` to `end`, of which `records` are in the payload.

    There is no payload when every record in the range is invalid.
    """

    start: Checkpoint
    end: Checkpoint
    records: int
    invalid: int
    payload: Payload | None
    last: bool


class Packager:
    """Batches of one inspected drop. The file must be the inspected version."""

    def __init__(
        self,
        source: Source,
        input: InputSpec,  # noqa: A002 - the route's own word
        output: OutputSpec,
        inspection: Inspection,
        *,
        spool_bytes: int = SPOOL_BYTES,
    ) -> None:
        self._source, self._spec, self._output, self._inspection = source, input, output, inspection
        self.spool_bytes = spool_bytes
        self._codec = make_codec(input, output, inspection)
        self._separator = b"," if output.format == "json_array" else b"\n"
        self._yielding = list(inspection.duplicates)
        self._room = output.max_bytes - _overhead(output, self._codec.head)

    def batches(self, start: Checkpoint | None = None, end: Checkpoint | None = None) -> Iterator[Packed]:
        """The batches from a checkpoint (the `end` of an earlier batch, or a cut) on, up to a cut or the end.

        Close each payload when done with it.
        """
        walk = self._walk(start, end)
        yield from self.package(walk)
        if walk.stop is not Stop.MORE or walk.rest.strip():
            raise DropRefused("changed", "the file is not what it was when it was looked into")

    def package(self, walk: Walk, ids: IdHashes | None = None) -> Iterator[Packed]:
        """The batches of what a walk goes through; the ids of their records go into `ids`."""
        if ids is not None:
            walk.hash_ids(ids.key)
        walk.kernel = self._codec.form.kernel
        batch = self._batch(walk.here)
        while run := walk.run(Mode.ENCODE, batch.bytes_left, min(batch.records_left, self._plain(walk.ordinal))):
            if run.records:
                batch.add(run.written, run.records)
                if ids is not None:
                    ids.take(walk.hashes(run))
                continue
            here = walk.here
            record, entry = self._one(walk)
            if entry.encoded is None:
                batch.invalid += 1
                continue
            if ids is not None and record.id:
                ids.take(ids.hash(record.id))
            body = entry.encoded + self._separator
            if len(body) > batch.bytes_left or not batch.records_left:
                yield batch.packed(here, last=False)
                batch = self._batch(here)
            batch.add(body, 1)
        yield batch.packed(walk.here, last=True)

    def replay(
        self, start: Checkpoint | None = None, end: Checkpoint | None = None, stop: Stops = never
    ) -> Iterator[SourceRecord]:
        """Every record of a range again, the invalid ones with their problem."""
        walk = self._walk(start, end)
        while run := walk.run(Mode.CHECK, self._room, self._plain(walk.ordinal)):
            if run.records:
                ids = bytes(run.written).split(b"\n")
                yield from self._picked(walk, run, ids, range(run.records))
            else:
                yield self._one(walk)[0]
            if stop(walk.here):
                return

    def find(
        self, wanted: Wanted, start: Checkpoint | None = None, end: Checkpoint | None = None, stop: Stops = never
    ) -> Iterator[SourceRecord | Rows]:
        """The records wanted of a range, in order, or their rows: by id and never by position."""
        walk, join = self._walk(start, end), Join(wanted, max(0, min(self._room, ROOM)))
        walk.join(join.told)
        while run := walk.run(Mode.JOIN, ROOM, self._plain(walk.ordinal)):
            if run.records:
                for each in join.found(run.written):
                    yield each if isinstance(each, Rows) else self._hit(walk, run, each, wanted)
            elif wanted.has(record := self._one(walk)[0]):
                yield record
            if stop(walk.here):
                return

    def _hit(self, walk: Walk, run: Run, hit: Hit, wanted: Wanted) -> SourceRecord:
        raw, ordinal = walk.data[hit.start : hit.end], walk.ordinal - run.records + 1 + hit.number
        id_ = self._codec.entry(raw, 0).id if wanted.whole else wanted.verdicts.id(hit.refusal)
        return SourceRecord(ordinal, walk.begun + hit.line, id_, True, raw.rstrip(b"\r\n"), None, hit.is_plain)

    def hash_ids(self, ids: IdHashes, walk: Walk | None = None, step: Callable[[], None] = lambda: None) -> None:
        """Put the ids of all valid records a walk goes through into `ids`; `step` is called at places between two
        records, and may raise."""
        walk = walk or self._walk(None)
        walk.kernel = self._codec.form.kernel
        walk.hash_ids(ids.key)
        while run := walk.run(Mode.CHECK, self._room, self._plain(walk.ordinal)):
            if run.records:
                ids.take(walk.hashes(run))
            else:
                record, entry = self._one(walk)
                if record.id and entry.encoded is not None:
                    ids.take(ids.hash(record.id))
            step()

    def having(
        self, hashes: Collection[bytes], ids: IdHashes, start: Checkpoint | None, step: Callable[[Checkpoint], None]
    ) -> Iterator[tuple[bytes, int, int]]:
        """Hash, ordinal and line of the valid records from a place on whose ids have one of these hashes.

        `step` is told places before which all have been found; it may raise.
        """
        walk = self._walk(start)
        walk.hash_ids(ids.key)
        while run := walk.run(Mode.CHECK, self._room, self._plain(walk.ordinal)):
            if run.records:
                first = walk.ordinal - run.records + 1
                seen = bytes(walk.hashes(run))
                each = [seen[at : at + HASH_BYTES] for at in range(0, len(seen), HASH_BYTES)]
                picked = [number for number, hash_ in enumerate(each) if hash_ in hashes]
                for number, line, _, _ in walk.records(picked):
                    yield each[number], first + number, line
            else:
                record, entry = self._one(walk)
                if record.id and entry.encoded is not None and (hash_ := ids.hash(record.id)) in hashes:
                    yield hash_, record.ordinal, record.line
            step(walk.here)

    def _picked(self, walk: Walk, run: Run, ids: list[bytes], numbers: Collection[int]) -> Iterator[SourceRecord]:
        """Some of the records of a run, all of which are sound."""
        first = walk.ordinal - run.records + 1
        for number, line, record, is_plain in walk.records(numbers):
            id_ = ids[number].decode() or None
            yield SourceRecord(first + number, line, id_, True, record.rstrip(b"\r\n"), None, is_plain)

    def _one(self, walk: Walk) -> tuple[SourceRecord, Entry]:
        """The next record, looked at by itself; one that yields to another, or fits no batch, is invalid."""
        one = walk.one()
        entry = Entry(None, too_big(self._spec.max_record_bytes))
        if one.data is not None:
            entry = self._judged(self._codec.entry(one.data, one.offset), walk.ordinal, one.offset)
        raw = one.data.rstrip(b"\r\n") if one.data and len(one.data) <= self._spec.max_record_bytes else b""
        sent = entry.encoded is not None
        return SourceRecord(walk.ordinal, one.line, entry.id, sent, raw, entry.problem), entry

    def _judged(self, entry: Entry, ordinal: int, offset: int) -> Entry:
        if entry.encoded is not None:
            entry.problem = self._batch_problem(len(entry.encoded) + 1, ordinal, offset)
            if entry.problem:
                entry.encoded = None
        return entry

    def _batch_problem(self, size: int, ordinal: int, offset: int) -> Problem | None:
        if (line := self._inspection.duplicates.get(ordinal)) is not None:
            if self._spec.duplicates == "last_wins":
                return Problem(REPLACED, f"replaced by the record with the same id at line {line}", offset=offset)
            return Problem("duplicate_id", f"duplicate id, first at line {line}", offset=offset)
        if size > self._room:
            return Problem(
                "over_batch_limit", f"alone bigger than a batch ({self._output.max_bytes} bytes)", None, offset
            )
        return None

    def _plain(self, ordinal: int) -> int:
        """How many records after `ordinal` there are before one that has to yield to another."""
        at = bisect_right(self._yielding, ordinal)
        return self._yielding[at] - ordinal - 1 if at < len(self._yielding) else ALL

    def _walk(self, start: Checkpoint | None, end: Checkpoint | None = None) -> Walk:
        start = start or self._inspection.start
        ends = [e for e in (end.offset if end else None, self._inspection.end) if e is not None]
        chunks = expand(self._source, self._inspection.compression, start.offset, encoding=self._spec.encoding)
        chunks = limited(chunks, max(0, min(ends) - start.offset) if ends else None)
        return self._codec.form.walk(chunks, start, self._spec.max_record_bytes)

    def _batch(self, start: Checkpoint) -> _Batch:
        return _Batch(self._output, self._codec.head, self.spool_bytes, start)


class _Batch:
    """The batch being filled."""

    def __init__(self, output: OutputSpec, head: bytes, spool_bytes: int, start: Checkpoint) -> None:
        self.start = start
        self.records = self.invalid = 0
        self.bytes_left = output.max_bytes - _overhead(output, head)
        self._most = output.max_records
        self._builder = PayloadBuilder(output.format, head, spool_bytes)

    @property
    def records_left(self) -> int:
        return ALL if self._most is None else self._most - self.records

    def add(self, body: bytes | memoryview, records: int) -> None:
        self._builder.add(body)
        self.bytes_left -= len(body)
        self.records += records

    def packed(self, end: Checkpoint, *, last: bool) -> Packed:
        payload = self._builder.finish() if self.records else None
        return Packed(self.start, end, self.records, self.invalid, payload, last)


def _overhead(output: OutputSpec, head: bytes) -> int:
    """Bytes of a batch beside its records; an array's brackets replace the last comma by one byte more."""
    return 1 if output.format == "json_array" else len(head)


def make_codec(spec: InputSpec, output: OutputSpec, inspection: Inspection) -> Codec:
    """The codec for an inspected drop. Raises `DropRefused` where the output cannot hold the input."""
    if output.format == "csv" and inspection.format != "csv":
        raise DropRefused("format", "this route sends CSV, and JSON records cannot become CSV rows; drop a CSV file")
    if inspection.format == "csv":
        return CsvCodec(inspection.header, spec, output)
    return JsonCodec(spec, output, array=inspection.format == "json")
