"""YAML and JSON files read strictly: a key that stands twice is refused, and what looks like text is text.

Of YAML only true and false, null and plain decimal numbers are no text, which is stricter than its version 1.2: `no`
and `on` are words, `00123` keeps its zeros, `0x1F` and `2026-01-01` are what is written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from local.trouble import Trouble

_TAG = "tag:yaml.org,2002:"
_WORDS = {
    f"{_TAG}bool": re.compile(r"true|True|TRUE|false|False|FALSE"),
    f"{_TAG}null": re.compile(r"~|null|Null|NULL|"),
    f"{_TAG}int": re.compile(r"[-+]?(?:0|[1-9][0-9]*)"),
    f"{_TAG}float": re.compile(
        r"[-+]?(?:0|[1-9][0-9]*)?\.[0-9]+(?:[eE][-+]?[0-9]+)?|[-+]?(?:0|[1-9][0-9]*)[eE][-+]?[0-9]+"
    ),
}


def read_file(path: Path) -> Any:
    """What a YAML or JSON file holds; `Trouble` with file and line when it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise Trouble(f"{path} cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from None
    if not text.strip():
        raise Trouble(f"{path} is empty")
    return _json(path, text) if path.suffix.lower() == ".json" else _yaml(path, text)


def _json(path: Path, text: str) -> Any:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in pairs:
            if name in found:
                raise Trouble(f'{path}: the key "{name}" stands twice in one object; keep one of them')
            found[name] = value
        return found

    try:
        return json.loads(text, object_pairs_hook=unique)
    except (ValueError, RecursionError) as error:
        raise _invalid(path, "JSON", getattr(error, "lineno", 0)) from None


def _yaml(path: Path, text: str) -> Any:
    try:
        return yaml.load(text, _Strict)  # noqa: S506 -- it is made from the safe loader
    except _Twice as error:
        raise Trouble(f'{path}, line {error.line}: the key "{error.key}" stands twice; keep one of them') from None
    except (ValueError, RecursionError, yaml.YAMLError) as error:
        mark = getattr(error, "problem_mark", None)
        raise _invalid(path, "YAML", mark.line + 1 if mark else 0) from None


def _invalid(path: Path, kind: str, line: int) -> Trouble:
    place = f", line {line}" if line else ""
    return Trouble(f"{path}{place}: this is not valid {kind}")  # only the place: around it may be a secret


class _Twice(Exception):
    def __init__(self, key: object, line: int) -> None:
        super().__init__()
        self.key, self.line = key, line


class _Strict(yaml.SafeLoader):
    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen = set()
        for name, _ in node.value:
            key = name.value if isinstance(name, yaml.ScalarNode) else None
            if key in seen and key != "<<":
                raise _Twice(key, name.start_mark.line + 1)
            seen.add(key)
        return super().construct_mapping(node, deep)


# Other packages change the safe loader for all who use it: this one has what it had in the beginning.
_Strict.yaml_constructors = yaml.constructor.SafeConstructor.yaml_constructors.copy()
_Strict.yaml_implicit_resolvers = {}  # none of the safe loader's own
for tag, words in _WORDS.items():
    _Strict.add_implicit_resolver(tag, re.compile(f"^(?:{words.pattern})$"), None)
_Strict.add_implicit_resolver(f"{_TAG}merge", re.compile("^<<$"), ["<"])
