"""`check` tells what would be sent, what not and why, with every socket blocked."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from pytest_socket import disable_socket
from rich.console import Console

from batchdrop.parcels import look_into
from local import seen_routes
from local.home import LocalStack
from local.processes import Process
from tests.unit.local.conftest import Run

ITEMS = {
    "destination": "sherpa",
    "account": {"table_id": "products", "dataset": "items", "format": "csv"},
    "secret": "sherpa-main",
    "input": {"format": "auto", "id": "itemId", "types": {"price": "number", "quantity": "integer"}},
}
FILE = "itemId,name,quantity,price\na,A,1,1.5\nb,B,many,2.5\nc,C,3,1.5.0\nd,D\ne,E,5,5\n"


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("BATCHDROP_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("BATCHDROP_STACK", raising=False)
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    disable_socket()


@pytest.fixture
def items(tmp_path: Path) -> Path:
    file = tmp_path / "items.csv"
    file.write_text(FILE)
    (tmp_path / "route.yaml").write_text(json.dumps(ITEMS))
    return file


def test_every_invalid_record_is_told_with_its_line_column_and_reason(run: Run, items: Path) -> None:
    done = run("check", items, "--route", items.with_name("route.yaml"))
    assert done.code == 4
    batches, problems = done.out.split("\n\n")
    sent = '"itemId","name","quantity","price"\n"a","A",1,1.5\n"e","E",5,5\n'
    sha256 = hashlib.sha256(sent.encode()).hexdigest()
    assert batches.splitlines()[1].split("\t") == ["1", "2", "3", f"{len(sent)} B", sha256]
    assert [line.split("\t")[:4] for line in problems.splitlines()] == [
        ["line", "column", "id", "code"],
        ["3", "quantity", "b", "wrong_type"],
        ["4", "price", "c", "wrong_type"],
        ["5", "", "d", "row_too_short"],
    ]
    assert problems.count("price") == 1  # in its column, and not in the message again
    assert "2 records would go to sherpa in 1 batch, 3 would not" in done.err


@pytest.mark.parametrize(("mark", "shown"), [(";", "';'"), ("\t", "tab"), ("|", "'|'")])
def test_a_file_with_another_delimiter_than_the_routes_is_warned_of(
    run: Run, items: Path, mark: str, shown: str
) -> None:
    items.write_text(f"id{mark}name\n1{mark}A\n")
    items.with_name("route.yaml").write_text(json.dumps({"destination": "datagroup", "secret": "s"}))
    done = run("check", items, "--route", items.with_name("route.yaml"))
    assert f"its columns seem to be separated by {shown}: set input.delimiter" in done.err
    items.write_text("name\nA\n")
    assert "warning" not in run("check", items, "--route", items.with_name("route.yaml")).err


def test_a_drop_that_would_be_cut_is_told_in_the_batches_it_would_be_sent_in(run: Run, items: Path) -> None:
    """A look cuts only after some thousand bytes, so the file must have them."""
    rows = "".join(f'i{n},"a\nb",1,1.5\n' for n in range(60_000))
    items.write_text("itemId,name,quantity,price\n" + rows)
    cut = {**ITEMS, "side_by_side": {"above": 200_000}}
    items.with_name("route.yaml").write_text(json.dumps(cut))
    found = run("check", items, "--route", items.with_name("route.yaml"), "--json").json
    assert (found["records"], found["invalid"]) == (60_000, 0)
    assert [batch["n"] for batch in found["batches"]][:2] == [100_001, 200_001]
    assert sum(batch["records"] for batch in found["batches"]) == 60_000


def test_a_terminal_is_not_flooded_and_says_where_the_rest_is(
    run: Run, items: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    items.write_text("itemId,price\n" + "".join(f"i{n},high\n" for n in range(1200)))
    terminal = Console(file=io.StringIO(), force_terminal=True, width=100)
    with monkeypatch.context() as patch:
        patch.setattr("local.show.out", terminal)
        done = run("check", items, "--route", items.with_name("route.yaml"))
    shown = terminal.file.getvalue()  # type: ignore[attr-defined]
    assert shown.count("wrong_type") == 1000
    assert "and 200 more: in a pipe, or with --json, all are listed" in done.err
    assert len(run("check", items, "--route", items.with_name("route.yaml"), "--json").json["problems"]) == 1200


def test_before_the_kernel_is_built_the_way_to_it_is_told(
    run: Run, items: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("local.dryrun.LIBRARY", Path("/nowhere"))
    done = run("check", items, "--route", items.with_name("route.yaml"))
    assert done.code == 1
    assert "not built here: make setup" in done.err


def test_a_route_by_name_is_taken_as_it_was_last_seen(run: Run, items: Path) -> None:
    seen_routes.keep("batchdrop", "items", ITEMS)
    found = run("check", items, "--route", "items", "--json")
    assert (found.code, found.json["records"], found.json["invalid"]) == (4, 5, 3)
    seen_routes.keep("shop", "items", {**ITEMS, "input": {}})
    assert run("check", items, "--route", "items", "--stack", "shop", "--json").json["invalid"] == 1


def test_records_are_all_of_the_files_as_in_a_report_and_without_a_valid_one_it_fails(run: Run, items: Path) -> None:
    items.write_text("itemId,quantity,price\na,many,1\nb,few,2\n")
    found = run("check", items, "--route", items.with_name("route.yaml"), "--json")
    assert (found.code, found.json["records"], found.json["invalid"], found.json["batches"]) == (1, 2, 2, [])
    assert (
        "0 records would go to sherpa in 0 batches, 2 would not"
        in run("check", items, "--route", items.with_name("route.yaml")).err
    )


def test_a_route_never_seen_and_no_stack_ends_with_the_way_out(run: Run, items: Path) -> None:
    done = run("check", items, "--route", "nobody")
    assert done.code == 1
    assert "batchdrop up --detach" in done.err


def test_a_bad_route_is_explained_field_by_field_with_what_was_meant(run: Run, items: Path) -> None:
    wrong = {**ITEMS, "account": {"table_id": "products", "datset": "item"}, "dedline": "1h"}
    items.with_name("route.yaml").write_text(json.dumps(wrong))
    for words in (["check", items, "--route"], ["routes", "check"]):
        done = run(*words, items.with_name("route.yaml"))
        assert done.code == 1
        assert 'dedline: unknown option (did you mean "deadline"?)' in done.err
        assert "is not a good route:" in done.err


def test_a_bad_account_names_its_fields_too(run: Run, items: Path) -> None:
    wrong = {**ITEMS, "account": {"table_id": "products", "datset": "items", "format": "cvs"}}
    items.with_name("route.yaml").write_text(json.dumps(wrong))
    done = run("check", items, "--route", items.with_name("route.yaml"))
    told = [line.strip() for line in done.err.splitlines()[1:]]
    assert 'account.datset: unknown option (did you mean "dataset"?)' in told
    assert any(line.startswith("account.dataset: is missing") for line in told)
    assert any(line.startswith("account.format: must be one of") and 'did you mean "csv"?' in line for line in told)


def test_yaml_that_is_none_is_told_by_its_line(run: Run, items: Path) -> None:
    items.with_name("route.yaml").write_text("destination: sherpa\naccount: {a\nsecret: x\n")
    done = run("check", items, "--route", items.with_name("route.yaml"))
    assert done.code == 1
    assert "route.yaml, line 3: this is not valid YAML" in done.err


def test_a_completing_shell_is_offered_the_routes_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("items", "people", "itineraries"):
        seen_routes.keep("batchdrop", name, ITEMS)
    assert seen_routes.beginning_with("it") == ["items", "itineraries"]
    seen_routes.forget("batchdrop")
    assert seen_routes.beginning_with("") == []


def test_a_name_means_the_route_of_the_local_stack_whatever_that_is_called(run: Run, items: Path) -> None:
    LocalStack("other", 4600, Process(0, 0.0), deployed="x").save()
    seen_routes.keep("batchdrop", "items", {"destination": "datagroup", "secret": "s"})
    seen_routes.keep("other", "items", ITEMS)
    assert "would go to sherpa" in run("check", items, "--route", "items").err
    assert seen_routes.beginning_with("it") == ["items"]


@pytest.mark.parametrize("name", ["rt", "people.YAML", "people.Json"])
def test_a_route_file_is_known_by_its_path_and_its_ending_however_it_is_written(
    run: Run, items: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(items.parent)
    items.with_name(name).write_text(json.dumps(ITEMS))
    words = name if "." in name else f"./{name}"
    assert "would go to sherpa" in run("check", items, "--route", words).err


@pytest.mark.parametrize("change", ["cut", "gone"])
def test_a_file_that_changes_meanwhile_is_told_to_be_checked_again(
    run: Run, items: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    def changed(*given: Any) -> Any:
        found = look_into(*given)
        items.unlink() if change == "gone" else items.write_text(FILE[:-9])
        return found

    monkeypatch.setattr("local.dryrun.look_into", changed)
    done = run("check", items, "--route", items.with_name("route.yaml"))
    assert done.code == 1
    assert "was changed while it was looked at: check it again" in done.err
