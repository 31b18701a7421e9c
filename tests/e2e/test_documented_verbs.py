"""The examples of docs/command.md, which are those of `--help`, and of docs/routes.md, run as they stand there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from local import samples
from local.simulators.datagroup import DataGroupSimulator
from local.simulators.mediarithmics import MediarithmicsSimulator
from local.simulators.ometria import OmetriaSimulator
from local.simulators.server import Simulator
from tests.docs.pages import REPO
from tests.e2e import shell
from tests.e2e.rig import FAST, Rig

FILE = "id,name,age\n1,Ann,30\n2,Bob,thirty\n"
TYPED = {"id": "id", "types": {"age": "integer"}}
WITH_REJECTS = {"check": 4, "watch": 4, "wait": 4}

# Run elsewhere: they need a job that is open, or held, or never end.
ELSEWHERE = {
    "cancel": "tests/e2e/test_operator.py",
    "resolve": "tests/e2e/test_operator.py",
    "up": "tests/unit/local/test_stack.py", "down": "tests/unit/local/test_stack.py",
    "watch": "only the one that watches all jobs, until Ctrl-C: tests/unit/local/test_progress.py",
}  # fmt: skip


@pytest.fixture(scope="module")
def place(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Three routes as the examples have them, and the files they drop."""
    place = shell.tools(tmp_path_factory.mktemp("place"))
    (place / "people.csv").write_text(FILE)
    samples.shop_set(place / "export")
    samples.activities(place / "visits.ndjson", 5)
    with DataGroupSimulator() as people, OmetriaSimulator() as shop, MediarithmicsSimulator() as activities:
        _put(place, "shop", shop, {})
        _put(place, "activities", activities, {"id": "$ts"})
        _put(place, "people", people, TYPED)
        yield place


def _put(place: Path, name: str, vendor: Simulator[Any], how: Mapping[str, object]) -> None:
    example = vendor.example()
    route = {**example["route"], "secret": f"{name}-examples", "input": how, "poll": FAST}
    (place / f"{name}.yaml").write_text(json.dumps(route))
    (place / "secret.json").write_text(json.dumps(example["secret"]))
    shell.run(f"batchdrop routes put {name} --file {name}.yaml --secret secret.json", place, {})


def test_a_days_work(place: Path) -> None:
    lines = shell.commands_under("docs/command.md", "## A day's work")
    day = "\n".join(line for line in lines if not line.startswith("batchdrop resolve"))
    out = shell.run(day, place, WITH_REJECTS)
    assert '"completed_with_rejects"' in out
    assert "2,Bob,thirty,3,invalid,wrong_type," in (place / "mend.csv").read_text()


def test_the_examples_of_the_verbs(place: Path) -> None:
    shell.run("batchdrop drop people.csv --route people > job\nbatchdrop wait $(cat job)", place, WITH_REJECTS)
    job = (place / "job").read_text().strip()
    (place / "mend.csv").unlink(missing_ok=True)  # it is not written over
    for heading in re.findall(r"^### `batchdrop .*`$", (REPO / "docs/command.md").read_text("utf-8"), re.MULTILINE):
        verb = heading.split()[2].strip("`")
        if verb in ELSEWHERE and verb != "watch":
            continue
        lines = [line for line in shell.commands_under("docs/command.md", heading) if line != "batchdrop watch"]
        for line in lines:
            # What is sent again as it was is refused again: then nothing is accepted.
            again = {"wait": 1} if "--only-rejected" in line else {}
            piped = {"check": 0, "watch": 0} if "|" in line else {}
            shell.run(line.replace("3f2a9c0d", job[:12]), place, {**WITH_REJECTS, **again, **piped})


def test_the_commands_of_the_page_of_routes(place: Path) -> None:
    (place / "catalogue.yaml").write_text((place / "people.yaml").read_text())
    out = shell.run(shell.script("docs/routes.md", "# Routes"), place, {})
    assert 'route "catalogue" is in place' in out
