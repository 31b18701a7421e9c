"""A large file is cut at places before records, so that several workers can package it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise

import pytest

from batchdrop.matching import Tally, everyone, rows_of_batch
from batchdrop.parcels import FileParcels
from batchdrop.records import expand as expand_module
from batchdrop.records import inspect as inspect_module
from batchdrop.records.halt import Halt
from batchdrop.records.inspect import look
from batchdrop.records.inspection import Inspection
from batchdrop.records.model import Checkpoint, Stops, never
from batchdrop.records.packager import Packager
from batchdrop.records.scratch import LocalScratch
from batchdrop.records.source import BytesSource
from batchdrop.records.spec import InputSpec, OutputSpec
from batchdrop.refusals import Refusals
from tests.unit.records.drops import Impatient, patient

ROWS = [{"id": str(n), "name": f"name {n}\n" * (n % 7), "n": n if n % 50 else "x"} for n in range(600)]

DROPS = {
    "csv": b"id,name,n\n" + b"".join(f'{r["id"]},"{r["name"]}",{r["n"]}\r\n'.encode() for r in ROWS),
    "csv without an end": b"id,name,n\n" + b"\n".join(f'{r["id"]},"{r["name"]}",1'.encode() for r in ROWS),
    "blank lines behind": b"id\n" + b"".join(b"%020d\n" % n for n in range(600)) + b"\n" * 5000,
    "ndjson": b"".join(json.dumps(r).encode() + b"\n" for r in ROWS),
    "json": json.dumps(ROWS, indent=1).encode() + b"\n" * 5000,
}
SPEC = InputSpec(id=("id",), types={"n": "integer"}, duplicates="reject")
OUTPUT = OutputSpec("ndjson", 2000)


@pytest.fixture(autouse=True, params=[777, 3000])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expand_module, "BLOCK", request.param)


def cut(data: bytes, cut_bytes: int = 3000, spec: InputSpec = SPEC) -> Inspection:
    return look(BytesSource("drop", data), spec, OUTPUT, cut_bytes=cut_bytes).inspection


def spans(found: Inspection) -> list[tuple[Checkpoint, Checkpoint | None]]:
    return list(zip([found.start, *found.cuts], [*found.cuts, None], strict=True))


@pytest.mark.parametrize("name", DROPS)
@pytest.mark.parametrize("ids", ["reject", "allow"])
def test_what_is_between_the_cuts_is_every_record_once(name: str, ids: str) -> None:
    spec = InputSpec(id=("id",), types={"n": "integer"}, duplicates=ids)  # type: ignore[arg-type]
    found = cut(DROPS[name], spec=spec)
    packs = Packager(BytesSource("drop", DROPS[name]), spec, OUTPUT, found)
    whole = list(packs.replay())
    assert len(whole) == 600
    assert [record for start, end in spans(found) for record in packs.replay(start, end)] == whole
    bodies = [b"".join(_bodies(packs, start, end)) for start, end in spans(found)]
    assert b"".join(bodies) == b"".join(_bodies(packs, None, None))
    assert all(bodies)
    assert len(found.cuts) > 2


def _bodies(packs: Packager, start: Checkpoint | None, end: Checkpoint | None) -> Iterator[bytes]:
    for batch in packs.batches(start, end):
        if batch.payload:
            yield batch.payload.open().read()
            batch.payload.close()


@pytest.mark.parametrize("name", DROPS)
def test_spans_are_as_long_as_asked_for_and_none_is_empty(name: str) -> None:
    found = cut(DROPS[name])
    places = [found.start, *found.cuts]
    assert all(b.offset - a.offset >= 3000 for a, b in pairwise(places))
    assert [p.ordinal for p in places] == sorted({p.ordinal for p in places})
    assert places[-1].ordinal < found.records


@pytest.mark.parametrize("name", DROPS)
def test_an_interruption_loses_no_cut(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspect_module, "LARGE", 0)
    halts: list[Halt] = []
    scratch = LocalScratch()
    found = None
    laps = 0
    while found is None:
        laps += 1
        assert laps < 200
        halt = Halt.from_json(json.loads(json.dumps(halts[-1].to_json()))) if halts else None
        check, source = patient(1), BytesSource("drop", DROPS[name])
        with suppress(Impatient):
            found = look(
                source, SPEC, OUTPUT, cut_bytes=3000, halt=halt, keep=halts.append, check=check, scratch=scratch
            )
    assert halts
    packs = Packager(BytesSource("drop", DROPS[name]), SPEC, OUTPUT, found.inspection)
    assert [r for span in spans(found.inspection) for r in packs.replay(*span)] == list(packs.replay())
    assert len(found.inspection.cuts) > 2


def test_a_drop_that_is_cut_is_not_packaged_on_the_way() -> None:
    source = BytesSource("drop", DROPS["ndjson"])
    assert look(source, SPEC, OUTPUT, cut_bytes=3000).ready == []
    assert look(source, SPEC, OUTPUT).ready


@pytest.mark.parametrize(
    ("data", "spec", "cut_bytes"),
    [
        (gzip.compress(DROPS["csv"], 0), SPEC, 3000),
        (DROPS["csv"].decode().encode("utf-16"), InputSpec(encoding="utf-16"), 3000),
        (json.dumps({"data": ROWS}).encode(), InputSpec(json_key="data"), 3000),
        (DROPS["csv"], SPEC, 0),
        (DROPS["csv"], SPEC, len(DROPS["csv"])),
    ],
)
def test_what_cannot_be_read_from_the_middle_and_what_is_small_is_not_cut(
    data: bytes, spec: InputSpec, cut_bytes: int
) -> None:
    looked = look(BytesSource("drop", data), spec, OUTPUT, cut_bytes=cut_bytes)
    assert (looked.inspection.cuts, looked.inspection.records) == ((), 600)
    assert looked.ready


def test_cuts_survive_being_stored_and_what_was_stored_before_there_were_any_has_none() -> None:
    found = cut(DROPS["csv"])
    data = json.loads(json.dumps(found.to_json()))
    assert Inspection.from_json(data) == found
    del data["cuts"]
    assert Inspection.from_json(data).cuts == ()


@pytest.mark.parametrize("name", [*DROPS, "gzip"])
@pytest.mark.parametrize("message", ["never sent", "x" * 5000], ids=["by the kernel", "by hand"])
def test_what_is_told_piece_by_piece_is_what_is_told_at_once(name: str, message: str) -> None:
    data = gzip.compress(DROPS["csv"]) if name == "gzip" else DROPS[name]
    found = look(BytesSource("drop", data), SPEC, OUTPUT).inspection
    parcels = FileParcels(Packager(BytesSource("drop", data), SPEC, OUTPUT, found), found, SPEC)

    def rows(start: Checkpoint | None, stop: Stops) -> bytes:
        tally = Tally()
        everything = everyone(
            parcels, dict(start.to_json()) if start else None, None, ("unprocessed", "x", message), tally, stop
        )
        return b"".join(
            rows_of_batch(everything, Refusals(()), parcels.rejects(), tally, ("unprocessed", "x", message))
        )

    places: list[Checkpoint | None] = [None]
    pieces = []
    for start in places:  # grows while it is gone through
        stopped: list[Checkpoint] = []
        pieces.append(rows(start, lambda here, stopped=stopped: bool(stopped) or not stopped.append(here)))  # type: ignore[misc]
        places += stopped[:1]
    assert len(pieces) > 5
    assert b"".join(pieces) == rows(None, never)
