"""The report in docs/reports.md is that of the README's file, dropped under the README's route."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import yaml

from batchdrop.drop import job_id
from batchdrop.report.advice import what_next
from tests.docs.pages import REPO, blocks_of
from tests.simulation.run import Simulation
from tests.simulation.scenario import scenario

README = REPO / "README.md"


def _made() -> dict[str, Any]:
    """On virtual time, at a vendor whose words are known."""
    file = re.search(r"^cat > people\.csv <<'END'\n(.*?)^END$", README.read_text("utf-8"), re.MULTILINE | re.DOTALL)
    assert file
    routes = [yaml.safe_load(block.text) for block in blocks_of(README) if block.language == "yaml"]
    [route] = [route for route in routes if route["destination"] == "datagroup"]
    given = scenario("datagroup")
    account = {**given.account, "running_states": ["UPLOADED", "PROCESSING"]}
    files = {"people.csv": file[1].encode()}
    people = replace(
        given, name="people", account=account, files=files, records=3, limits={}, route={"input": route["input"]}
    )
    with Simulation(people) as simulation:
        simulation.drop()
        simulation.drain()
        [job] = simulation.jobs()
        return simulation.report(job)


def _shown() -> dict[str, Any]:
    found = [json.loads(b.text) for b in blocks_of(REPO / "docs/reports.md") if b.language == "json"]
    [report] = [report for report in found if report.get("schema") == "batchdrop.report/1"]
    return dict(report)


def _lasting(report: dict[str, Any]) -> dict[str, Any]:
    """Without what is another each time: ids and times."""
    moments = {"at", "started_at", "finished_at", "packaged_at", "submitted_at", "done_at", "collected_at"}

    def lasting(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                k: "…" if k in {"bucket", "version_id", "batch_id", *moments} else lasting(v) for k, v in value.items()
            }
        return [lasting(each) for each in value] if isinstance(value, list) else value

    return dict(
        lasting(json.loads(json.dumps(report).replace(report["job_id"], "JOB").replace(report["job_id"][:8], "J")))
    )


def test_the_report_shown_is_the_one_that_is_made() -> None:
    shown = _shown()
    assert _lasting(shown) == _lasting(_made())
    drop = shown["drop"]
    assert shown["job_id"] == job_id(drop["bucket"], drop["key"], drop["version_id"])
    assert shown["what_next"] == what_next(shown)
