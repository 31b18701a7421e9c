"""How a drop is to be read (`InputSpec`) and what a batch must look like (`OutputSpec`)."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from batchdrop.errors import RouteError

InputFormat = Literal["auto", "csv", "json", "ndjson"]
Compression = Literal["auto", "none", "gzip", "zip"]
Empty = Literal["omit", "null", "string"]
Duplicates = Literal["reject", "last_wins", "allow"]
OutputFormat = Literal["json_array", "ndjson", "csv"]
Quoting = Literal["strings", "minimal"]

ENCODINGS = ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "windows-1252", "iso-8859-1", "iso-8859-15")
TYPES = ("string", "integer", "number", "boolean", "timestamp", "list", "json")


@dataclass(frozen=True, slots=True)
class InputSpec:
    """How to read a drop. Column and field names are those of the file; `id` and `required` may also use the new
    name of a renamed column. An `encoding` other than UTF-8 is converted; it is never guessed."""

    format: InputFormat = "auto"
    compression: Compression = "auto"
    encoding: str = "utf-8"
    id: tuple[str, ...] = ()
    id_joiner: str = "/"
    types: Mapping[str, str] = field(default_factory=dict)
    rename: Mapping[str, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    empty: Empty = "string"
    delimiter: str = ","
    quote: str = '"'
    header: tuple[str, ...] | None = None
    json_key: str | None = None
    required: tuple[str, ...] = ()
    forbidden_in_id: str = ""
    duplicates: Duplicates = "allow"
    max_record_bytes: int = 10_000_000
    max_expanded_bytes: int = 200_000_000_000
    max_ratio: int = 200
    max_depth: int = 64

    @classmethod
    def from_route(cls, mapping: Mapping[str, object]) -> InputSpec:
        """Read the `input:` part of a route. Raises `RouteError` naming the field, with a suggestion for typos."""
        values: dict[str, object] = {}
        for name, value in mapping.items():
            if name not in _READERS:
                raise RouteError(f"unknown option '{name}'{_did_you_mean(name, _READERS)}", f"input.{name}")
            values[name] = _READERS[name](f"input.{name}", value)
        spec = cls(**values)  # type: ignore[arg-type]
        if spec.delimiter == spec.quote:
            raise RouteError("the delimiter and the quote must differ", "input.delimiter")
        return spec


@dataclass(frozen=True, slots=True)
class OutputSpec:
    """What a batch must look like: at most `max_bytes` bytes and `max_records` records each.

    `csv_quoting`: `strings` quotes every cell that is not a declared number or boolean; `minimal` only where needed.
    """

    format: OutputFormat
    max_bytes: int
    max_records: int | None = None
    csv_quoting: Quoting = "minimal"


def _did_you_mean(word: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, list(known), n=1)
    return f"; did you mean '{close[0]}'?" if close else f"; known are {', '.join(known)}"


def _text(field_name: str, value: object) -> str:
    if not isinstance(value, str):
        raise RouteError("must be a text", field_name)
    return value


def _names(field_name: str, value: object) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not all(isinstance(n, str) and n for n in names):
        raise RouteError("must be a name or a list of names", field_name)
    return tuple(names)


def _one_of(*allowed: str) -> Callable[[str, object], str]:
    def read(field_name: str, value: object) -> str:
        if value not in allowed:
            raise RouteError(f"is '{value}'{_did_you_mean(str(value), allowed)}", field_name)
        return str(value)

    return read


def _character(field_name: str, value: object) -> str:
    text = {"\\t": "\t", "tab": "\t"}.get(str(value), str(value))
    if len(text) != 1 or not text.isascii() or text in "\r\n\0":
        raise RouteError("must be one ASCII character", field_name)
    return text


def _encoding(field_name: str, value: object) -> str:
    name = str(value).lower()
    if name not in ENCODINGS:
        raise RouteError(f"is '{value}'{_did_you_mean(name, ENCODINGS)}", field_name)
    return name


def _positive(field_name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise RouteError("must be a whole number above 0", field_name)
    return value


def _text_map(field_name: str, value: object) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(v, str) and v for v in value.values()):
        raise RouteError("must map names to names", field_name)
    return {str(k): v for k, v in value.items()}


def _types(field_name: str, value: object) -> dict[str, str]:
    types = _text_map(field_name, value)
    for column, kind in types.items():
        if kind not in TYPES:
            raise RouteError(f"is '{kind}'{_did_you_mean(kind, TYPES)}", f"{field_name}.{column}")
    return types


_READERS: Mapping[str, Callable[[str, object], object]] = {
    "format": _one_of("auto", "csv", "json", "ndjson"),
    "compression": _one_of("auto", "none", "gzip", "zip"),
    "encoding": _encoding,
    "id": _names,
    "id_joiner": _text,
    "types": _types,
    "rename": _text_map,
    "drop": _names,
    "empty": _one_of("omit", "null", "string"),
    "delimiter": _character,
    "quote": _character,
    "header": _names,
    "json_key": _text,
    "required": _names,
    "duplicates": _one_of("reject", "last_wins", "allow"),
    "max_record_bytes": _positive,
    "max_expanded_bytes": _positive,
    "max_ratio": _positive,
    "max_depth": _positive,
}
