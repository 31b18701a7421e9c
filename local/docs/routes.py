"""The reference of routes, from the declarations the validator itself uses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from batchdrop.destinations import destination
from batchdrop.fields import REQUIRED, Field
from batchdrop.records.schema import input_schema
from batchdrop.route import COMMON, POLL, SIDE_BY_SIDE
from local.docs.markdown import code, table

_NAMES = {"text": "text", "map": "mapping", "list": "list", "boolean": "true/false", "integer": "whole number"}


def route() -> str:
    return _options(COMMON)


def poll() -> str:
    return _options(POLL, "poll.")


def side_by_side() -> str:
    return _options(SIDE_BY_SIDE, "side_by_side.")


def account(name: str) -> str:
    vendor = destination(name)
    secret = ", ".join(f"`{field}`" for field in vendor.secret)
    return f"{_options(vendor.account, 'account.')}\n\nIts secret has the fields {secret}."


def input_() -> str:
    properties: Any = input_schema("")["properties"]
    rows = (
        (f"`input.{name}`", _values(found), _default(found), found["description"]) for name, found in properties.items()
    )
    return table(("option", "value", "default", "meaning"), rows)


def _options(fields: Mapping[str, Field], prefix: str = "") -> str:
    rows = ((f"`{prefix}{name}`", _kind(field), _given(field), field.description) for name, field in fields.items())
    return table(("option", "value", "default", "meaning"), rows)


def _kind(field: Field) -> str:
    if field.choices:
        return " · ".join(f"`{choice}`" for choice in field.choices)
    bounds = [(field.minimum, "at least"), (field.maximum, "at most")]
    told = [f"{words} {field.bound(bound)}" for bound, words in bounds if bound]
    return ", ".join([_NAMES.get(field.kind, field.kind), *told])


def _given(field: Field) -> str:
    if field.default is REQUIRED:
        return "**required**"
    return "" if field.default in (None, {}, ()) else code(field.default)


def _values(found: Mapping[str, Any]) -> str:
    if "enum" in found:
        return " · ".join(f"`{choice}`" for choice in found["enum"])
    if "anyOf" in found:
        return _values(found["anyOf"][0]) if "enum" in found["anyOf"][0] else "name, or list of names"
    if "additionalProperties" in found:
        return "mapping of names to " + (_values(found["additionalProperties"]) or "names")
    if found["type"] == "integer":
        return "whole number above 0"
    return "text" if "default" in found else ""


def _default(found: Mapping[str, Any]) -> str:
    return code(found["default"]) if "default" in found else ""
