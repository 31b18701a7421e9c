"""The `input` section of a route as JSON Schema."""

from __future__ import annotations

from msgspec import NODEFAULT
from msgspec.structs import fields

from batchdrop.records.spec import ENCODINGS, MOST_DEPTH, TYPES, InputSpec


def _names(description: str) -> dict[str, object]:
    one = {"type": "string"}
    return {"description": description, "anyOf": [one, {"type": "array", "items": one}]}


def _map(description: str, values: dict[str, object]) -> dict[str, object]:
    return {"description": description, "type": "object", "additionalProperties": values}


def _one_of(description: str, *words: str) -> dict[str, object]:
    return {"description": description, "enum": list(words)}


def _count(description: str) -> dict[str, object]:
    return {"description": description, "type": "integer", "minimum": 1}


def _text(description: str) -> dict[str, object]:
    return {"description": description, "type": "string"}


PROPERTIES: dict[str, dict[str, object]] = {
    "format": _one_of("the file's format; auto: by its content, then its name", "auto", "csv", "json", "ndjson"),
    "compression": _one_of("auto: by the file's first bytes; zip: with a single entry", "auto", "none", "gzip", "zip"),
    "encoding": _one_of(
        "the encoding of the text, where it is not UTF-8; it is never guessed, but a file that begins with UTF-8's "
        "byte-order mark is UTF-8",
        *ENCODINGS,
    ),
    "id": _names("the field, or fields, a record is known by at the vendor; rejects are matched by it"),
    "id_joiner": _text("what stands between the parts of an id of several fields"),
    "types": _map("types of CSV columns; a column without one stays text, byte for byte", {"enum": list(TYPES)}),
    "rename": _map("new names of fields, by their name in the file", {"type": "string"}),
    "drop": _names("fields that are not sent"),
    "empty": _one_of("what becomes of an empty CSV cell", "omit", "null", "string"),
    "delimiter": _text("what separates CSV cells: one character, or tab; no double quote and no backslash"),
    "quote": _text("what encloses CSV cells: one character"),
    "header": _names("names of the CSV columns, where the file has no header line"),
    "json_key": _text("the key that holds the array, where the JSON is an object; not for .ndjson and .jsonl files"),
    "required": _names("fields every record must have"),
    "duplicates": _one_of(
        "what to do with ids that come again in one file; default: reject where records have an id and the vendor names"
        " those it refuses (mediarithmics, sherpa), else allow",
        "reject",
        "last_wins",
        "allow",
    ),
    "max_record_bytes": _count("a longer record is invalid"),
    "max_expanded_bytes": _count("a compressed file that expands beyond this is refused"),
    "max_ratio": _count("a compressed file that expands more than this many times is refused"),
    "max_depth": _count(f"JSON nested deeper than this is invalid; at most {MOST_DEPTH}") | {"maximum": MOST_DEPTH},
}


def input_schema(description: str) -> dict[str, object]:
    """JSON Schema of a route's `input`."""
    defaults = {f.name: f.default for f in fields(InputSpec) if f.default not in (NODEFAULT, None, ())}
    del defaults["duplicates"]  # it depends on the vendor
    properties = {
        name: found | ({"default": defaults[name]} if name in defaults else {}) for name, found in PROPERTIES.items()
    }
    return {"type": "object", "description": description, "additionalProperties": False, "properties": properties}
