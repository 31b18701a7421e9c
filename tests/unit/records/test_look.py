"""A drop is packaged while it is looked into: the same batches as when it is read again, and none if it is refused."""

from __future__ import annotations

import gzip
import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from batchdrop.errors import DropRefused
from batchdrop.records import digest as digest_module
from batchdrop.records import expand as expand_module
from batchdrop.records import idhashes
from batchdrop.records import inspect as inspect_module
from batchdrop.records.digest import Digest
from batchdrop.records.halt import Halt
from batchdrop.records.inspect import Looked, look
from batchdrop.records.packager import Packager, Packed
from batchdrop.records.scratch import LocalScratch
from batchdrop.records.source import BytesSource
from batchdrop.records.spec import InputSpec, OutputFormat, OutputSpec
from tests.unit.records.drops import Impatient, patient

ROWS = [{"id": str(n), "name": f"name {n}" * (n % 7), "n": n} for n in range(400)]
LINES = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)
TABLE = b"id,name,n\n" + b"".join(
    f'{r["id"]},"{r["name"]}\n",{r["n"] if r["n"] != 7 else "x"}\n'.encode() for r in ROWS
)
SAMPLES = {
    "csv": TABLE,
    "csv without an end": TABLE[:-1],
    "gzip": gzip.compress(TABLE),
    "ndjson": LINES,
    "json": json.dumps(ROWS, indent=1).encode() + b" \n",
    "json in an object": json.dumps({"more": 1, "data": ROWS, "rest": [2]}).encode(),
    "one record": b'[{"id": "1"}]',
    "invalid ones": LINES + b"1\n[]\n\n" + LINES + b"3",
}
SPEC = InputSpec(id=("id",), types={"n": "integer"})


def seen(batch: Packed) -> tuple[object, ...]:
    body = b""
    if batch.payload:
        body = batch.payload.open().read()
        batch.payload.close()
    return batch.start, batch.end, batch.records, batch.invalid, batch.last, body


def looked(data: bytes, spec: InputSpec, output: OutputSpec, room: int) -> tuple[Looked, list[tuple[object, ...]]]:
    """What is found, and all batches as they are when the drop is read again."""
    source = BytesSource("drop", data)
    found = look(source, spec, output, room=room)
    assert found.inspection == look(source, spec, None).inspection
    return found, [seen(batch) for batch in Packager(source, spec, output, found.inspection).batches()]


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("format_", ["ndjson", "json_array"])
@pytest.mark.parametrize("room", [0, 3000, 1 << 30])
def test_batches_made_on_the_way_are_those_made_later(name: str, format_: OutputFormat, room: int) -> None:
    spec = replace(SPEC, json_key="data" if "object" in name else None)
    found, again = looked(SAMPLES[name], spec, OutputSpec(format_, 1000), room)
    ready = [seen(batch) for batch in found.ready]
    assert ready == again[: len(ready)]
    assert ready
    assert (len(ready) == len(again)) == (room > 3000 or len(again) == 1)


@pytest.mark.parametrize(
    "broken", [TABLE + b'"', SAMPLES["json"][:-9], SAMPLES["json"] + b"x", gzip.compress(TABLE)[:-9], TABLE + b"\xff\n"]
)
@pytest.mark.acceptance("B14")
def test_nothing_of_a_drop_that_breaks_off_is_ready(broken: bytes) -> None:
    with pytest.raises(DropRefused):
        look(BytesSource("drop", broken), SPEC, OutputSpec("ndjson", 1000))


def test_batches_with_records_that_yield_to_others_are_made_again() -> None:
    spec = replace(SPEC, duplicates="last_wins")
    found, again = looked(LINES + LINES, spec, OutputSpec("ndjson", 1000), 1 << 30)
    assert found.ready == []
    assert sum(int(str(batch[2])) for batch in again) == len(ROWS)
    found, again = looked(LINES, spec, OutputSpec("ndjson", 1000), 1 << 30)
    assert [seen(batch) for batch in found.ready] == again


