"""Batches: within the limits, the same every time, resumable anywhere, every record in exactly one."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from batchdrop.records.inspect import inspect
from batchdrop.records.inspection import Inspection
from batchdrop.records.packager import Checkpoint, Packager
from batchdrop.records.source import BytesSource, FileSource
from batchdrop.records.spec import InputSpec, OutputFormat, OutputSpec
from batchdrop.records.verdicts import Verdicts, Wanted
from tests.unit.records.drops import ROOMY, array, gzipped, lines, packager, payloads, problems, sent, zipped

Table = list[list[str]]
Pack = Callable[[bytes], bytes]
Seen = tuple[Checkpoint, Checkpoint, int, int, bool, bytes | None]

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
cells = st.one_of(texts, st.sampled_from(['"', "a,b", "x\ny", "\r\n", "=1", "", "'", '5" x']))
tables = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(cells, min_size=width, max_size=width), min_size=1, max_size=12)
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False), texts)
values = st.recursive(
    scalars, lambda v: st.one_of(st.lists(v, max_size=3), st.dictionaries(texts, v, max_size=3)), max_leaves=8
)
objects = st.lists(st.dictionaries(texts, values, max_size=4), min_size=1, max_size=12)
packings = st.sampled_from([lambda d: d, gzipped, lambda d: zipped({"x": d})])
quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
READ_BACK: dict[str, Callable[[bytes], list[object]]] = {
    "ndjson": lambda data: [json.loads(line) for line in data.split(b"\n") if line],
    "json_array": json.loads,
}


def written(table: list[list[str]], quoting: int, end: str) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, quoting=quoting, lineterminator=end)  # type: ignore[arg-type]
    writer.writerow([f"c{i}" for i in range(len(table[0]))])
    writer.writerows(table)
    return text.getvalue().encode()


@quick
@given(tables, st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]), st.sampled_from(["\n", "\r\n"]), packings)
def test_csv_round_trip_against_the_standard_library(table: Table, quoting: int, end: str, pack: Pack) -> None:
    expected = [{f"c{i}": cell for i, cell in enumerate(row)} for row in table]
    assert sent(pack(written(table, quoting, end)), InputSpec(format="csv")) == expected


@quick
@given(tables, st.sampled_from(["minimal", "strings"]), st.integers(60, 400))
def test_csv_to_csv_round_trip(table: Table, quoting: str, limit: int) -> None:
    data = written(table, csv.QUOTE_ALL, "\n")
    rows = []
    for payload in payloads(packager(data, InputSpec(format="csv"), "csv", max_bytes=limit, quoting=quoting)):
        assert len(payload) <= limit
        header, *batch = csv.reader(io.StringIO(payload.decode(), newline=""), strict=True)
        assert header == [f"c{i}" for i in range(len(table[0]))]
        rows += batch
    too_big = len(problems_of_limit(data, limit, quoting))
    assert len(rows) + too_big == len(table)
    assert all(row in table for row in rows)


def problems_of_limit(data: bytes, limit: int, quoting: str) -> list[str]:
    packs = packager(data, InputSpec(format="csv"), "csv", max_bytes=limit, quoting=quoting)
    found = [r.problem.code for r in packs.replay() if r.problem]
    assert set(found) <= {"over_batch_limit"}
    return found


@quick
@given(objects, st.sampled_from([None, 1]), st.sampled_from(["json", "ndjson"]), packings)
def test_json_round_trip_against_the_standard_library(
    items: list[dict[str, object]], indent: int | None, kind: str, pack: Pack
) -> None:
    if kind == "json":
        data = json.dumps(items, indent=indent, ensure_ascii=False).encode()
    else:
        data = b"".join(json.dumps(i, ensure_ascii=False).encode() + b"\n" for i in items)
    assert sent(pack(data)) == items


def samples() -> dict[str, tuple[bytes, InputSpec]]:
    rows = [
        [str(i), f'n"{i}",\n' if i % 7 == 0 else f"name {i}", "x" if i % 11 == 0 else str(i * 3)] for i in range(300)
    ]
    text = written([["id", "name", "n"], *rows], csv.QUOTE_MINIMAL, "\n").split(b"\n", 1)[1]
    items = [{"id": i, "name": f"é{i}", "n": {"v": [i] * (i % 5)}} if i % 13 else {"id": None} for i in range(300)]
    typed = InputSpec(id=("id",), types={"n": "integer"})
    stray = b"id,size\n" + b"".join(b'%d,%d" x\n' % (i, i) for i in range(300))
    ours = [{"id": i, "name": "batchdrop_line", "n": {"batchdrop_line": i}} for i in range(300)]
    dup = [{"id": i % 250, "v": i} for i in range(300)]
    return {
        "csv": (text, typed),
        "csv with blank lines": (text.replace(b"\n1", b"\n\n1"), typed),
        "csv with stray quotes": (stray, InputSpec()),
        "csv, crlf": (b"id,n\r\n" + b"".join(b'%d,"a\r\nb"\r\n' % i for i in range(200)), InputSpec()),
        "json": (array(items), InputSpec(id=("id",))),
        "pretty json": (json.dumps(items, indent=2).encode(), InputSpec(id=("id",))),
        "json under a key": (json.dumps({"a": 1, "data": items, "z": {}}).encode(), InputSpec(json_key="data")),
        "ndjson": (lines(items), InputSpec(id=("id",))),
        "ndjson without last line end": (lines(items)[:-1], InputSpec(id=("id",))),
        "ndjson, our words in it": (lines(ours), InputSpec(id=("id",))),
        "ndjson, duplicates": (lines(dup), InputSpec(id=("id",), duplicates="last_wins")),
        "gzip": (gzipped(text), typed),
        "zip": (zipped({"a.csv": text}), typed),
    }


@pytest.mark.acceptance("C1")
@pytest.mark.parametrize("name", samples())
@pytest.mark.parametrize("output", ["ndjson", "json_array"])
@pytest.mark.parametrize(("max_bytes", "max_records"), [(400, None), (1500, 7), (10**9, 50), (10**9, None)])
def test_packaging_can_go_on_from_any_batch_with_the_same_bytes(
    name: str, output: OutputFormat, max_bytes: int, max_records: int | None
) -> None:
    data, spec = samples()[name]
    source, limits = BytesSource("drop", data), OutputSpec(output, max_bytes, max_records)
    inspection = Inspection.from_json(json.loads(json.dumps(inspect(source, spec).to_json())))

    def batches(start: Checkpoint | None) -> list[Seen]:
        return [
            (p.start, p.end, p.records, p.invalid, p.last, p.payload.open().read() if p.payload else None)
            for p in Packager(source, spec, limits, inspection).batches(start)
        ]

    whole = batches(None)
    assert [b[4] for b in whole] == [False] * (len(whole) - 1) + [True]
    for n, batch in enumerate(whole):
        start = Checkpoint.from_json(json.loads(json.dumps(batch[0].to_json())))
        assert batches(start) == whole[n:]
    check_partition(Packager(source, spec, limits, inspection), whole, limits)


def check_partition(packs: Packager, whole: list[Seen], limits: OutputSpec) -> None:
    """Every record lies in exactly one batch's range, and the batches hold just the sent ones."""
    everything = list(packs.replay())
    ranges = [list(packs.replay(b[0], b[1])) for b in whole]
    assert [r for part in ranges for r in part] == everything
    assert [r.ordinal for r in everything] == list(range(1, len(everything) + 1))
    for (_, _, records, invalid, _, payload), part in zip(whole, ranges, strict=True):
        assert records == sum(r.sent for r in part)
        assert invalid == sum(not r.sent for r in part)
        assert payload is None or len(payload) <= limits.max_bytes
        assert limits.max_records is None or records <= limits.max_records
        if payload is not None:
            assert len(READ_BACK[limits.format](payload)) == records


