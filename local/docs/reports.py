"""The fields of a report, from its JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from local.docs.markdown import table
from local.home import REPO

SCHEMA = REPO / "docs" / "report.schema.json"


def report() -> str:
    found = json.loads(SCHEMA.read_text("utf-8"))
    return table(("field", "value", "meaning"), _fields(found, "", found["$defs"]))


def _fields(found: Mapping[str, Any], prefix: str, defs: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for name, field in found["properties"].items():
        target = defs[field["$ref"].rpartition("/")[2]] if "$ref" in field else {}
        yield f"`{prefix}{name}`", _type(target | field), (target | field)["description"]
        inner = field.get("items", field)
        if "properties" in inner:
            yield from _fields(inner, f"{prefix}{name}{'[]' if 'items' in field else ''}.", defs)


def _type(field: Mapping[str, Any]) -> str:
    if "const" in field:
        return f"`{field['const']}`"
    if "enum" in field:
        return " · ".join(f"`{word}`" for word in field["enum"])
    kinds = field["type"] if isinstance(field["type"], list) else [field["type"]]
    names = {"array": "list", "string": "text", "integer": "whole number", "null": "null", "boolean": "true/false"}
    return " or ".join(str(names.get(kind, kind)) for kind in kinds)
