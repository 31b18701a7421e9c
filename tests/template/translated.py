"""The template as CloudFormation will see it: translated by the SAM translator, offline."""

from __future__ import annotations

import copy
import os
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from samcli.yamlhelper import yaml_parse  # type: ignore[import-untyped]
from samtranslator.translator.transform import transform

REPO = Path(__file__).resolve().parents[2]
TEMPLATE = REPO / "template.yaml"
Resource = dict[str, Any]


class _NoManagedPolicies:
    def load(self) -> dict[str, str]:
        return {}


@cache
def source() -> dict[str, Any]:
    """The template as written, its short intrinsics spelled out."""
    found: dict[str, Any] = yaml_parse(TEMPLATE.read_text())
    return found


@cache
def template() -> dict[str, Any]:
    """The translated template; the local files it names stand for what `sam package` would upload."""
    given = copy.deepcopy(source())
    for resource in given["Resources"].values():
        for name in ("CodeUri", "ContentUri", "DefinitionUri"):
            if name in resource.get("Properties", {}):
                resource["Properties"][name] = {"Bucket": "artifacts", "Key": name}
    values = {name: str(p.get("Default", "")) for name, p in given["Parameters"].items()}
    os.environ.setdefault(
        "AWS_DEFAULT_REGION", "eu-west-1"
    )  # the translator fails without one, also where it needs none
    found: dict[str, Any] = transform(given, values, _NoManagedPolicies())
    return found


@cache
def resolved(**parameters: str) -> dict[str, Any]:
    """The translated template as deployed with these parameters, all others at their default: no conditions left."""
    given = template()
    values = {name: str(parameter["Default"]) for name, parameter in given["Parameters"].items()} | parameters
    conditions = {name: _holds(test, values) for name, test in given.get("Conditions", {}).items()}
    found: dict[str, Any] = _chosen(given["Resources"], conditions)
    return {n: r for n, r in found.items() if conditions.get(r.get("Condition", ""), True)}


def _holds(test: dict[str, Any], values: dict[str, str]) -> bool:
    ((word, parts),) = test.items()
    if word == "Fn::Equals":
        one, other = (values[p["Ref"]] if isinstance(p, dict) else str(p) for p in parts)
        return one == other
    held = [_holds(part, values) for part in parts]
    return {"Fn::Not": not held[0], "Fn::And": all(held), "Fn::Or": any(held)}[word]


def _chosen(value: Any, conditions: dict[str, bool]) -> Any:
    if isinstance(value, list):
        return [v for v in (_chosen(one, conditions) for one in value) if v != {"Ref": "AWS::NoValue"}]
    if not isinstance(value, dict):
        return value
    if "Fn::If" in value:
        name, yes, no = value["Fn::If"]
        return _chosen(yes if conditions[name] else no, conditions)
    found = {key: _chosen(one, conditions) for key, one in value.items()}
    return {key: one for key, one in found.items() if one != {"Ref": "AWS::NoValue"}}


def resources(kind: str, **parameters: str) -> dict[str, Resource]:
    """All translated resources of a type, by logical id: their properties."""
    return {n: r.get("Properties", {}) for n, r in resolved(**parameters).items() if r["Type"] == kind}


def listed(value: object) -> list[Any]:
    """A value that may stand alone where a list is meant."""
    return value if isinstance(value, list) else [value]


def statements(**parameters: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """`(role, statement)` of every inline policy of every role."""
    for name, role in resources("AWS::IAM::Role", **parameters).items():
        for policy in role.get("Policies", []):
            for statement in listed(policy["PolicyDocument"]["Statement"]):
                yield name, statement


def references(value: object) -> Iterator[str]:
    """Logical ids a value refers to, by Ref, GetAtt or Sub."""
    if isinstance(value, list):
        for one in value:
            yield from references(one)
    elif isinstance(value, dict):
        for key, one in value.items():
            if key == "Ref":
                yield str(one)
            elif key == "Fn::GetAtt":
                yield one[0] if isinstance(one, list) else str(one).partition(".")[0]
            elif key == "Fn::Sub":
                yield from _in_text(one)
            else:
                yield from references(one)


def _in_text(sub: object) -> Iterator[str]:
    text = sub[0] if isinstance(sub, list) else sub
    yield from (name.partition(".")[0] for name in re.findall(r"\$\{([^!}]+)\}", str(text)))
    if isinstance(sub, list):
        yield from references(sub[1])
