"""A JSON object that looks as if it held the records in an array, of a route that reads it as a record itself."""

from __future__ import annotations

import re

from msgspec import Struct

from batchdrop.records.columns import is_ours
from batchdrop.records.jsoncodec import source_path
from batchdrop.records.jsonhead import decode_text
from batchdrop.records.spec import InputSpec
from batchdrop.records.utf8 import BOM
from batchdrop.storable import storable

_TOKEN = re.compile(rb'"(?:[^"\\]++|\\[\s\S])*+"|[{}\[\]\n"]')
_OBJECTS = re.compile(rb"\s*:\s*\[\s*\{")
_COLON = re.compile(rb"\s*:")
MOST_NAME = 100  # characters that are told of it


class _Object(Struct):
    """What is seen of the first object of a text, up to its end or the text's."""

    keys: list[str]
    arrays: list[str]  # those of them that hold objects in an array
    is_one_line: bool


def hint_of(head: bytes, spec: InputSpec, records: int) -> str:
    """What to say of a file of lines that begins with `head` and has so many records: mostly nothing.

    An object that goes over several lines is no record; one on a line of its own may be, and is doubted only where it
    is all there is, and has not the fields a record must have, or no others.
    """
    found = _first_object(head)
    if len(found.arrays) != 1 or is_ours(found.keys):
        return ""
    if found.is_one_line and (records != 1 or _may_be_one(found, spec)):
        return ""
    setting = "input.json_key" if spec.format != "ndjson" else "input.format to json and input.json_key"
    key = storable(found.arrays[0][:MOST_NAME])
    how = f"the file is a JSON object with an array under '{key}', but each line is read as a record"
    return f"{how}: if the records are in that array, set {setting} to its name"


def _may_be_one(found: _Object, spec: InputSpec) -> bool:
    paths = [source_path(name, spec.rename) for name in (*spec.id, *spec.required)]
    if paths:
        return all(path[0] in found.keys or ".".join(path) in found.keys for path in paths)
    return len(found.keys) > 1


def _first_object(head: bytes) -> _Object:
    found, depth = _Object([], [], is_one_line=True), 0
    for token in _TOKEN.finditer(head.removeprefix(BOM).lstrip()):
        mark, end = token.group(), token.end()
        if mark in b"{[":
            depth += 1
        elif mark in b"}]":
            depth -= 1
            if not depth:
                break
        elif mark == b'"':
            break  # the head ends within this string
        elif mark == b"\n":
            found.is_one_line = False
        elif depth == 1 and _COLON.match(token.string, end) and (key := decode_text(mark)) is not None:
            found.keys.append(key)
            found.arrays += [key] if _OBJECTS.match(token.string, end) else []
    return found