@pytest.mark.parametrize("output", ["ndjson", "json_array", "csv"])
def test_a_batch_may_be_exactly_as_big_as_the_limit(output: OutputFormat) -> None:
    data = b"id,name\n" + b"".join(b"%d,x\n" % i for i in range(10, 30))
    (whole,) = payloads(packager(data, output=output))
    size = len(whole)
    assert len(payloads(packager(data, output=output, max_bytes=size))) == 1
    parts = payloads(packager(data, output=output, max_bytes=size - 1))
    assert len(parts) == 2
    assert len(parts[0]) < size


@pytest.mark.acceptance("B12")
def test_a_record_above_the_batch_limit_is_invalid_and_the_rest_proceeds() -> None:
    data = lines([{"id": 1}, {"id": "x" * 300}, {"id": 3}])
    packs = packager(data, max_bytes=100)
    assert [(r.line, r.problem.code) for r in packs.replay() if r.problem] == [(2, "over_batch_limit")]
    assert payloads(packs) == [b'{"id": 1}\n{"id": 3}\n']


class Repeated:
    """A file far bigger than memory may be used: a head, then `times` pieces, made as it is read."""

    name = "drop"

    def __init__(self, head: bytes, piece: bytes, times: int, tail: bytes) -> None:
        self.parts = (head, piece, times, tail)
        self.size = len(head) + len(piece) * times + len(tail)

    def open(self, start: int = 0, end: int | None = None) -> BinaryIO:
        head, piece, times, tail = self.parts

        class Stream(io.RawIOBase):
            at = 0
            held = b""
            todo = iter([head, *[piece] * times, tail])

            def read(self, size: int = -1) -> bytes:
                while len(self.held) < size and (more := next(self.todo, b"")):
                    self.held += more
                out, self.held = self.held[:size], self.held[size:]
                return out

        stream = Stream()
        left = start
        while left > 0:
            left -= len(stream.read(min(left, 1 << 16)))
        return stream if end is None else io.BytesIO(stream.read(end - start))  # type: ignore[return-value]


