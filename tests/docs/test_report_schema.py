"""docs/report.schema.json is the form of the reports the code really writes."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from tests.docs.pages import REPO
from tests.simulation.faults import Choice, Plan
from tests.simulation.run import Simulation
from tests.simulation.scenario import NAMES, scenario

SCHEMA: dict[str, Any] = json.loads((REPO / "docs/report.schema.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def reports(name: str, data: bytes = b"", fault: Choice | None = None) -> list[dict[str, Any]]:
    """The reports of a scenario's whole jobs, on virtual time; with `data`, of that file instead of its own."""
    with Simulation(scenario(name), plan=Plan([fault] if fault else [])) as simulation:
        simulation.drop(name="other.csv" if data else "", data=data)
        simulation.drain()
        return [simulation.report(job) for job in simulation.jobs()]


def test_the_schema_is_one_and_lets_nothing_undocumented_pass() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    [good] = reports("lookup")
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate(good | {"new": 1})
    with pytest.raises(jsonschema.ValidationError):
        VALIDATOR.validate({k: v for k, v in good.items() if k != "counts"})


def _optional(schema: object, name: str = "") -> list[str]:
    """The fields that need not be there, wherever they are."""
    if isinstance(schema, list):
        return [found for each in schema for found in _optional(each)]
    if not isinstance(schema, dict):
        return []
    own = [f"{name}.{key}" for key in schema.get("properties", ()) if key not in schema["required"]]
    return own + [found for key, each in schema.items() for found in _optional(each, key)]


def test_the_page_names_the_fields_that_are_not_always_there() -> None:
    optional = _optional(SCHEMA)
    assert optional == ["failure.line", "failure.offset", "failure.status", "failure.records"]
    told = "is always there, but for four of `failure`: `line`, `offset`, `status` and `records` stand there only where"
    assert told in (REPO / "docs/reports.md").read_text("utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_the_report_of_each_destination_fits(name: str) -> None:
    for report in reports(name):
        VALIDATOR.validate(report)
        assert report["batches"]


@pytest.mark.parametrize(
    "data", [b"id,name\n1,caf\xe9\n", b"\x89PNG\r\n\x1a\n" + bytes(64)], ids=["latin-1", "a picture"]
)
def test_the_report_of_a_file_that_cannot_be_sent_fits(data: bytes) -> None:
    [report] = reports("lookup", data)
    VALIDATOR.validate(report)
    assert (report["outcome"], report["destination"]) == ("failed", "oneshot")


@pytest.mark.parametrize("name", ["lookup", "hold", "resubmit"])
def test_the_reports_fit_wherever_an_answer_got_lost(name: str) -> None:
    found = [report for call in range(40) for report in reports(name, fault=(call, "reset_after"))]
    for report in found:
        VALIDATOR.validate(report)
    assert {"lookup": 1, "hold": 2, "resubmit": 1}[name] == len({report["outcome"] for report in found})
    assert any(batch["flagged"] for report in found for batch in report["batches"]) == (name == "resubmit")
