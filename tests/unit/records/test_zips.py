"""ZIP archives: written the same every time, and ready-made ones checked before they are handed on."""

from __future__ import annotations

import io
import struct
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from batchdrop.errors import DropRefused
from batchdrop.records.inspect import inspect
from batchdrop.records.source import BytesSource, FileSource
from batchdrop.records.spec import InputSpec
from batchdrop.records.zips import ZipCaps, check_zip, zip_members
from tests.unit.records.drops import zipped

MEMBERS = {"a.json": b'[{"id":1}]', "b.json": b"[" + b'{"x":"y"},' * 50_000 + b"{}]", "c.json": b""}


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[i : i + size] for i in range(0, len(data), size))


@pytest.mark.acceptance("C1")
def test_the_same_members_make_the_same_bytes(tmp_path: Path) -> None:
    first = b"".join(zip_members((name, pieces(data, 10_000)) for name, data in MEMBERS.items()))
    again = b"".join(zip_members((name, pieces(data, 10_000)) for name, data in MEMBERS.items()))
    assert first == again
    with zipfile.ZipFile(io.BytesIO(first)) as archive:
        assert archive.testzip() is None
        assert {i.filename: archive.read(i) for i in archive.infolist()} == MEMBERS
        assert {i.date_time for i in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    assert len(first) < len(MEMBERS["b.json"]) / 20


@pytest.mark.acceptance("C1")
def test_the_bytes_do_not_depend_on_how_the_members_arrive() -> None:
    assert b"".join(zip_members([("a.json", pieces(MEMBERS["b.json"], 999))])) == b"".join(
        zip_members([("a.json", [MEMBERS["b.json"]])])
    )


def test_other_programs_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(b"".join(zip_members((n, [d]) for n, d in MEMBERS.items())))
    try:
        run = subprocess.run(["unzip", "-t", path], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("unzip is not installed")
    assert run.returncode == 0, run.stdout


def test_a_good_archive_is_taken() -> None:
    assert check_zip(io.BytesIO(zipped(MEMBERS))) == list(MEMBERS)
    ours = b"".join(zip_members((n, [d]) for n, d in MEMBERS.items()))
    assert check_zip(io.BytesIO(ours)) == list(MEMBERS)


@pytest.mark.acceptance("B15")
@pytest.mark.parametrize(
    "name",
    [
        "../../x.json",
        "/abs.json",
        "a\\b.json",
        "a/b.json",
        "x.csv",
        ".json",
        "..json",
        "é.json",
        "a.json\n",
        "a.json/",
        "-a.json",
    ],
)
def test_names_that_are_not_plain_json_names_are_refused(name: str) -> None:
    with pytest.raises(DropRefused) as caught:
        check_zip(io.BytesIO(zipped({name: b"[]"})))
    assert caught.value.reason == "zip"


@pytest.mark.acceptance("B15")
def test_a_name_cut_by_a_nul_is_refused() -> None:
    data = zipped({"a.jsonXx.sh": b"[]"}).replace(b"a.jsonXx.sh", b"a.json\0x.sh")
    with pytest.raises(DropRefused):
        check_zip(io.BytesIO(data))


@pytest.mark.acceptance("B15")
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_duplicate_names_links_and_encryption_are_refused() -> None:
    twice = io.BytesIO()
    with zipfile.ZipFile(twice, "w") as archive:
        archive.writestr("a.json", b"[1]")
        archive.writestr("a.json", b"[2]")
    link = io.BytesIO()
    with zipfile.ZipFile(link, "w") as archive:
        info = zipfile.ZipInfo("a.json")
        info.external_attr = 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    locked = bytearray(zipped({"a.json": b"[]"}))
    locked[locked.rfind(b"PK\x01\x02") + 8] |= 1
    for data in (twice.getvalue(), link.getvalue(), bytes(locked)):
        with pytest.raises(DropRefused) as caught:
            check_zip(io.BytesIO(data))
        assert caught.value.reason == "zip"


@pytest.mark.acceptance("B13")
def test_overlapping_entries_are_refused() -> None:
    data = bytearray(zipped({"a.json": b"[1]", "b.json": b"[1]"}, zipfile.ZIP_STORED))
    second = data.rfind(b"PK\x01\x02")
    struct.pack_into("<L", data, second + 42, 0)
    with pytest.raises(DropRefused) as caught:
        check_zip(io.BytesIO(data))
    assert caught.value.reason == "zip"


@pytest.mark.acceptance("B13")
def test_bombs_and_lies_are_refused() -> None:
    bomb = zipped({"a.json": b" " * 30_000_000})
    liar = bytearray(zipped({"a.json": b"[1,2,3]" * 1000}))
    struct.pack_into("<L", liar, liar.rfind(b"PK\x01\x02") + 24, 3)
    many = zipped({f"a{i}.json": b"[]" for i in range(20)})
    for data, caps, reason in (
        (bomb, ZipCaps(), "bomb"),
        (bytes(liar), ZipCaps(), "corrupt"),
        (many, ZipCaps(max_members=10), "zip"),
        (b"PK\x03\x04 not really", ZipCaps(), "corrupt"),
        (zipped({}), ZipCaps(), "empty"),
    ):
        with pytest.raises(DropRefused) as caught:
            check_zip(io.BytesIO(data), caps=caps)
        assert caught.value.reason == reason


def test_a_ready_made_archive_with_any_bytes_changed_is_taken_or_refused() -> None:
    whole, rng = zipped({"a.json": b'[{"a":1}]', "b.json": b'{"x":2}' * 20}), Random(1)
    for _ in range(1500):
        with suppress(DropRefused):
            check_zip(io.BytesIO(damaged(whole, rng)))


@pytest.mark.acceptance("B13")
def test_a_packed_drop_with_any_bytes_changed_is_taken_or_refused(tmp_path: Path) -> None:
    whole, rng, path = zipped({"a.csv": b"id,n\n" + b"1,2\n" * 9}), Random(2), tmp_path / "a.zip"
    for _ in range(1500):
        path.write_bytes(damaged(whole, rng))
        with suppress(DropRefused):
            inspect(FileSource(path), InputSpec())


@pytest.mark.parametrize("offset", [-1, 1 << 20, (1 << 63) - 1, (1 << 64) - 1])
def test_an_entry_outside_of_the_file_is_corrupt(offset: int, tmp_path: Path) -> None:
    """Entries are where the directory says, counted from where it says it is itself: that can be before the file."""
    data = bytearray(zipped({"a.csv": b"id,n\n1,2\n"}))
    entry, end = data.rfind(b"PK\x01\x02"), data.rfind(b"PK\x05\x06")
    if offset < 0:
        struct.pack_into("<L", data, end + 16, entry + 1)
    else:
        extra = struct.pack("<HHQ", 1, 8, offset)
        struct.pack_into("<L", data, entry + 42, 0xFFFFFFFF)
        struct.pack_into("<H", data, entry + 30, len(extra))
        struct.pack_into("<L", data, end + 12, end - entry + len(extra))
        data[end:end] = extra
    path = tmp_path / "a.zip"
    path.write_bytes(data)
    for source in (FileSource(path), BytesSource("a.zip", bytes(data))):
        with pytest.raises(DropRefused) as caught:
            inspect(source, InputSpec())
        assert caught.value.reason == "corrupt"


def damaged(data: bytes, rng: Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.randint(1, 3)):
        changed[rng.randrange(len(data))] = rng.randrange(256)
    return bytes(changed)