@pytest.mark.acceptance("B12")
@pytest.mark.parametrize(
    ("head", "middle", "tail"),
    [
        (b'{"id":1,"v":"', b"", b'"}\n{"id":2}\n'),
        (b'[{"id":1,"v":"', b"\\\\", b'"},\n{"id":2}]'),
        (b'id,v\n1,"', b'""\n', b'"\n2,x\n'),
    ],
)
def test_a_giant_record_is_rejected_by_number_at_flat_memory(head: bytes, middle: bytes, tail: bytes) -> None:
    source = Repeated(head, b"x" * 65_000 + middle, 3_100, tail)
    spec = InputSpec(max_record_bytes=1_000_000)
    tracemalloc.start()
    inspection = inspect(source, spec)
    packs = Packager(source, spec, OutputSpec("ndjson", 10**6), inspection)
    found = [(r.ordinal, r.problem and r.problem.code) for r in packs.replay()]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert source.size > 200_000_000
    assert found == [(1, "too_big"), (2, None)]
    assert peak < 12_000_000


def test_a_payload_above_the_spool_limit_goes_to_a_file_and_reads_the_same(tmp_path: Path) -> None:
    path = tmp_path / "drop.csv"
    path.write_bytes(b"id,name\n" + b"".join(b"%d,some name\n" % i for i in range(5000)))
    source = FileSource(path)
    inspection = inspect(source, InputSpec())
    texts_ = []
    for spool in (1, 10**9):
        (batch,) = Packager(
            source, InputSpec(), OutputSpec("json_array", 10**9), inspection, spool_bytes=spool
        ).batches()
        assert batch.payload
        with batch.payload.open() as first, batch.payload.open() as second:
            texts_.append(first.read())
            assert second.read(10) == texts_[-1][:10]
            second.seek(-1, io.SEEK_END)
            assert second.read() == b"]"
        assert batch.payload.sha256 == hashlib.sha256(texts_[-1]).hexdigest()
        assert batch.payload.size == len(texts_[-1])
        batch.payload.close()
    assert texts_[0] == texts_[1]
    assert inspection.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.acceptance("A8")
