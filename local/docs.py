"""The parts of the documentation that are made from the code: `make docs` writes them, a test sees that they are fresh.

A page holds them between `<!-- generated: WHAT WORDS… -->` and `<!-- end -->`; all around is written by hand.
`python -m local.docs [--check]`.
"""

from __future__ import annotations

import ast
import json
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from batchdrop.destinations import destination
from batchdrop.fields import REQUIRED, Field
from batchdrop.records.schema import input_schema
from batchdrop.route import COMMON, POLL, schema
from local.home import REPO

DOCS = REPO / "docs"
SCHEMA = DOCS / "route.schema.json"
REPORT_SCHEMA = DOCS / "report.schema.json"
_PART = re.compile(r"(<!-- generated: ([^>]*?) -->\n).*?(<!-- end -->)", re.DOTALL)
_NAMES = {"text": "text", "map": "mapping", "list": "list", "boolean": "true/false", "integer": "whole number"}


def main(arguments: Sequence[str]) -> int:
    """Write what is not as it should be, or with `--check` only name it; 1 if there was any such."""
    stale = {path: text for path, text in generated() if not path.exists() or path.read_text("utf-8") != text}
    for path, text in stale.items():
        sys.stdout.write(f"{path.relative_to(REPO)}\n")
        if "--check" not in arguments:
            path.write_text(text, "utf-8")
    return 1 if stale and "--check" in arguments else 0


def generated() -> Iterator[tuple[Path, str]]:
    """Every file that is generated, in whole or in parts, and what should be in it."""
    yield SCHEMA, json.dumps(schema(), ensure_ascii=False, indent=2) + "\n"
    for page in [REPO / "README.md", *sorted(DOCS.rglob("*.md"))]:
        yield page, _PART.sub(_filled, page.read_text("utf-8"))


def _filled(part: re.Match[str]) -> str:
    what, *words = part[2].split()
    return f"{part[1]}{_MAKERS[what](*words)}\n{part[3]}"


# --- routes ---


def _route() -> str:
    return _options(COMMON)


def _poll() -> str:
    return _options(POLL, "poll.")


def _account(name: str) -> str:
    vendor = destination(name)
    secret = ", ".join(f"`{field}`" for field in vendor.secret)
    return f"{_options(vendor.account, 'account.')}\n\nIts secret has the fields {secret}."


def _input() -> str:
    properties: Any = input_schema("")["properties"]
    rows = (
        (f"`input.{name}`", _values(found), _default(found), found["description"]) for name, found in properties.items()
    )
    return _table(("option", "value", "default", "meaning"), rows)


def _options(fields: Mapping[str, Field], prefix: str = "") -> str:
    rows = ((f"`{prefix}{name}`", _kind(field), _given(field), field.description) for name, field in fields.items())
    return _table(("option", "value", "default", "meaning"), rows)


def _kind(field: Field) -> str:
    if field.choices:
        return " · ".join(f"`{choice}`" for choice in field.choices)
    bounds = [(field.minimum, "at least"), (field.maximum, "at most")]
    write = _duration if field.kind == "duration" else "{:,}".format
    told = [f"{words} {write(bound)}" for bound, words in bounds if bound]
    return ", ".join([_NAMES.get(field.kind, field.kind), *told])


def _duration(seconds: float) -> str:
    unit, length = next((u, n) for u, n in (("d", 86400), ("h", 3600), ("m", 60), ("s", 1)) if not seconds % n)
    return f"{seconds // length:g}{unit}"


def _given(field: Field) -> str:
    if field.default is REQUIRED:
        return "**required**"
    return "" if field.default in (None, {}, ()) else _code(field.default)


def _values(found: Mapping[str, Any]) -> str:
    if "enum" in found:
        return " · ".join(f"`{choice}`" for choice in found["enum"])
    if "anyOf" in found:
        return "name, or list of names"
    if "additionalProperties" in found:
        return "mapping of names to " + (_values(found["additionalProperties"]) or "names")
    return {"integer": "whole number above 0", "string": "" if "default" not in found else "text"}.get(
        found["type"], ""
    )


def _default(found: Mapping[str, Any]) -> str:
    return _code(found["default"]) if "default" in found else ""


def _code(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(map(_code, value))
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"


# --- reports ---


def _report() -> str:
    found = json.loads(REPORT_SCHEMA.read_text("utf-8"))
    return _table(("field", "value", "meaning"), _fields(found, "", found["$defs"]))


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


# --- code ---


def _source(path: str, *names: str) -> str:
    """The lines of definitions (`Class.method`, `NAME`), or of a class without its methods (`Class.`)."""
    text = (REPO / path).read_text("utf-8")
    parts = [textwrap.dedent(_definition(text, name)) for name in names]
    return f"```python\n# {path}\n" + "\n\n".join(parts).rstrip() + "\n```"


def _definition(text: str, name: str) -> str:
    lines, body = text.splitlines(), ast.parse(text).body
    node: ast.AST | None = None
    for part in filter(None, name.split(".")):
        node = next(n for n in body if part in _named(n))
        body = getattr(node, "body", [])
    assert isinstance(node, ast.stmt)
    end = node.end_lineno or node.lineno
    if name.endswith("."):
        end = next(n.lineno for n in body if isinstance(n, ast.FunctionDef)) - 1
    decorators = getattr(node, "decorator_list", [])
    return "\n".join(lines[min([node.lineno, *(d.lineno for d in decorators)]) - 1 : end])


def _named(node: ast.stmt) -> tuple[str, ...]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return (node.name,)
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return (node.target.id,)
    if isinstance(node, ast.Assign):
        return tuple(target.id for target in node.targets if isinstance(target, ast.Name))
    return ()


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [columns, ["---"] * len(columns), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


_MAKERS: Mapping[str, Callable[..., str]] = {
    "route": _route,
    "poll": _poll,
    "account": _account,
    "input": _input,
    "report": _report,
    "source": _source,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
