"""What the pages say in figures and tables is what the code does."""

from __future__ import annotations

import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from batchdrop import ledger, members, notify, poll, verdict
from batchdrop.destinations import REGISTRY, destination
from batchdrop.errors import DropRefused
from batchdrop.parcels import input_spec
from batchdrop.records import idhashes, inspect
from batchdrop.records.columns import OUR_COLUMNS
from batchdrop.records.packager import Packager
from batchdrop.records.source import BytesSource
from batchdrop.records.spec import InputSpec, OutputSpec
from batchdrop.records.verdicts import MESSAGE
from batchdrop.route import COMMON, read_route
from batchdrop.words import JobOutcome, RecordOutcome
from local import emulator
from tests.docs.pages import REPO, blocks

README = (REPO / "README.md").read_text("utf-8")
HOW = (REPO / "docs/how-it-works.md").read_text("utf-8")
ROUTES = (REPO / "docs/routes.md").read_text("utf-8")
BATCHDROP = Path(sys.executable).parent / "batchdrop"
REPORTS = (REPO / "docs/reports.md").read_text("utf-8")
ROUTE_SAMPLES = [block for block in blocks("yaml") if "destination" in (yaml.safe_load(block.text) or {})]


def test_the_limits_in_the_readme_are_those_of_the_code() -> None:
    spec = InputSpec()
    assert f"At most {members.MOST_MEMBERS} files in a set" in README
    assert f"A record may be {spec.max_record_bytes // 10**6} MB" in README
    assert f"may expand {spec.max_ratio} times and to {spec.max_expanded_bytes // 10**9} GB" in README
    assert f"A job lives at most {(COMMON['deadline'].maximum or 0) / 86400:g} days" in README
    assert f"If port {emulator.PORT} is" in README
    assert f"More than {idhashes.MAX_DUPLICATES:,} records that repeat an id refuse the file" in README
    assert f"More than {idhashes.MAX_DUPLICATES:,} records that repeat an id refuse the whole file" in ROUTES


TYPED = InputSpec(types={"n": "integer"}, id=("id",))
INVALID = {
    "a row has too few": b"id,n\n1,1\n2\n",
    "or too many cells": b"id,n\n1,1\n2,1,x\n",
    "a cell does not fit its type": b"id,n\n1,1\n2,x\n",
    "a line is no sound JSON object": b'{"id":1}\n{"id":\n',
}
REFUSED = {
    "a quote in a CSV file is wrong": ("quotes", b'id,n\n"1"x,1\n2,2\n'),
    "or never closed": ("quotes", b'id,n\n1,1\n2,"2\n3,3\n'),
    "the file is not in the route's encoding (UTF-8)": ("encoding", b"id,n\n\xff,1\n"),
    "truncated": ("truncated", b'[{"id":1},{"id"'),
    "empty": ("empty", b"id,n\n"),
    "a bomb": ("bomb", gzip.compress(b"id,n\n" + b"1,1\n" * 10**6)),
    "or its header lacks a column": ("missing_column", b"n\n1\n"),
}


@pytest.mark.parametrize("words", [*INVALID, *REFUSED])
def test_how_a_file_fails_is_what_the_readme_says(words: str) -> None:
    assert words in README.partition("## How it fails")[2].partition("## Limits")[0]
    source = BytesSource("drop", INVALID[words] if words in INVALID else REFUSED[words][1])
    if words in REFUSED:
        with pytest.raises(DropRefused) as refused:
            inspect.inspect(source, TYPED)
        assert refused.value.reason == REFUSED[words][0]
        return
    found = inspect.inspect(source, TYPED)
    records = list(Packager(source, TYPED, OutputSpec("json_array", 1000), found).replay())
    assert [record.problem is None for record in records] == [True, False]


def test_what_becomes_of_repeated_ids_by_default_is_what_the_page_says() -> None:
    naming = [name for name in sorted(REGISTRY) if destination(name).names_rejects]
    assert f"names those it refuses ({', '.join(naming)}), else allow" in ROUTES
    for block in ROUTE_SAMPLES:
        raw = {**yaml.safe_load(block.text)}
        raw["input"] = {key: value for key, value in raw.get("input", {}).items() if key != "duplicates"}
        route = read_route("sample", raw)
        spec = input_spec(route, route.vendor.output(route.account))
        assert spec.duplicates == ("reject" if raw["destination"] in naming and spec.id else "allow")


def test_the_figures_of_how_it_works_are_those_of_the_code() -> None:
    how = " ".join(HOW.split())
    assert f"Items go after {ledger.RETENTION // 86400} days" in how
    assert f"within {notify.HINT_WINDOW_MS // 1000} seconds" in how
    assert poll.HINT_WINDOW * 1000 == notify.HINT_WINDOW_MS
    assert verdict.RETRY_AFTER_CAP == 6 * 3600
    assert f"shortened to {MESSAGE} characters" in REPORTS
    assert f"up to {inspect.READY_BYTES // 10**6} MB and {inspect.READY_FILES} batches" in how


def test_the_table_of_steps_is_the_destinations_own() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `([^`]+)` \| (repeatable|commit) \|", HOW, re.MULTILINE)
    steps = [(name, step.name, str(step.kind)) for name in REGISTRY for step in destination(name).steps()]
    assert sorted(rows) == sorted(steps)


@pytest.mark.parametrize("text", [README, REPORTS], ids=["readme", "reports"])
def test_every_outcome_is_explained(text: str) -> None:
    rows = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
    assert {*JobOutcome, *RecordOutcome} <= set(rows)


def test_the_columns_of_the_rejects_file_are_explained() -> None:
    assert set(OUR_COLUMNS) <= set(re.findall(r"^\| `(\w+)` \|", REPORTS, re.MULTILINE))


def test_a_wrong_route_is_refused_as_shown(tmp_path: Path) -> None:
    wrong = {"destination": "sherpa", "account": {"datset": "items"}, "secret": "s", "deadline": "soon"}
    file = tmp_path / "catalogue.yaml"
    file.write_text(json.dumps(wrong))
    done = subprocess.run(
        [BATCHDROP, "routes", "check", file.name],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert f"```\n{done.stderr}```" in ROUTES
