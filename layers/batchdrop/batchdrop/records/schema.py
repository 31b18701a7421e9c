"""The `input` section of a route as JSON Schema."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import NODEFAULT
from msgspec.structs import fields

from batchdrop.records.spec import ENCODINGS, MOST_DEPTH, TYPES, InputSpec


def _names(description: str, **of_list: object) -> dict[str, object]:
    one = {"type": "string", "minLength": 1}
    return {"description": description, "anyOf": [one, {"type": "array", "items": one, **of_list}]}


def _map(description: str, values: dict[str, object]) -> dict[str, object]:
    return {"description": description, "type": "object", "additionalProperties": values}


def _one_of(description: str, *words: str) -> dict[str, object]:
    return {"description": description, "enum": list(words)}


def _word_of(description: str, words: Sequence[str]) -> dict[str, object]:
    """One of these in letters of any size."""
    pattern = "|".join("".join(f"[{c}{c.upper()}]" if c.islower() else c for c in word) for word in words)
    any_case = {"type": "string", "pattern": f"^(?:{pattern})$"}
    return {"description": description, "anyOf": [{"enum": list(words)}, any_case]}


def _character(description: str, but: str = "") -> dict[str, object]:
    """One ASCII character; a digit needs no quotes."""
    unless = f"(?![{but}])" if but else ""
    pattern = rf"^(?:tab|\\t|{unless}[\x01-\x09\x0b\x0c\x0e-\x7f])$"
    return {"description": description, "type": ["string", "integer"], "pattern": pattern, "minimum": 0, "maximum": 9}


def _count(description: str) -> dict[str, object]:
    return {"description": description, "type": "integer", "minimum": 1}


def _text(description: str) -> dict[str, object]:
    return {"description": description, "type": "string"}


PROPERTIES: dict[str, dict[str, object]] = {
    "format": _one_of("the file's format; auto: by its content, then its name", "auto", "csv", "json", "ndjson"),
    "compression": _one_of("auto: by the file's first bytes; zip: with a single entry", "auto", "none", "gzip", "zip"),
    "encoding": _word_of(
        "the encoding of the text, where it is not UTF-8; it is never guessed, but a file that begins with UTF-8's "
        "byte-order mark is UTF-8",
        ENCODINGS,
    ),
    "id": _names("the field, or fields, a record is known by at the vendor; rejects are matched by it"),
    "id_joiner": _text(
        "what stands between the parts of an id of several fields; no part should hold it, or two ids may be one"
    ),
    "types": _map("types of CSV columns; a column without one stays text, byte for byte", {"enum": list(TYPES)}),
    "rename": _map("new names of fields, by their name in the file", {"type": "string", "minLength": 1}),
    "drop": _names("fields that are not sent"),
    "empty": _one_of(
        "what becomes of an empty CSV cell in a JSON record: the field is left out, is null, or is empty as its type"
        ' can be: "" as text and timestamp, [] as list; of the other types, which have no empty value, null',
        "omit",
        "null",
        "string",
    ),
    "delimiter": _character(
        "what separates CSV cells: one ASCII character, or tab; no double quote and no backslash", r'"\\'
    ),
    "quote": _character("what encloses CSV cells: one ASCII character"),
    "header": _names("names of the CSV columns, where the file has no header line", minItems=1, uniqueItems=True),
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
