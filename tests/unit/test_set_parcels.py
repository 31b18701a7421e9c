"""Sets of files: what is taken, what is refused, and that the cut is the same every time it is made."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import pytest

from batchdrop import analysis, members
from batchdrop.destinations.base import Output, Reading, SetRules
from batchdrop.errors import DropRefused
from batchdrop.job import Job
from batchdrop.parcels import Parcel, Parcels
from batchdrop.ports import ObjectRef
from batchdrop.records.spec import InputSpec
from batchdrop.set_parcels import look_into_set, parcels_of_set
from tests.simulation.memory import MemoryObjects
from tests.unit.destinations.sets_fixtures import ready_zip

PLACE = "drops/shop/today/"


def nothing() -> None:
    """There is always time."""


class Bucket(MemoryObjects):
    """As S3, of an empty object no range can be had."""

    def open(self, ref: ObjectRef, start: int = 0, end: int | None = None) -> BinaryIO:
        assert not end or self.head(ref).size, "416 Range Not Satisfiable"
        return super().open(ref, start, end)


class Drop:
    """A set, or with `ready=None` a single file, in a bucket."""

    def __init__(self, files: Mapping[str, bytes], ready: bytes | None = b"") -> None:
        self.objects = Bucket(lambda: 0.0)
        for name, data in files.items():
            self.objects.put("drops", PLACE + name, data)
        key = PLACE + ("_READY" if ready is not None else next(iter(files)))
        if ready is not None:
            self.objects.put("drops", key, ready)
        ref = self.objects.head(ObjectRef("drops", key))
        self.job = Job("j", "shop", "drops", key, ref.version_id, 0, 0, size=ref.size)
        if ready is not None:
            self.job.members = [self._pinned(name) for name in files]

    def _pinned(self, name: str) -> dict[str, Any]:
        ref = self.objects.head(ObjectRef("drops", PLACE + name))
        return {"name": name, "version_id": ref.version_id, "size": ref.size}

    def look(self, output: Output, **options: Any) -> dict[str, Any]:
        self.spec, self.output = InputSpec.from_route(options), output
        self.job.inspection = json.loads(json.dumps(look_into_set(self.job, self.spec, output, self.objects, nothing)))
        return self.job.inspection

    def parcels(self) -> Parcels:
        return parcels_of_set(self.job, self.spec, self.output, self.objects)


def zipped(**rules: Any) -> Output:
    return Output("zip", 10_000_000, sets=SetRules(**rules))


def as_files(most: int = 10_000, split: bool = True, **readings: Reading) -> Output:
    def reading(carried: Mapping[str, bytes], names: Any) -> Mapping[str, Reading]:
        return {name: readings.get(name.partition(".")[0], "blob") for name in names}

    return Output("files", most, sets=SetRules(carried=("control",), reading=reading, split=split))


def content_of(parcel: Parcel) -> bytes:
    assert parcel.payload is not None
    with parcel.payload.open() as stream:
        data = stream.read()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (parcel.payload.size, parcel.payload.sha256)
    return data


def files_in(drop: Drop) -> dict[str, bytes]:
    [parcel] = drop.parcels().batches(None)
    with zipfile.ZipFile(io.BytesIO(content_of(parcel))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def make_zip(fill: Callable[[zipfile.ZipFile], Any]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        fill(archive)
    return out.getvalue()


# --- one ZIP ---


@pytest.mark.acceptance("C1")
def test_the_zip_is_the_same_every_time_and_holds_its_files_in_the_order_of_their_names() -> None:
    files = {"pages.json": b"[{}]", "a.csv": b"id\n1\n", "categories.ndjson": b'{"x":1}\n'}
    drops = [Drop(files), Drop(dict(reversed(files.items())))]
    for drop in drops:
        drop.look(zipped())
    first, second = ([content_of(p) for p in drop.parcels().batches(None)] for drop in drops)
    assert first == second
    assert list(files_in(drops[0])) == ["a.json", "categories.json", "pages.json"]


@pytest.mark.parametrize(
    ("name", "data", "inside"),
    [
        ("p.csv", b"id,n\n1,2\n", b'[{"id":"1","n":"2"}]'),
        ("p.tsv", b"id,n\n1,2\n", b'[{"id":"1","n":"2"}]'),
        ("p.csv.gz", gzip.compress(b"id\n1\n", mtime=0), b'[{"id":"1"}]'),
        ("p.ndjson", b'{"a": 1.10}\n\n{"b":2}\n', b'[{"a": 1.10},{"b":2}]'),
        ("p.jsonl", b'{"a":1}', b'[{"a":1}]'),
        ("p.json", b' [{"a":1},\n {"b":2}] ', b'[{"a":1},{"b":2}]'),
        ("p.json", b'{"a":1}\n{"b":2}\n', b'[{"a":1},{"b":2}]'),
        ("p.json", b'{\n "a": [1, 2]\n}', b'{\n "a": [1, 2]\n}'),
        ("p.json.gz", gzip.compress(b'{"a": 1}', mtime=0), b'{"a": 1}'),
    ],
)
def test_every_form_of_a_file_becomes_json(name: str, data: bytes, inside: bytes) -> None:
    drop = Drop({name: data})
    drop.look(zipped())
    assert files_in(drop) == {"p.json": inside}


def test_the_routes_input_options_hold_for_every_file() -> None:
    drop = Drop({"p.csv": b"id;price\n1;2.50\n", "q.json": b'[{"id": 1, "secret": 2}]'})
    drop.look(zipped(), delimiter=";", types={"price": "number"}, drop=["secret"])
    assert files_in(drop) == {"p.json": b'[{"id":"1","price":2.50}]', "q.json": b'[{"id":1}]'}


@pytest.mark.acceptance("B15")
@pytest.mark.parametrize("name", ["notes.txt", "über.json", "sub/p.json", "../p.json", ".json", "p", "a b.json"])
def test_a_name_that_has_no_place_in_the_zip_refuses_the_set(name: str) -> None:
    with pytest.raises(DropRefused) as refused:
        Drop({name: b"[{}]"}).look(zipped())
    assert refused.value.reason == "set"


def test_a_route_may_allow_certain_names_only() -> None:
    Drop({"products.csv": b"id\n1\n"}).look(zipped(names=("products.json",)))
    with pytest.raises(DropRefused, match=r"allowed are products\.json"):
        Drop({"product.csv": b"id\n1\n"}).look(zipped(names=("products.json",)))


def test_two_files_that_would_become_one_are_refused() -> None:
    with pytest.raises(DropRefused, match=r"p\.csv and p\.json would both become p\.json"):
        Drop({"p.csv": b"id\n1\n", "p.json": b"[{}]"}).look(zipped())


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b'{"a": ', "json"),
        (b'{"a": NaN}', "json"),
        (b'{"a": 1, "a": 2}', "json"),
        (b"[{},", "truncated"),
        (b'[{"a": 1}] x', "json"),
        (b"\xff\xfe{\x00", "encoding"),
        (b"\x89PNG....", "content"),
    ],
)
def test_a_broken_file_refuses_the_set_by_its_name(data: bytes, reason: str) -> None:
    with pytest.raises(DropRefused, match=r"^p\.json: ") as refused:
        Drop({"a.json": b"[{}]", "p.json": data}).look(zipped())
    assert refused.value.reason == reason


def test_an_empty_single_file_is_refused() -> None:
    with pytest.raises(DropRefused, match="holds no record"):
        Drop({"p.csv": b""}, ready=None).look(zipped())


def test_one_object_bigger_than_a_record_may_be_is_refused() -> None:
    with pytest.raises(DropRefused, match="one JSON object of over 50 bytes"):
        Drop({"p.json": b'{\n"a": "' + b"x" * 100 + b'"}'}).look(zipped(), max_record_bytes=50)


def test_a_long_file_is_converted_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysis, "_PIECE", 200)
    rows = [{"n": n, "text": "x" * (n % 37)} for n in range(200)]
    lines = [json.dumps(row).encode() for row in rows]
    drop = Drop({"p.ndjson": b"\n".join([b"{broken", *lines[:90], b"7", *lines[90:]])})
    drop.look(zipped(), max_record_bytes=100)
    assert json.loads(files_in(drop)["p.json"]) == rows
    [parcel] = drop.parcels().batches(None)
    assert (parcel.records, parcel.invalid) == (200, 2)


def test_replay_tells_every_record_with_its_line_and_a_bad_one_with_its_file() -> None:
    drop = Drop({"p.csv": b"id,n\n1,2\n3,4,5\n6\n", "q.json": b'[{"id": 1},\n7]'})
    drop.look(zipped(), id="id")
    told = [(r.ordinal, r.line, r.id, r.sent, r.raw) for r in drop.parcels().replay(None, None)]
    assert told == [
        (1, 2, "1", True, b'{"id":"1","n":"2"}'),
        (2, 3, "3", False, b'{"id":"3","n":"4","batchdrop_rest":["5"]}'),
        (3, 4, "6", False, b'{"id":"6"}'),
        (4, 1, "1", True, b'{"id": 1}'),
        (5, 2, None, False, b"7"),
    ]
    problems = [r.problem.told.partition(":")[0] for r in drop.parcels().replay(None, None) if r.problem]
    assert problems == ["p.csv", "p.csv", "q.json"]
    assert list(drop.parcels().replay({"sent": 1}, None)) == []


def test_a_zip_too_big_for_memory_goes_to_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(members, "SPOOL_BYTES", 1000)
    rows = [{"id": str(n), "text": hashlib.sha256(b"%d" % n).hexdigest()} for n in range(3000)]
    drop = Drop({"p.json": json.dumps(rows).encode()})
    drop.look(zipped())
    [parcel] = drop.parcels().batches(None)
    assert parcel.payload is not None
    assert parcel.payload._data is None  # type: ignore[attr-defined]
    with zipfile.ZipFile(io.BytesIO(content_of(parcel))) as archive:
        assert json.loads(archive.read("p.json")) == rows
    parcel.payload.close()


# --- a ready-made ZIP ---


def test_a_ready_made_zip_is_counted_and_left_alone() -> None:
    archive = ready_zip({"b.json": b'[{"id":1},{"id":2}]', "a.json": b'{"x":1}'})
    drop = Drop({"all.zip": archive}, ready=None)
    drop.look(zipped(), id="id")
    [parcel] = drop.parcels().batches(None)
    assert (content_of(parcel), parcel.records) == (archive, 3)
    assert [(r.line, r.raw) for r in drop.parcels().replay(None, None)] == [
        (1, b'{"x":1}'),
        (1, b'{"id":1}'),
        (1, b'{"id":2}'),
    ]


@pytest.mark.acceptance("B13", "B15")
@pytest.mark.parametrize(
    ("fill", "reason"),
    [
        (lambda z: z.writestr("../../x.json", b"[]"), "zip"),
        (lambda z: z.writestr("/abs.json", b"[]"), "zip"),
        (lambda z: z.writestr("a\\b.json", b"[]"), "zip"),
        (lambda z: z.writestr("p.csv", b"id\n1\n"), "zip"),
        (lambda z: z.writestr("inner.zip", b"PK"), "zip"),
        (lambda z: None, "empty"),
        (lambda z: z.writestr("p.json", b"0" * 30_000_000, zipfile.ZIP_DEFLATED), "bomb"),
        (lambda z: z.writestr("p.json", b'{"a":1}\n{"a":2}\n'), "json"),
        (lambda z: z.writestr("p.json", b"not JSON"), "content"),
        (lambda z: z.writestr("p.json", gzip.compress(b"[{}]", mtime=0)), "json"),
        (lambda z: z.writestr("p.json", b'[{"a":1},{"a":NaN}]'), "invalid_records"),
        (lambda z: z.writestr("p.json", b'[{"a":1},]'), "json"),
        (lambda z: z.writestr("p.json", b'\xef\xbb\xbf[{"a":1}]'), "json"),
        (lambda z: z.writestr("p.json", b'\xef\xbb\xbf{"a":1}'), "json"),
    ],
)
def test_a_ready_made_zip_that_cannot_be_trusted_is_refused(
    fill: Callable[[zipfile.ZipFile], Any], reason: str
) -> None:
    with pytest.raises(DropRefused) as refused:
        Drop({"all.zip": make_zip(fill)}, ready=None).look(zipped())
    assert refused.value.reason == reason


def test_a_ready_made_zip_is_utf_8_whatever_the_route_says_of_other_files() -> None:
    """Its bytes go as they are: nobody converts them."""
    files = [ready_zip({"p.json": json.dumps([{"a": "é"}], ensure_ascii=False).encode(e)}) for e in ("utf-8", "cp1252")]
    sound, other = (Drop({"all.zip": archive}, ready=None) for archive in files)
    sound.look(zipped(), encoding="windows-1252")
    assert [json.loads(r.raw) for r in sound.parcels().replay(None, None)] == [{"a": "é"}]
    with pytest.raises(DropRefused, match="UTF-8"):
        other.look(zipped(), encoding="windows-1252")


@pytest.mark.parametrize("option", ["max_ratio", "max_expanded_bytes"])
def test_how_far_a_ready_made_zip_may_expand_is_the_route_s(option: str) -> None:
    data = make_zip(lambda z: z.writestr("p.json", b'[{"a":"' + b"x" * 2_000_000 + b'"}]', zipfile.ZIP_DEFLATED))
    most = {"max_ratio": 2_000}
    assert Drop({"all.zip": data}, ready=None).look(zipped(), **most)["ready"]
    with pytest.raises(DropRefused, match=f"raise input.{option} in the route"):
        Drop({"all.zip": data}, ready=None).look(zipped(), **most | {option: 100})


# --- files one by one ---


def test_files_that_fit_go_as_they_are_with_the_carried_one_beside_them() -> None:
    files = {"control": b"{}", "a.json": b'[ {"x": 1.10} ]\n', "t.tsv": b"id\n1\n\n2", "x.xml": b"<x/>"}
    drop = Drop(files)
    drop.look(as_files(a="array", t="lines"))
    [parcel] = drop.parcels().batches(None)
    got = {}
    for name, payload in parcel.members.items():
        with payload.open() as stream:
            got[name] = stream.read()
    assert got == files
    assert content_of(parcel) == files["a.json"] + files["t.tsv"] + files["x.xml"]
    assert (parcel.records, parcel.invalid, parcel.last) == (4, 0, True)


def _big() -> Drop:
    rows = [{"n": n, "text": "x" * (n % 37)} for n in range(200)]
    lines = b"id\ttext\n" + b"".join(b"%d\t%s\n" % (n, b"y" * (n % 23)) for n in range(150))
    drop = Drop({"control": b"{}", "a.json": json.dumps(rows).encode(), "t.tsv": lines, "x.xml": b"<x/>"})
    drop.look(as_files(1000, a="array", t="lines"))
    return drop


def test_big_files_are_cut_at_records_within_the_limit() -> None:
    parcels = list(_big().parcels().batches(None))
    assert len(parcels) > 3
    assert sum(p.records for p in parcels) == 351
    sizes = [payload.size for p in parcels for payload in p.members.values()]
    assert max(sizes) <= 1000
    assert [p.last for p in parcels] == [False] * (len(parcels) - 1) + [True]
    assert all("control" in p.members for p in parcels)
    assert ["x.xml" in p.members for p in parcels] == [True] + [False] * (len(parcels) - 1)


def test_any_batch_can_be_made_again_from_where_it_starts() -> None:
    drop = _big()
    whole = list(drop.parcels().batches(None))
    for number, parcel in enumerate(whole):
        start = json.loads(json.dumps(parcel.start))
        again = next(drop.parcels().batches(start or None))
        assert content_of(again) == content_of(parcel)
        assert (again.start, again.end, again.last) == (parcel.start, parcel.end, parcel.last), number
    assert list(drop.parcels().batches(whole[-1].end)) == []


def test_the_records_of_the_batches_are_all_the_records_once() -> None:
    drop = _big()
    parcels = drop.parcels()
    by_batch = [r.raw for p in parcels.batches(None) for r in parcels.replay(p.start or None, p.end)]
    assert sorted(by_batch) == sorted(r.raw for r in parcels.replay(None, None))
    assert len(by_batch) == 351
    for parcel in parcels.batches(None):
        assert len(list(parcels.replay(parcel.start or None, parcel.end))) == parcel.records


def test_invalid_records_are_left_out_and_the_rest_of_the_file_sent() -> None:
    drop = Drop({"control": b"{}", "a.json": b'[{"x": 1},\n 5,\n{"x": 2}]'})
    drop.look(as_files(a="array"))
    [parcel] = drop.parcels().batches(None)
    assert (content_of(parcel), parcel.records, parcel.invalid) == (b'[{"x": 1},{"x": 2}]', 2, 1)
    assert [r.line for r in drop.parcels().replay(None, None) if r.problem] == [2]


@pytest.mark.parametrize(
    ("reading", "data", "said"),
    [
        ("text", b"x" * 2000, "cannot be cut"),
        ("lines", b"id\n" + b"x" * 2000, "a line is longer"),
        ("lines", b"id", "no valid record"),
        ("array", b"[5]", "no valid record"),
        ("array", b'[{"id":1},]', "a comma before the end"),
        ("array", gzip.compress(b"[{}]", mtime=0), "compression"),
    ],
)
def test_what_cannot_be_read_or_cut_is_refused_by_name(reading: Reading, data: bytes, said: str) -> None:
    with pytest.raises(DropRefused, match=rf"^a\.dat: .*{said}"):
        Drop({"control": b"{}", "a.dat": data}).look(as_files(1000, a=reading))


# --- the manifest ---


def manifest(**files: Any) -> bytes:
    return json.dumps({"files": {name.replace("_", "."): promised for name, promised in files.items()}}).encode()


A, B = b"id\n1\n2\n", b"[{}]"


@pytest.mark.acceptance("B18")
@pytest.mark.parametrize(
    "ready",
    [
        b"",
        b"done\n",
        manifest(a_csv={"sha256": hashlib.sha256(A).hexdigest().upper(), "records": 2, "size": len(A)}, b_json={}),
    ],
)
def test_a_set_as_promised_is_taken(ready: bytes) -> None:
    assert Drop({"a.csv": A, "b.json": B}, ready).look(zipped())["entries"]


@pytest.mark.acceptance("B18")
@pytest.mark.parametrize(
    ("ready", "said"),
    [
        (manifest(a_csv={}), "b.json is not in the manifest"),
        (manifest(a_csv={}, b_json={}, c_json={}), "c.json is missing"),
        (manifest(a_csv={"records": 3}, b_json={}), "a.csv: its records is 2"),
        (manifest(a_csv={"sha256": "0" * 64}, b_json={}), "a.csv: its sha256 is"),
        (manifest(a_csv={"size": 1}, b_json={}), "a.csv: its size is"),
        (b'{"files": ', "not of the form"),
        (b'{"sha256": {}}', "not of the form"),
        (b'{"files": {"a.csv": "abc"}}', "not of the form"),
    ],
)
def test_a_set_that_is_not_as_promised_is_refused(ready: bytes, said: str) -> None:
    with pytest.raises(DropRefused, match=said) as refused:
        Drop({"a.csv": A, "b.json": B}, ready).look(zipped())
    assert refused.value.reason == "manifest"


@pytest.mark.acceptance("B18")
def test_the_manifest_of_a_set_of_files_counts_the_carried_one_too() -> None:
    promised = manifest(control={"records": 0}, t_tsv={"records": 2})
    drop = Drop({"control": b"{}", "t.tsv": b"id\n1\n2\n"}, promised)
    assert drop.look(as_files(t="lines"))["entries"]


def test_sets_of_equal_files_have_the_same_digest_and_others_another() -> None:
    one, same, renamed, changed = (
        Drop(files).look(zipped())["sha256"]
        for files in ({"a.csv": A}, {"a.csv": A}, {"c.csv": A}, {"a.csv": A + b"3\n"})
    )
    assert one == same
    assert len({one, renamed, changed}) == 3
