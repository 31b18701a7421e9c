"""The set-up that each destination's page shows, from its route to its rejects, against the vendor's simulator."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from local import samples
from local.simulators.datagroup import DataGroupSimulator
from local.simulators.haplo import HaploSimulator
from local.simulators.mediarithmics import MediarithmicsSimulator
from local.simulators.ometria import OmetriaSimulator
from local.simulators.server import Simulator
from local.simulators.sherpa import SherpaSimulator
from tests.docs.pages import REPO
from tests.e2e import shell
from tests.e2e.rig import FAST, Rig

_SAMPLE = re.compile(r"^`([\w-]+\.(?:yaml|json))`[^\n]*\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_WHOSE = ("base_url", "domain_key", "location_key", "table_id", "datamart_id", "transfer_hosts")


@dataclass(frozen=True, slots=True)
class Walk:
    """What is dropped on a page, and with what its commands exit."""

    vendor: Callable[[], Simulator[Any]]
    drop: str
    make: Callable[[Path], None]
    expected: dict[str, int]


WALKS = {
    "datagroup": Walk(DataGroupSimulator, "people.csv", lambda path: samples.mailing_list(path, 20), {}),
    "haplo": Walk(HaploSimulator, "people-files", samples.people_set, {}),
    "mediarithmics": Walk(
        MediarithmicsSimulator, "visits.ndjson", lambda path: samples.activities(path, 20), {"wait": 4}
    ),
    "ometria": Walk(OmetriaSimulator, "shop-files", samples.shop_set, {}),
    "sherpa": Walk(SherpaSimulator, "products.csv", lambda path: samples.catalogue(path, 20), {"check": 4, "wait": 4}),
}


@dataclass(frozen=True, slots=True)
class Walked:
    """What came of it."""

    printed: str
    rejects: str
    violations: list[str]


@pytest.fixture(scope="module")
def walks(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Walked]]]:
    """All pages side by side: they spend their time waiting."""
    places = {name: shell.tools(tmp_path_factory.mktemp(name)) for name in WALKS}
    with ThreadPoolExecutor() as pool:
        yield {name: pool.submit(_walk, name, place) for name, place in places.items()}


def _walk(name: str, place: Path) -> Walked:
    walk, page = WALKS[name], f"docs/destinations/{name}.md"
    with walk.vendor() as vendor:
        for file, text in _SAMPLE.findall((REPO / page).read_text("utf-8")):
            shown = yaml.safe_load(text)
            made = _at_simulator(shown, vendor) if file.endswith(".yaml") else _secret(shown, vendor)
            (place / file).write_text(json.dumps(made))
        walk.make(place / walk.drop)
        lines = shell.commands_under(page, "## Set it up")
        printed = shell.run("\n".join(map(_with_its_job, lines)), place, walk.expected)
        rejects = "".join(file.read_text() for file in place.glob("mend-me.*"))
        return Walked(printed, rejects, [str(violation) for violation in vendor.violations])


@pytest.mark.parametrize("name", WALKS)
def test_the_set_up_of_a_destinations_page_works_as_shown(walks: dict[str, Future[Walked]], name: str) -> None:
    walked = walks[name].result()
    assert f"go to {name}" in walked.printed
    assert walked.violations == []
    assert ("batchdrop_message" in walked.rejects) == ("wait" in WALKS[name].expected)


def _at_simulator(shown: dict[str, Any], vendor: Simulator[Any]) -> dict[str, Any]:
    """The route shown, but to the simulator's account, and impatient."""
    example = vendor.example()["route"]["account"]
    account = {**shown["account"], **{key: example[key] for key in _WHOSE if key in example}}
    return shown | {"account": account, "poll": FAST}


def _secret(shown: dict[str, Any], vendor: Simulator[Any]) -> dict[str, str]:
    secret: dict[str, str] = vendor.example()["secret"]
    assert shown.keys() == secret.keys()
    return secret


def _with_its_job(line: str) -> str:
    if line.startswith("batchdrop drop"):
        return f"job=$({line.partition('#')[0].strip()})"
    return re.sub(r"\bJOB\b", '"$job"', line)