@pytest.mark.parametrize("pack", [bytes, gzipped, lambda d: zipped({"a.csv": d})])
def test_the_hash_is_of_the_stored_bytes(pack: Pack) -> None:
    data = pack(b"id\n" + b"1\n" * 1000)
    assert inspect(BytesSource("x", data), InputSpec()).sha256 == hashlib.sha256(data).hexdigest()


def test_a_plain_file_is_opened_at_the_checkpoint_not_read_again() -> None:
    opened: list[int] = []

    class Watched(BytesSource):
        def open(self, start: int = 0, end: int | None = None) -> BinaryIO:
            opened.append(start)
            return super().open(start, end)

    source = Watched("drop", lines([{"id": i} for i in range(1000)]))
    inspection = inspect(source, InputSpec())
    packs = Packager(source, InputSpec(), OutputSpec("ndjson", 1000), inspection)
    second = list(packs.batches())[1]
    opened.clear()
    next(packs.batches(second.start))
    assert opened == [second.start.offset]


def test_when_all_records_are_invalid_there_is_one_range_and_no_payload() -> None:
    (batch,) = packager(b"id,n\n1,x\n2,y\n", InputSpec(types={"n": "integer"})).batches()
    assert (batch.records, batch.invalid, batch.payload, batch.last) == (0, 2, None, True)


@pytest.mark.acceptance("B12")
def test_records_at_any_place_of_a_block_are_the_same_records() -> None:
    """Blocks are cut at 256 kB; whatever lies across a cut must not matter."""
    rows = [{"id": i, "v": 'é,}]"\n' * (i % 50), "n": {"k": [i, {"d": "}, {"}]}} for i in range(6000)]
    for data in (array(rows), json.dumps(rows, indent=1).encode(), lines(rows)):
        assert len(data) > 1 << 20
        assert sent(data) == rows
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["id", "v"])
    writer.writerows((r["id"], r["v"]) for r in rows)
    assert [r["v"] for r in sent(text.getvalue().encode())] == [r["v"] for r in rows]


def test_invalid_records_among_many_blocks_are_found_by_their_line() -> None:
    rows = [b'{"id":%d,"v":"%s"}' % (i, b"x" * 90) for i in range(20_000)]
    for bad in (0, 7777, 19_999):
        rows[bad] = b'{"id":1,"id":2}'
    assert problems(b"\n".join(rows)) == [(b + 1, "duplicate_key") for b in (0, 7777, 19_999)]
    assert problems(b"[" + b",\n".join(rows) + b"]") == [(b + 1, "duplicate_key") for b in (0, 7777, 19_999)]


@pytest.mark.acceptance("G6")
@pytest.mark.parametrize("name", samples())
@pytest.mark.parametrize("invalid", [True, False])
def test_records_are_found_by_their_id_whatever_the_order(name: str, invalid: bool) -> None:
    data, spec = samples()[name]
    spec = replace(spec, id=("id",))
    packs = packager(data, spec, max_bytes=500, spool_bytes=ROOMY)
    (first, second, *_) = [(b.start, b.end) for b in packs.batches()]
    everything = list(packs.replay())
    wanted = [r.id for r in everything if r.id and r.ordinal % 9 == 0][::-1]
    expected = [r for r in everything if r.id in wanted or (invalid and r.problem)]
    found = Wanted(Verdicts((id_, "c", "m", False) for id_ in wanted), invalid=invalid)
    assert list(packs.find(found)) == expected
    part = [r for r in packs.replay(*second) if r.id in wanted or (invalid and r.problem)]
    assert list(packs.find(found, *second)) == part
    assert list(packs.find(Wanted(Verdicts(), invalid=False), *first)) == []
