"""Cutting a drop into batches within a vendor's limits, resumable at any batch, the same bytes every time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from batchdrop.errors import DropRefused
from batchdrop.records.blocks import Block, blocks, limited, split
from batchdrop.records.codec import Codec, Entry
from batchdrop.records.csvcodec import CsvCodec
from batchdrop.records.expand import expand
from batchdrop.records.index import Index
from batchdrop.records.inspection import Inspection
from batchdrop.records.jsoncodec import JsonCodec
from batchdrop.records.model import Checkpoint, Problem, SourceRecord
from batchdrop.records.payload import Payload, PayloadBuilder
from batchdrop.records.source import Source
from batchdrop.records.spec import InputSpec, OutputSpec

__all__ = ["Checkpoint", "Packager", "Packed", "Payload", "Problem", "SourceRecord"]

SPOOL_BYTES = 64_000_000
SMALL = 1 << 14  # a block at a batch's end, or with an invalid record, is taken in parts of this size


@dataclass(slots=True)
class Packed:
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
        self._spool_bytes = spool_bytes
        self._codec = make_codec(input, output, inspection)
        self._yielding = list(inspection.duplicates)
        self._room = output.max_bytes - _overhead(output, self._codec.head)

    def batches(self, start: Checkpoint | None = None) -> Iterator[Packed]:
        """The batches from a checkpoint (the `end` of an earlier batch) on. Close each payload when done with it."""
        start = start or self._inspection.start
        now = _Filling(self._batch(start), start)
        for block in self._blocks(start):
            yield from self._fill(now, block)
        yield now.batch.packed(now.at, last=True)

    def _fill(self, now: _Filling, block: Block) -> Iterator[Packed]:
        """Put a block into the batch: whole if it can be, else in parts, the smallest record by record."""
        whole = self._codec.whole(block)
        fits = whole and now.batch.fits(len(whole.body), whole.records)
        if whole and fits and not self._yield_in(now.at.ordinal, whole.records):
            now.batch.add(whole.body, whole.records)
            now.at = block.end(now.at.ordinal + whole.records)
            return
        parts = list(split(block, self._codec.cutting, SMALL)) if len(block.data) > 2 * SMALL else []
        if len(parts) > 1:
            for part in parts:
                yield from self._fill(now, part)
        else:
            yield from self._fill_singly(now, block)

    def _fill_singly(self, now: _Filling, block: Block) -> Iterator[Packed]:
        ordinal = now.at.ordinal
        for entry in self._entries(block, ordinal):
            if entry.encoded is None:
                now.batch.invalid += 1
            elif now.batch.fits(len(entry.encoded), 1):
                now.batch.add(entry.encoded, 1)
            else:
                here = Checkpoint(block.offset + entry.start, block.line + entry.line, ordinal)
                yield now.batch.packed(here, last=False)
                now.batch = self._batch(here)
                now.batch.add(entry.encoded, 1)
            ordinal += 1
        now.at = block.end(ordinal)

    def pieces(self, on_invalid: Callable[[SourceRecord], None] | None = None) -> Iterator[bytes]:
        """The whole drop as one stream of the output's bytes; the limits play no part."""
        array = self._output.format == "json_array"
        yield b"[" if array else self._codec.head
        separator, ordinal = b"", 0
        for block in self._blocks(self._inspection.start):
            whole = self._codec.whole(block)
            if whole and not self._yield_in(ordinal, whole.records):
                ordinal, body = ordinal + whole.records, whole.body
            else:
                records = list(self._records(block, ordinal))
                ordinal += len(records)
                body = b"".join(encoded for _, encoded in records if encoded is not None)
                for record, _ in records:
                    if record.problem and on_invalid:
                        on_invalid(record)
            if body:
                yield separator + body[:-1].replace(b"\n", b",") if array else body
                separator = b","
        yield b"]" if array else b""

    def replay(self, start: Checkpoint | None = None, end: Checkpoint | None = None) -> Iterator[SourceRecord]:
        """Every record of a range again, the invalid ones with their problem."""
        ordinal = (start or self._inspection.start).ordinal
        for block in self._blocks(start or self._inspection.start, end.offset if end else None):
            for record, _ in self._records(block, ordinal):
                ordinal += 1
                yield record

    def find(
        self,
        ids: Collection[str],
        start: Checkpoint | None = None,
        end: Checkpoint | None = None,
        *,
        invalid: bool = True,
    ) -> Iterator[SourceRecord]:
        """The records of a range that have one of these ids, by id and never by position; much faster than `replay`.

        With `invalid`, the invalid ones too: leave it out for a range that is known to have none.
        """
        ids = frozenset(ids)
        wanted = ids.union(id_.encode() for id_ in ids)
        at = start or self._inspection.start
        ordinal = at.ordinal
        for block in self._blocks(at, end.offset if end else None):
            index = self._codec.index(block)
            if index is None or (invalid and self._has_invalid(block, ordinal)):
                records = [record for record, _ in self._records(block, ordinal)]
                ordinal += len(records)
                yield from (r for r in records if r.id in ids or (invalid and r.problem))
                continue
            yield from self._picked(block, index, ordinal, [i for i, id_ in enumerate(index.ids) if id_ in wanted])
            ordinal += len(index.ids)

    def ids(self) -> Iterator[tuple[int, int, str | bytes | None]]:
        """Ordinal, line and id (as text, or as UTF-8) of every record; no id where the record is invalid."""
        ordinal = 0
        for block in self._blocks(self._inspection.start):
            index = self._codec.index(block)
            if index is None or self._has_invalid(block, ordinal):
                for record, _ in self._records(block, ordinal):
                    ordinal += 1
                    yield ordinal, record.line, None if record.problem else record.id
                continue
            every = list(range(len(index.ids)))
            for id_, (_, line, _) in zip(index.ids, index.places(block.data, every), strict=True):
                ordinal += 1
                yield ordinal, block.line + line, id_

    def _has_invalid(self, block: Block, ordinal: int) -> bool:
        whole = self._codec.whole(block)
        return not whole or len(whole.body) > self._room or self._yield_in(ordinal, whole.records)

    def _picked(self, block: Block, index: Index, ordinal: int, picked: list[int]) -> Iterator[SourceRecord]:
        for i, (start, line, record) in zip(picked, index.places(block.data, picked), strict=True):
            entry = self._codec.entry(record, start, line, block)
            yield self._record(self._judged(entry, ordinal + i + 1, block), ordinal + i + 1, block)

    def _records(self, block: Block, ordinal: int) -> Iterator[tuple[SourceRecord, bytes | None]]:
        for ordinal, entry in enumerate(self._entries(block, ordinal), ordinal + 1):  # noqa: B020
            yield self._record(entry, ordinal, block), entry.encoded

    def _record(self, entry: Entry, ordinal: int, block: Block) -> SourceRecord:
        line, sent = block.line + entry.line, entry.encoded is not None
        return SourceRecord(ordinal, line, self._codec.id_of(entry.raw), sent, entry.raw, entry.problem)

    def _blocks(self, start: Checkpoint, end: int | None = None) -> Iterator[Block]:
        ends = [e for e in (end, self._inspection.end) if e is not None]
        chunks = expand(self._source, self._inspection.compression, start.offset, encoding=self._spec.encoding)
        chunks = limited(chunks, max(0, min(ends) - start.offset) if ends else None)
        return blocks(chunks, self._codec.cutting, start.offset, start.line, self._spec.max_record_bytes)

    def _batch(self, start: Checkpoint) -> _Batch:
        return _Batch(self._output, self._codec.head, self._spool_bytes, start)

    def _entries(self, block: Block, ordinal: int) -> Iterator[Entry]:
        """The block's records, those that yield to another or fit no batch made invalid."""
        for ordinal, entry in enumerate(self._codec.entries(block), ordinal + 1):  # noqa: B020
            yield self._judged(entry, ordinal, block)

    def _judged(self, entry: Entry, ordinal: int, block: Block) -> Entry:
        if entry.encoded is not None:
            entry.problem = self._batch_problem(entry.encoded, ordinal, block.offset + entry.start)
            if entry.problem:
                entry.encoded = None
        return entry

    def _batch_problem(self, encoded: bytes, ordinal: int, offset: int) -> Problem | None:
        if (line := self._inspection.duplicates.get(ordinal)) is not None:
            if self._spec.duplicates == "last_wins":
                return Problem("replaced", f"replaced by the record with the same id at line {line}", offset=offset)
            return Problem("duplicate_id", f"duplicate id, first at line {line}", offset=offset)
        if len(encoded) > self._room:
            return Problem(
                "over_batch_limit", f"alone bigger than a batch ({self._output.max_bytes} bytes)", None, offset
            )
        return None

    def _yield_in(self, ordinal: int, records: int) -> bool:
        """Whether any of the records after `ordinal` has to yield to another."""
        at = bisect_left(self._yielding, ordinal + 1)
        return at < len(self._yielding) and self._yielding[at] <= ordinal + records


