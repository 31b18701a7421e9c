"""A folder on disk as a set: it may bring its own `_READY` with a manifest."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from batchdrop import set_parcels
from batchdrop.errors import DropRefused
from batchdrop.route import read_route
from local import dryrun, upload
from local.trouble import Trouble

ROUTE = {
    "destination": "ometria",
    "account": {"domain_key": "shop", "location_key": "eu", "type": "delta"},
    "secret": "main",
}


class Bucket:
    """As much of S3 as a drop needs."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_object(self, Bucket: str, Key: str, Body: Any) -> dict[str, str]:  # noqa: N803 - S3's own names
        self.objects[Key.rpartition("/")[2]] = Body if isinstance(Body, bytes) else Body.read()
        return {"VersionId": "v1"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "products.csv").write_text("id\n1\n")
    return tmp_path


@pytest.mark.parametrize("manifest", ["", '{"files": {"products.csv": {"records": 1}}}'])
def test_its_marker_goes_up_as_it_is_and_is_no_member(folder: Path, manifest: str) -> None:
    (folder / "_READY").write_text(manifest)
    bucket = Bucket()
    upload.drop(cast("Any", bucket), "drops", "shop", folder, upload.files_of(folder), lambda _: None)
    assert bucket.objects == {"products.csv": b"id\n1\n", "_READY": manifest.encode()}


def test_without_one_the_marker_is_empty(folder: Path) -> None:
    bucket = Bucket()
    upload.drop(cast("Any", bucket), "drops", "shop", folder, upload.files_of(folder), lambda _: None)
    assert bucket.objects["_READY"] == b""


@pytest.mark.acceptance("B18")
def test_a_dry_run_holds_the_folder_against_its_manifest(folder: Path) -> None:
    route = read_route("shop", ROUTE)
    assert dryrun.run(folder, route).records == 1
    (folder / "_READY").write_text('{"files": {"products.csv": {"records": 2}}}')
    with pytest.raises(DropRefused, match="not what the manifest says"):
        dryrun.run(folder, route)


def test_a_folder_of_more_files_than_a_set_may_have_is_refused_before_it_is_dropped(folder: Path) -> None:
    for n in range(500):
        (folder / f"{n}.csv").write_text("id\n1\n")
    with pytest.raises(DropRefused, match="1 to 500 files"):
        dryrun.run(folder, read_route("shop", ROUTE))


def linked(folder: Path) -> Path:
    (folder / ".elsewhere").mkdir()
    (folder / "link").symlink_to(folder / ".elsewhere")
    return folder / "link"


def dangling(folder: Path) -> Path:
    (folder / "sub").mkdir()
    (folder / "sub" / "link.csv").symlink_to("nowhere")
    return folder / "sub" / "link.csv"


def pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.csv")
    return folder / "pipe.csv"


def marker(folder: Path) -> Path:
    (folder / "sub").mkdir()
    (folder / "sub" / "_READY").touch()
    return folder / "sub" / "_READY"


@pytest.mark.parametrize("make", [linked, dangling, pipe, marker])
def test_no_part_of_a_set_is_left_out_in_silence(folder: Path, make: Callable[[Path], Path]) -> None:
    wrong = make(folder)
    with pytest.raises(Trouble, match=f"^{wrong} is "):
        upload.members(folder)


def test_hidden_files_are_left_out_and_links_to_files_are_followed(folder: Path) -> None:
    (folder / ".git").mkdir()
    (folder / ".git" / "link").symlink_to("nowhere")
    (folder / ".DS_Store").touch()
    (folder / "b.csv").symlink_to("products.csv")
    assert [path.name for path in upload.members(folder)] == ["b.csv", "products.csv"]


def test_a_set_that_fits_into_the_ledger_but_for_its_version_ids_does_not_pass(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(9):
        (folder / f"{n}.csv").write_text("id\n1\n")
    monkeypatch.setattr(set_parcels, "MOST_KEPT", 0)
    with pytest.raises(DropRefused) as refused:
        dryrun.run(folder, read_route("shop", ROUTE))
    size = int(str(refused.value).partition(" take ")[2].split(" bytes")[0].replace(",", ""))
    without = size - 10 * 32  # what S3's version ids of the ten files take
    monkeypatch.setattr(set_parcels, "MOST_KEPT", without)
    monkeypatch.setattr(dryrun, "VERSION_ID", "")
    dryrun.run(folder, read_route("shop", ROUTE))
    monkeypatch.undo()
    monkeypatch.setattr(set_parcels, "MOST_KEPT", without)
    with pytest.raises(DropRefused, match="drop it as several smaller sets"):
        dryrun.run(folder, read_route("shop", ROUTE))
