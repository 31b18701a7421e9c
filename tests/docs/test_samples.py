"""Every YAML and JSON sample is what it claims to be."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest
import yaml

from batchdrop.destinations import REGISTRY, destination
from batchdrop.route import read_route
from tests.docs.pages import REPO, Block, blocks

ROUTE_SCHEMA = json.loads((REPO / "docs/route.schema.json").read_text("utf-8"))
REPORT_SCHEMA = json.loads((REPO / "docs/report.schema.json").read_text("utf-8"))
SECRETS = [set(destination(name).secret) for name in REGISTRY]
ROUTES = [b for b in blocks("yaml") if "destination" in (yaml.safe_load(b.text) or {})]


@pytest.mark.parametrize("block", ROUTES, ids=str)
def test_a_route_is_valid_for_the_validator_and_the_schema(block: Block) -> None:
    raw = yaml.safe_load(block.text)
    assert read_route("sample", raw).vendor.name == raw["destination"]
    jsonschema.Draft202012Validator(ROUTE_SCHEMA).validate(raw)


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_a_json_sample_is_json_and_a_secret_or_report_complete(block: Block) -> None:
    data: Any = json.loads(block.text)
    if not isinstance(data, dict):
        return
    if data.get("schema") == REPORT_SCHEMA["properties"]["schema"]["const"]:
        validator = jsonschema.Draft202012Validator(REPORT_SCHEMA)
        validator.validate(data)
        counts = dict(data["counts"])
        assert counts.pop("records") == sum(counts.values())
    elif any(set(data) & fields for fields in SECRETS):
        assert set(data) in SECRETS


def test_there_are_samples_to_look_at() -> None:
    assert {yaml.safe_load(b.text)["destination"] for b in ROUTES} == set(REGISTRY)