def test_a_batch_that_is_never_sent_leaves_no_file_behind() -> None:
    """Warnings are errors here: an open file would be one."""
    found = look(BytesSource("drop", LINES * 2000), SPEC, OutputSpec("ndjson", 1 << 30))
    assert found.ready[0].payload is not None
    assert found.ready[0].payload.size > 32_000_000
    del found


def in_pieces(data: bytes, spec: InputSpec, patience: int) -> tuple[Looked, int]:
    """Look into a drop in as many goes as it takes, of so many blocks each; what each kept goes through JSON."""
    halts: list[str] = []
    scratch = LocalScratch()
    while True:
        halt = Halt.from_json(json.loads(halts[-1])) if halts else None
        try:
            found = look(
                BytesSource("drop", data),
                spec,
                None,
                check=patient(patience),
                scratch=scratch,
                halt=halt,
                keep=lambda h: halts.append(json.dumps(h.to_json())),
            )
            return found, len(halts)
        except Impatient:
            assert len(halts) < 500


@pytest.mark.parametrize("name", [name for name in SAMPLES if name != "one record"])
@pytest.mark.parametrize("patience", [0, 1, 9])
def test_a_look_that_was_interrupted_goes_on_where_it_ended(
    name: str, patience: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspect_module, "LARGE", 0)
    monkeypatch.setattr(expand_module, "BLOCK", 777)
    spec = replace(SPEC, json_key="data" if "object" in name else None)
    expected = look(BytesSource("drop", SAMPLES[name]), spec, None).inspection
    found, halts = in_pieces(SAMPLES[name], spec, patience)
    assert found.inspection == expected
    assert expected.sha256 == hashlib.sha256(SAMPLES[name]).hexdigest()
    assert halts > 0


def test_what_is_wrong_behind_an_interruption_is_told_with_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect_module, "LARGE", 0)
    monkeypatch.setattr(expand_module, "BLOCK", 777)
    with pytest.raises(DropRefused) as refused:
        in_pieces(LINES + b"\xff\n", SPEC, 1)
    assert (refused.value.reason, refused.value.offset) == ("encoding", len(LINES))
    assert refused.value.line == len(ROWS) + 1


