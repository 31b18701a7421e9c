from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from batchdrop.drop import job_id
from batchdrop.errors import DropRefused
from local import upload
from local.trouble import Trouble
from local.verbs import dropping
from tests.unit.local.conftest import DROPS, Run, Shop, aws

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

ROUTE = {"destination": "datagroup", "account": {"notification_method": "none"}, "secret": "people-main"}


@pytest.fixture
def people(shop: Shop) -> None:
    aws("ssm").put_parameter(Name="/shop/routes/people", Value=json.dumps(ROUTE), Type="String")


def id_of(key: str) -> str:
    return job_id(DROPS, key, aws("s3").head_object(Bucket=DROPS, Key=key)["VersionId"])


def test_a_file_goes_under_its_route_and_the_job_id_is_printed(run: Run, people: None, tmp_path: Path) -> None:
    file = tmp_path / "a list+é.csv"
    file.write_text("email\na@example.org\n")
    done = run("drop", file, "--route", "people")
    assert done.code == 0, done.err
    assert done.out == id_of("drops/people/a list+é.csv") + "\n"
    body = aws("s3").get_object(Bucket=DROPS, Key="drops/people/a list+é.csv")["Body"].read()
    assert body == file.read_bytes()


def test_json_is_one_job_for_one_file_and_a_list_for_several(run: Run, people: None, tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("email\na@example.org\n")
    one = run("drop", tmp_path / "a.csv", "--route", "people", "--json").json
    assert one["job_id"] == id_of("drops/people/a.csv")
    both = run("drop", tmp_path / "a.csv", tmp_path / "b.csv", "--route", "people", "--json").json
    assert [job["job_id"] for job in both["jobs"]] == [id_of("drops/people/a.csv"), id_of("drops/people/b.csv")]


def test_a_large_file_goes_up_in_parts_and_arrives_whole(
    run: Run, people: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(upload, "PART", 5 << 20)
    file = tmp_path / "large.csv"
    file.write_bytes(b"email\n" + b"a@example.org\n" * 900_000)
    assert run("drop", file, "--route", "people").out.strip() == id_of("drops/people/large.csv")
    found = aws("s3").get_object(Bucket=DROPS, Key="drops/people/large.csv")
    assert found["Body"].read() == file.read_bytes()


def test_on_a_terminal_the_upload_of_a_large_file_is_shown(
    run: Run, people: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    terminal = Console(file=io.StringIO(), force_terminal=True, width=100)
    monkeypatch.setattr("local.show.err", terminal)
    monkeypatch.setattr("local.upload.PART", 5 << 20)
    (tmp_path / "big.csv").write_bytes(b"id\n" + b"1234567\n" * (11 << 17))
    done = run("drop", tmp_path / "big.csv", "--route", "people")
    shown = terminal.file.getvalue()  # type: ignore[attr-defined]
    assert done.code == 0, done.err
    assert "big.csv" in shown
    assert "11.5/11.5 MB" in shown


def test_nothing_is_dropped_when_one_of_the_files_is_missing(run: Run, people: None, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("email\na@example.org\n")
    done = run("drop", tmp_path / "a.csv", tmp_path / "nope.csv", "--route", "people")
    assert done.code == 1
    assert "nope.csv: there is no such file" in done.err
    assert "Contents" not in aws("s3").list_objects_v2(Bucket=DROPS)


def test_a_directory_for_a_route_of_single_files_is_refused(run: Run, people: None, tmp_path: Path) -> None:
    done = run("drop", tmp_path, "--route", "people")
    assert done.code == 1
    assert 'route "people" takes single files' in done.err


def test_a_route_file_that_does_not_fit_is_named_as_it_was_given(run: Run, tmp_path: Path, route_file: Path) -> None:
    assert f'route "{route_file}" takes single files' in run("check", tmp_path, "--route", route_file).err


def test_a_route_of_another_name_is_told_what_may_be_meant(run: Run, people: None, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n1\n")
    run("routes", "list")
    for words in (
        ["drop", tmp_path / "a.csv", "--route"],
        ["check", tmp_path / "a.csv", "--route"],
        ["routes", "show"],
    ):
        done = run(*words, "peple")
        assert done.code == 1
        assert '(did you mean "people"?)' in done.err


def test_a_route_that_is_not_there_is_refused_before_anything_goes_up(run: Run, shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("email\n")
    done = run("drop", tmp_path / "a.csv", "--route", "nobody")
    assert done.code == 1
    assert 'there is no route "nobody"' in done.err


def test_a_set_is_closed_by_its_marker_and_lies_in_a_folder_of_its_own(shop: Shop, tmp_path: Path) -> None:
    for name in ("control.json", "data/people.json", ".hidden", "_READY"):
        path = tmp_path / "set" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    s3, files = aws("s3"), upload.files_of(tmp_path / "set")
    first, second = (upload.drop(s3, DROPS, "staff", tmp_path / "set", files, lambda _: None) for _ in range(2))
    assert first != second
    keys = [found["Key"] for found in s3.list_objects_v2(Bucket=DROPS)["Contents"]]
    folders = {key.split("/")[2] for key in keys}
    assert len(folders) == 2
    names = {key.split("/", 3)[3] for key in keys}
    assert names == {"control.json", "data/people.json", "_READY"}


@pytest.fixture
def route_file(tmp_path: Path) -> Path:
    file = tmp_path / "route.json"
    file.write_text(json.dumps(ROUTE))
    return file


def test_a_check_says_what_would_be_sent_and_what_not_without_any_stack(
    run: Run, tmp_path: Path, route_file: Path
) -> None:
    file = tmp_path / "a.csv"
    file.write_text("email,name\na@example.org,A\nb@example.org,B,extra\nc@example.org,C\n")
    done = run("check", file, "--route", route_file, "--json")
    assert done.code == 4
    assert (done.json["records"], done.json["invalid"], len(done.json["batches"])) == (3, 1, 1)
    assert done.json["problems"][0]["line"] == 3
    words = run("check", file, "--route", route_file)
    assert "3\t\t\trow_too_long\tthe row has 3 cells, the header 2" in words.out
    assert "2 records would go to datagroup in 1 batch, 1 would not" in words.err


def test_a_good_file_checks_out_with_zero(run: Run, tmp_path: Path, route_file: Path) -> None:
    (tmp_path / "a.ndjson").write_text('{"email": "a@example.org"}\n')
    assert run("check", tmp_path / "a.ndjson", "--route", route_file).code == 0


@pytest.mark.parametrize(
    ("refused", "place"),
    [
        (DropRefused("x", "a quote is left open in line 3", line=3, offset=20), ""),
        (DropRefused("x", "a quote is left open", line=3, offset=20), " (line 3)"),
        (DropRefused("x", "a quote is left open", offset=20), " (byte 20)"),
    ],
)
def test_the_place_of_a_refusal_is_told_once(refused: DropRefused, place: str) -> None:
    assert dropping._place(refused) == place


def test_a_file_that_cannot_be_used_at_all_is_refused_with_the_place(
    run: Run, tmp_path: Path, route_file: Path
) -> None:
    (tmp_path / "a.csv").write_bytes(b"email\na@example.org\ncaf\xe9@example.org\n")
    done = run("check", tmp_path / "a.csv", "--route", route_file)
    assert done.code == 1
    assert "nothing of it would be sent" in done.err
    assert done.err.count("line 3") == 1
    refused = run("check", tmp_path / "a.csv", "--route", route_file, "--json").json["refused"]
    assert refused["reason"] == "encoding"


def dropped_keys() -> list[str]:
    return [found["Key"] for found in aws("s3").list_objects_v2(Bucket=DROPS).get("Contents", [])]


def test_the_files_of_a_set_are_looked_for_once_and_those_found_are_dropped(
    run: Run, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = {"domain_key": "shop", "location_key": "eu", "type": "delta"}
    route = json.dumps({"destination": "ometria", "account": account, "secret": "s"})
    aws("ssm").put_parameter(Name="/shop/routes/sets", Value=route, Type="String")
    folder, looked = tmp_path / "set", []
    folder.mkdir()
    (folder / "a.csv").write_text("id\n1\n")
    members = upload.members

    def counting(directory: Path) -> list[Path]:
        looked.append(directory)
        found = members(directory)
        (folder / "late.csv").write_text("id\n2\n")
        return found

    monkeypatch.setattr(upload, "members", counting)
    assert run("drop", folder, "--route", "sets").code == 0
    assert looked == [folder]
    assert sorted(key.rpartition("/")[2] for key in dropped_keys()) == ["_READY", "a.csv"]


@pytest.fixture
def second_fails(monkeypatch: pytest.MonkeyPatch, people: None, tmp_path: Path) -> list[Path]:
    """Three files; the upload of the second fails."""
    files = [tmp_path / f"{name}.csv" for name in "abc"]
    for file in files:
        file.write_text("email\na@example.org\n")
    drop_file = upload.drop_file

    def fail(s3: S3Client, bucket: str, route: str, path: Path, progress: upload.Progress) -> str:
        if path == files[1]:
            raise Trouble("the line is cut")
        return drop_file(s3, bucket, route, path, progress)

    monkeypatch.setattr(upload, "drop_file", fail)
    return files


def test_what_was_dropped_before_another_failed_is_told(run: Run, second_fails: list[Path]) -> None:
    done = run("drop", *second_fails, "--route", "people")
    assert (done.code, done.out) == (1, id_of("drops/people/a.csv") + "\n")
    assert f"1 of 3 were dropped; not dropped: {second_fails[1]}, {second_fails[2]}" in done.err
    assert "the line is cut" in done.err


def test_it_is_told_with_json_too(run: Run, second_fails: list[Path]) -> None:
    done = run("drop", *second_fails, "--route", "people", "--json")
    assert done.code == 1
    assert done.json == {
        "jobs": [{"job_id": id_of("drops/people/a.csv"), "path": str(second_fails[0])}],
        "not_dropped": [str(second_fails[1]), str(second_fails[2])],
        "error": "the line is cut",
    }


@pytest.fixture
def shelves(shop: Shop) -> None:
    """A route that takes single files and sets."""
    route = {"destination": "ometria", "account": {"domain_key": "a", "location_key": "b", "type": "full"}}
    aws("ssm").put_parameter(Name="/shop/routes/shelves", Value=json.dumps(route | {"secret": "s"}), Type="String")


def test_nothing_is_dropped_when_a_later_path_can_not_be(run: Run, shelves: None, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    good = tmp_path / "good"
    good.mkdir()
    (good / "a.json").write_text("[]")
    unnamed = Path(os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff"))
    unnamed.mkdir()
    (unnamed / "a.json").write_text("[]")
    for wrong, words in ((tmp_path / "empty", "holds no files"), (unnamed, "its name is not UTF-8")):
        done = run("drop", good, wrong, "--route", "shelves")
        assert (done.code, done.out) == (1, "")
        assert words in done.err
    assert dropped_keys() == []


def test_a_file_whose_name_is_not_utf_8_is_told_to_be_renamed(run: Run, people: None, tmp_path: Path) -> None:
    unnamed = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.csv"))
    unnamed.write_text("email\n")
    done = run("drop", unnamed, "--route", "people")
    assert done.code == 1
    assert "its name is not UTF-8, as names of objects are: rename it" in done.err


@pytest.mark.parametrize("verb", ["drop", "check"])
def test_what_can_be_no_drop_of_its_own_is_refused(run: Run, people: None, tmp_path: Path, verb: str) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "_READY").write_text("email\na@example.org\n")
    for name, words in (("pipe.csv", "it is not a regular file"), ("_READY", "closes a set and is no drop")):
        done = run(verb, tmp_path / name, "--route", "people")
        assert (done.code, done.out) == (1, "")
        assert words in done.err
    assert dropped_keys() == []
