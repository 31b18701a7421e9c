"""A look may be put down at any place and taken up again, as often as need be: it finds what it finds in one go."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from random import Random
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from batchdrop.errors import DropRefused
from batchdrop.records import expand, idhashes
from batchdrop.records import inspect as inspect_module
from batchdrop.records.halt import Halt
from batchdrop.records.inspect import look
from batchdrop.records.inspection import MOST_HEADER, Inspection
from batchdrop.records.model import Checkpoint
from batchdrop.records.scratch import ScratchGone
from batchdrop.records.source import BytesSource
from batchdrop.records.spec import Duplicates, InputSpec, OutputSpec
from tests.unit.records.drops import Impatient, gzipped, patient, zipped

OUTPUT = OutputSpec("ndjson", 700)
FORMATS: dict[str, Callable[[list[dict[str, object]]], str]] = {
    "csv": lambda rows: "id,n,t\n" + "".join(f'{r["id"]},{r["n"]},"{r["t"]}"\n' for r in rows),
    "ndjson": lambda rows: "".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows),
    "json": lambda rows: json.dumps(rows, indent=0, ensure_ascii=False) + "\n" * 900,
    "json in an object": lambda rows: json.dumps({"before": "é", "data": rows, "after": ["x" * 900]}),
}
PACKINGS: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "with a mark": lambda text: b"\xef\xbb\xbf" + text.encode(),
    "gzip": lambda text: gzip.compress(text.encode(), mtime=0),
    "gzip in two": lambda text: gzipped(text.encode()[:2000], text.encode()[2000:]) + bytes(600),
    "zip": lambda text: zipped({"drop": text.encode()}),
    "stored zip": lambda text: zipped({"drop": text.encode()}, 0),
    "utf-16": lambda text: text.encode("utf-16-le"),
    "latin-1": lambda text: text.encode("latin-1"),
    "utf-16 in gzip": lambda text: gzip.compress(text.encode("utf-16-le"), mtime=0),
}
BREAKS: dict[str, Callable[[bytes], bytes]] = {
    "sound": lambda data: data,
    "cut off": lambda data: data[: len(data) * 3 // 4],
    "broken": lambda data: data[: len(data) // 2] + b"\xff\xfe\xff" + data[len(data) // 2 :],
}


@dataclass
class Pieces:
    """Scratch in memory."""

    held: dict[str, bytes] = field(default_factory=dict)
    most: int = 0

    def put(self, name: str, data: bytes | bytearray) -> None:
        assert name not in self.held
        self.held[name] = bytes(data)
        self.most = max(self.most, len(self.held))

    def read(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        if name not in self.held:
            raise ScratchGone(name)
        return self.held[name][start:end]

    def drop(self, name: str) -> None:
        self.held.pop(name, None)


@contextmanager
def small(held: int) -> Iterator[None]:
    """Everything is large, blocks are small, and little is held in memory."""
    with ExitStack() as stack:
        stack.enter_context(patch.object(inspect_module, "LARGE", 0))
        stack.enter_context(patch.object(expand, "BLOCK", 500))
        stack.enter_context(patch.object(idhashes, "HELD", held))
        yield


def spec_of(format_: str, packing: str, duplicates: Duplicates) -> InputSpec:
    encoding = next((e for e in ("utf-16-le", "latin-1") if packing.startswith(e[:6])), "utf-8")
    return InputSpec(
        id=("id",),
        duplicates=duplicates,
        encoding=encoding,
        format=format_.partition(" ")[0],  # type: ignore[arg-type]
        json_key="data" if "object" in format_ else None,
        types={"n": "integer"} if format_ == "csv" else {},
        max_record_bytes=1500,
        max_ratio=10_000,
    )


Outcome = Inspection | tuple[str, int | None, int | None]


def at_once(data: bytes, spec: InputSpec) -> Outcome:
    try:
        return look(BytesSource("drop", data), spec, OUTPUT).inspection
    except DropRefused as refused:
        return refused.reason, refused.line, refused.offset


def in_goes(data: bytes, spec: InputSpec, goes: Iterator[tuple[int, bool]], scratch: Pieces) -> tuple[Outcome, int]:
    """The same, in goes: how often each may ask for the time, and whether it lives to tell where it ended."""
    kept: list[str] = []
    for number in range(3000):
        patience, lives = next(goes, (1 << 30, True))
        halts: list[Halt] = []
        halt = Halt.from_json(json.loads(kept[-1])) if kept else None
        check, source = patient(patience), BytesSource("drop", data)
        try:
            found = look(source, spec, OUTPUT, check=check, scratch=scratch, halt=halt, keep=halts.append)
            found.tidy()
            return found.inspection, number
        except DropRefused as refused:
            return (refused.reason, refused.line, refused.offset), number
        except Impatient:
            kept += [json.dumps(h.to_json()) for h in halts if lives]
    raise AssertionError("it does not come to an end")


rows_of = st.lists(
    st.fixed_dictionaries(
        {
            "id": st.one_of(st.integers(0, 10**9), st.sampled_from([1, 2, 3])).map(str),
            "n": st.sampled_from([1, 2, 3, "x"]),
            "t": st.sampled_from(["", "a", "é" * 20, "line\\n" * 10, "z" * 400, "y" * 2500]),
        }
    ),
    min_size=1,
    max_size=120,
)


@given(
    rows=rows_of,
    format_=st.sampled_from([*FORMATS]),
    packing=st.sampled_from([*PACKINGS]),
    break_=st.sampled_from([*BREAKS]),
    duplicates=st.sampled_from(["allow", "reject", "last_wins"]),
    held=st.sampled_from([5, 40, 1000]),
    goes=st.lists(st.tuples(st.integers(0, 30), st.booleans()), max_size=40),
)
@example([{"id": str(n % 40), "n": 1, "t": "z" * 90} for n in range(90)], "csv", "zip", "sound", "reject", 5, [])
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
def test_a_look_in_goes_finds_what_it_finds_at_once(
    rows: list[dict[str, object]],
    format_: str,
    packing: str,
    break_: str,
    duplicates: Duplicates,
    held: int,
    goes: list[tuple[int, bool]],
) -> None:
    data = BREAKS[break_](PACKINGS[packing](FORMATS[format_](rows)))
    spec, scratch = spec_of(format_, packing, duplicates), Pieces()
    with small(held):
        found, _ = in_goes(data, spec, iter(goes), scratch)
        expected = at_once(data, spec)
        if not isinstance(found, Inspection) and not isinstance(expected, Inspection) and found[1] is None:
            expected = (expected[0], None, expected[2])  # there was no time to find the line
        assert found == expected
    if all(lives for _, lives in goes):
        assert not scratch.held


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("packing", PACKINGS)
@pytest.mark.parametrize("duplicates", ["allow", "reject"])
def test_a_go_that_never_has_time_still_gets_on_and_leaves_little_behind(
    format_: str, packing: str, duplicates: Duplicates
) -> None:
    rows: list[dict[str, object]] = [{"id": str(n % 290), "n": 1, "t": "z" * (n % 90)} for n in range(300)]
    data, scratch = PACKINGS[packing](FORMATS[format_](rows)), Pieces()
    spec = spec_of(format_, packing, duplicates)
    with small(30):
        found, goes = in_goes(data, spec, iter([(0, True)] * 3000), scratch)
        expected = at_once(data, spec)
    assert isinstance(expected, Inspection)
    assert found == expected
    assert len(expected.duplicates) == (10 if duplicates == "reject" else 0)
    assert goes > 10
    assert not scratch.held
    assert scratch.most <= 10 + 3 if duplicates == "reject" else not scratch.most  # runs, and what was kept lately


@pytest.mark.parametrize("packing", ["plain", "gzip"])
def test_a_comma_before_the_end_of_an_array_is_seen_across_goes(packing: str) -> None:
    rows: list[dict[str, object]] = [{"id": str(n), "n": 1, "t": "z" * 90} for n in range(99)]
    data = PACKINGS[packing](FORMATS["json"](rows).strip()[:-1] + "," + " " * 3000 + "]" + "\n" * 900)
    with small(30):
        found, goes = in_goes(data, spec_of("json", packing, "allow"), iter([(0, True)] * 3000), Pieces())
    assert not isinstance(found, Inspection)
    assert found[0] == "json"
    assert goes > 10


BROKEN_AT_ITS_END: dict[str, Callable[[str], bytes]] = {
    "gzip": lambda text: gzip.compress(text.encode() + b"9,1,\xff\n", mtime=0),
    "utf-16": lambda text: (text + "9,1,").encode("utf-16-le") + b"\x00\xd8a\x00",
}


@pytest.mark.parametrize("packing", BROKEN_AT_ITS_END)
def test_a_refusal_that_there_is_never_time_to_find_the_line_of_is_one_without_it(packing: str) -> None:
    """Else each go would meet with it and lose it again."""
    rows: list[dict[str, object]] = [{"id": str(n), "n": 1, "t": "z" * 90} for n in range(300)]
    data = BROKEN_AT_ITS_END[packing](FORMATS["csv"](rows))
    spec = spec_of("csv", packing, "allow")
    with small(1000):
        reason, line, offset = refused_at_once = at_once(data, spec)  # type: ignore[misc]
        assert line == 302
        assert in_goes(data, spec, iter([(0, True)] * 3000), Pieces())[0] == (reason, None, offset)
        one_more = iter([(0, True)] * 3)  # then there is time again
        assert in_goes(data, spec, one_more, Pieces())[0] == refused_at_once


def test_time_is_seen_to_pass_on_the_way_to_the_line_of_a_refusal() -> None:
    rows: list[dict[str, object]] = [{"id": str(n), "n": 1, "t": "z" * 90} for n in range(300)]
    data, looks = BROKEN_AT_ITS_END["gzip"](FORMATS["csv"](rows)), list[int]()
    with small(1000), pytest.raises(DropRefused):
        look(BytesSource("drop", data), spec_of("csv", "gzip", "allow"), OUTPUT, check=lambda: looks.append(1))
    assert len(looks) > 1.8 * len(FORMATS["csv"](rows)) / 500


def test_what_is_in_memory_alone_asks_nothing_of_the_scratch() -> None:
    scratch = Pieces()
    data = FORMATS["csv"]([{"id": n, "n": 1, "t": ""} for n in range(500)]).encode()
    spec = InputSpec(id=("id",), duplicates="reject")
    look(BytesSource("drop", data), spec, OUTPUT, scratch=scratch).tidy()
    assert scratch.most == 0
    with patch.object(idhashes, "HELD", 499):
        looked = look(BytesSource("drop", data), spec, OUTPUT, scratch=scratch)
    assert scratch.most > 0
    looked.tidy()
    assert not scratch.held


def test_a_drop_that_is_refused_leaves_nothing_behind() -> None:
    scratch = Pieces()
    data = FORMATS["csv"]([{"id": n, "n": 1, "t": ""} for n in range(500)]).encode() + b'"'
    with patch.object(idhashes, "HELD", 100), pytest.raises(DropRefused):
        look(BytesSource("drop", data), InputSpec(id=("id",), duplicates="reject"), OUTPUT, scratch=scratch)
    assert scratch.most > 0
    assert not scratch.held


@pytest.mark.parametrize("stage", ["take", "compare", "search"])
def test_without_what_was_put_aside_a_look_cannot_go_on_and_says_so(stage: str) -> None:
    data = FORMATS["csv"]([{"id": str(n % 1990), "n": 1, "t": ""} for n in range(2000)]).encode()
    spec, halts, scratch = InputSpec(id=("id",), duplicates="reject"), list[Halt](), Pieces()
    with small(100):
        while not halts or halts[-1].ids["stage"] != stage:
            halt = halts[-1] if halts else None
            source, check = BytesSource("drop", data), patient(0)
            with pytest.raises(Impatient):
                look(source, spec, None, check=check, scratch=scratch, halt=halt, keep=halts.append)
        goes = len(halts)
        scratch.held = {n: d for n, d in scratch.held.items() if stage == "compare" and not n.startswith("run")}
        with pytest.raises(ScratchGone):
            look(BytesSource("drop", data), spec, None, scratch=scratch, halt=halts[-1], keep=halts.append)
    assert len(halts) == goes


def test_a_bomb_is_told_by_all_that_came_out_of_it_in_every_go() -> None:
    data = gzip.compress(FORMATS["ndjson"]([{"id": str(n)} for n in range(1000)]).encode())
    spec = replace(spec_of("ndjson", "gzip", "allow"), max_expanded_bytes=8000)
    with small(100):
        found, goes = in_goes(data, spec, iter([(0, True)] * 3000), Pieces())
        assert found == at_once(data, spec) == ("bomb", None, None)
    assert goes > 2


def test_a_halt_of_an_earlier_version_is_not_gone_on_from() -> None:
    data = FORMATS["csv"]([{"id": str(n), "n": 1, "t": ""} for n in range(2000)]).encode()
    halts: list[Halt] = []
    with small(100), pytest.raises(Impatient):
        look(BytesSource("drop", data), InputSpec(), None, check=patient(0), keep=halts.append)
    kept = halts[0].to_json()
    assert Halt.from_json(kept) == halts[0]
    assert Halt.from_json({k: v for k, v in kept.items() if k in ("inspection", "at", "digest")}) is None
    assert Halt.from_json({}) is None


def test_the_most_that_can_be_found_out_about_a_drop_fits_into_a_ledger_item() -> None:
    """An item has 400 KB, and a job holds other things beside it."""
    rng, records = Random(1), 3_000_000_000
    repeated = {o: rng.randrange(3 * records) for o in sorted(rng.sample(range(records), idhashes.MAX_DUPLICATES))}
    cuts = tuple(Checkpoint(n * 2_000_000_000, n * 100_000_000, n * 30_000_000) for n in range(1, 90))
    header = tuple(f"{n:05d}" for n in range(MOST_HEADER // 6))
    start = Checkpoint(1, 2, 0)
    found = Inspection(
        "a" * 64, "csv", "none", 1 << 40, records, start, None, header, repeated, ("warning" * 20,), cuts
    )
    assert _stored(found.to_json()) < 360_000


def _stored(value: object) -> int:
    """Bytes of an item, as DynamoDB counts them."""
    if isinstance(value, dict):
        return 3 + sum(1 + len(name) + _stored(each) for name, each in value.items())
    if isinstance(value, list):
        return 3 + sum(1 + _stored(each) for each in value)
    return len(str(value).encode())