@dataclass(slots=True)
class _Filling:
    """Where the packaging stands: the batch being filled, and the place up to which it is."""

    batch: _Batch
    at: Checkpoint


class _Batch:
    """The batch being filled."""

    def __init__(self, output: OutputSpec, head: bytes, spool_bytes: int, start: Checkpoint) -> None:
        self.start = start
        self.records = self.invalid = 0
        self._most = output.max_records
        self._left = output.max_bytes - _overhead(output, head)
        self._builder = PayloadBuilder(output.format, head, spool_bytes)

    def fits(self, size: int, records: int) -> bool:
        return size <= self._left and (self._most is None or self.records + records <= self._most)

    def add(self, body: bytes, records: int) -> None:
        if records:
            self._builder.add(body)
            self._left -= len(body)
            self.records += records

    def packed(self, end: Checkpoint, *, last: bool) -> Packed:
        payload = self._builder.finish() if self.records else None
        return Packed(self.start, end, self.records, self.invalid, payload, last)


def _overhead(output: OutputSpec, head: bytes) -> int:
    """Bytes of a batch beside its records; an array's brackets replace the last line feed by one byte more."""
    return 1 if output.format == "json_array" else len(head)


def make_codec(spec: InputSpec, output: OutputSpec, inspection: Inspection) -> Codec:
    """The codec for an inspected drop. Raises `DropRefused` where the output cannot hold the input."""
    if output.format == "csv" and inspection.format != "csv":
        raise DropRefused("format", "this route sends CSV, and JSON records cannot become CSV rows; drop a CSV file")
    if inspection.format == "csv":
        return CsvCodec(inspection.header, spec, output, tidy=inspection.tidy)
    return JsonCodec(spec, array=inspection.format == "json")