@pytest.mark.parametrize(
    ("data", "spec", "is_large"),
    [
        (LINES, SPEC, False),
        (LINES + LINES, SPEC, True),
        (gzip.compress(LINES), SPEC, True),
        (gzip.compress(LINES), replace(SPEC, max_ratio=5), False),
        (gzip.compress(LINES), replace(SPEC, max_expanded_bytes=len(LINES)), False),
    ],
)
def test_only_a_look_that_may_take_long_is_put_down(
    data: bytes, spec: InputSpec, is_large: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A packed drop is as large as what may come out of it."""
    monkeypatch.setattr(inspect_module, "LARGE", len(LINES) + 1)
    monkeypatch.setattr(expand_module, "BLOCK", 1000)
    kept: list[Halt] = []

    with pytest.raises(Impatient):
        look(BytesSource("drop", data), spec, None, check=patient(0), keep=kept.append)
    assert bool(kept) == is_large


@pytest.mark.parametrize("is_swift", sorted({False, digest_module.is_swift()}))
@given(pieces=st.lists(st.binary(max_size=200), max_size=8))
def test_a_digest_put_down_and_taken_up_again_is_sha256(is_swift: bool, pieces: list[bytes]) -> None:
    """By the processor's own instructions, too, where it has them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(digest_module, "is_swift", lambda: is_swift)
        digest = Digest()
        for piece in pieces:
            digest.update(piece)
            digest = Digest(digest.keep())
    assert digest.hexdigest() == hashlib.sha256(b"".join(pieces)).hexdigest()
    assert digest.total == sum(map(len, pieces))


some_ids = st.lists(
    st.sampled_from(["1", "2", "a", '"a"', '"\\u0061"', '"1"', "null", "1.0", '"é"', '"a/b"']), min_size=1, max_size=6
)


@given(some_ids, some_ids, st.booleans(), st.sampled_from([("id",), ("id", "n.x")]))
def test_ids_that_come_twice_are_found_in_the_same_pass(
    ids: list[str], others: list[str], array: bool, names: tuple[str, ...]
) -> None:
    items = [f'{{"id":{one},"n":{{"x":{other}}}}}' for one, other in zip(ids, others * 6, strict=False)]
    text = "[" + ",".join(items) + "]" if array else "\n".join(items)
    spec = InputSpec(id=names, duplicates="reject", forbidden_in_id="/")
    source = BytesSource("drop", text.encode())
    found = look(source, spec, OutputSpec("ndjson", 50))
    expected = look(source, spec, None).inspection
    assert found.inspection == expected
    again = [seen(batch) for batch in Packager(source, spec, OutputSpec("ndjson", 50), expected).batches()]
    assert [seen(batch) for batch in found.ready] == (again if not expected.duplicates else [])


@pytest.mark.parametrize("repeated", [0, 17, 399])
def test_a_table_with_an_id_that_comes_twice_is_not_ready(repeated: int) -> None:
    spec = InputSpec(id=("id",), duplicates="reject")
    once = look(BytesSource("drop", TABLE), spec, OutputSpec("ndjson", 1000))
    assert once.ready[-1].last
    twice = look(BytesSource("drop", TABLE + f"{repeated},again,1\n".encode()), spec, OutputSpec("ndjson", 1000))
    assert (twice.ready, list(twice.inspection.duplicates)) == ([], [401])


@pytest.mark.parametrize("again", [[], [7], [0, 399, 399, 200]])
@pytest.mark.parametrize("held", [37, 100, 400, 1000])
def test_repeated_ids_are_found_however_few_are_held_in_memory(
    held: int, again: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(idhashes, "HELD", held)
    spec = InputSpec(id=("id",), duplicates="reject")
    data = TABLE + b"".join(f"{n},again,1\n".encode() for n in again)
    assert [*look(BytesSource("drop", data), spec, None).inspection.duplicates] == [401 + i for i in range(len(again))]


def test_ids_that_repeat_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idhashes, "MAX_DUPLICATES", 3)
    for same in (b"1\n" * 9, b"".join(b"%d\n" % (n // 2) for n in range(10))):
        with pytest.raises(DropRefused, match=r"more than 3 records repeat an id; set input\.duplicates to allow"):
            look(BytesSource("drop.csv", b"id\n" + same), InputSpec(id=("id",), duplicates="reject"), None)


@pytest.mark.parametrize("patience", range(5))
def test_an_interruption_within_a_record_too_big_to_be_held_goes_back_before_it(
    patience: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inspect_module, "LARGE", 0)
    monkeypatch.setattr(expand_module, "BLOCK", 777)
    data = LINES[:3000].rpartition(b"\n")[0] + b'\n{"id":"' + b"x\\n" * 1500 + b'"}\n' + LINES
    spec = replace(SPEC, max_record_bytes=1000)
    found, _ = in_pieces(data, spec, patience)
    assert found.inspection == look(BytesSource("drop", data), spec, None).inspection


def test_a_record_that_fits_no_batch_takes_no_id_from_one_that_does() -> None:
    """It is invalid, and so it is not sent: of two others with its id the first goes."""
    large = '{"id":"1","n":1,"name":"' + "x" * 200 + '"}\n'
    data = (large + '{"id":"1","n":2}\n{"id":"1","n":3}\n{"id":"2","n":4}\n').encode()
    spec = InputSpec(id=("id",), duplicates="reject")
    source, output = BytesSource("drop", data), OutputSpec("ndjson", 100)
    inspection = look(source, spec, output).inspection
    problems = [r.problem and r.problem.code for r in Packager(source, spec, output, inspection).replay()]
    assert problems == ["over_batch_limit", None, "duplicate_id", None]
