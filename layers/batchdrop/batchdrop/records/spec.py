"""How a drop is to be read (`InputSpec`) and what a batch must look like (`OutputSpec`)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from msgspec import Struct, field

from batchdrop.errors import RouteError
from batchdrop.fields import did_you_mean

InputFormat = Literal["auto", "csv", "json", "ndjson"]
Compression = Literal["auto", "none", "gzip", "zip"]
Empty = Literal["omit", "null", "string"]
Duplicates = Literal["reject", "last_wins", "allow"]
OutputFormat = Literal["json_array", "ndjson", "csv"]
Quoting = Literal["strings", "minimal"]

MOST_DEPTH = 500  # of JSON: its readers call themselves for each level, and there is only so much room for that
ENCODINGS = ("utf-8", "utf-16", "utf-16-le", "utf-16-be", "windows-1252", "iso-8859-1", "iso-8859-15")
TYPES = ("string", "integer", "number", "boolean", "timestamp", "list", "json")


class InputSpec(Struct, frozen=True):
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
        """Read the `input:` part of a route. Raises `RouteError` with every wrong field, and suggestions for typos."""
        values: dict[str, object] = {}
        problems: list[tuple[str, str]] = []
        for name, value in mapping.items():
            try:
                values[name] = _read(name, value)
            except RouteError as error:
                problems += error.problems
        spec = cls(**values)  # type: ignore[arg-type]
        if spec.delimiter == spec.quote:
            problems.append(("input.delimiter", "the delimiter and the quote must differ"))
        if problems:
            raise RouteError.of(problems)
        return spec


class OutputSpec(Struct, frozen=True):
    """What a batch must look like: at most `max_bytes` bytes and `max_records` records each.

    `csv_quoting`: `strings` quotes every cell that is not a declared number or boolean; `minimal` only where needed.
    """

    format: OutputFormat
    max_bytes: int
    max_records: int | None = None
    csv_quoting: Quoting = "minimal"


def _read(name: str, value: object) -> object:
    if name not in _READERS:
        raise RouteError(f"unknown option{did_you_mean(str(name), _READERS)}", f"input.{name}")
    if value is None:
        word = ', or "null" with its quotes' if name == "empty" else ""
        raise RouteError(f"has no value: give it one{word}, or leave it out", f"input.{name}")
    return _READERS[name](f"input.{name}", value)


def _text(field_name: str, value: object) -> str:
    if not isinstance(value, str):
        raise RouteError("must be a text", field_name)
    return value


def _names(field_name: str, value: object) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)) or not all(isinstance(n, str) and n for n in names):
        raise RouteError("must be a name or a list of names", field_name)
    return tuple(names)


def _header(field_name: str, value: object) -> tuple[str, ...]:
    names = _names(field_name, value)
    if not names:
        raise RouteError("names no column: where the file has a header of its own, leave it out", field_name)
    if twice := _first_twice(names):
        raise RouteError(f"names the column '{twice}' twice", field_name)
    return names


def _first_twice(names: Sequence[str]) -> str | None:
    return next((name for n, name in enumerate(names) if name in names[:n]), None)


def _one_of(*allowed: str) -> Callable[[str, object], str]:
    def read(field_name: str, value: object) -> str:
        if value not in allowed:
            raise RouteError(_must_be(allowed, value), field_name)
        return str(value)

    return read


def _must_be(allowed: Sequence[str], value: object) -> str:
    return f"must be one of {', '.join(allowed)}{did_you_mean(str(value), allowed)}"


def _character(field_name: str, value: object) -> str:
    text = {"\\t": "\t", "tab": "\t"}.get(str(value), str(value))
    if len(text) != 1 or not text.isascii() or text in "\r\n\0":
        raise RouteError("must be one ASCII character", field_name)
    return text


def _delimiter(field_name: str, value: object) -> str:
    text = _character(field_name, value)
    if text in '"\\':
        raise RouteError('must not be " or \\, which JSON has for itself; choose another one', field_name)
    return text


def _encoding(field_name: str, value: object) -> str:
    name = str(value).lower()
    if name not in ENCODINGS:
        raise RouteError(_must_be(ENCODINGS, name), field_name)
    return name


def _positive(field_name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise RouteError("must be a whole number above 0", field_name)
    return value


def _depth(field_name: str, value: object) -> int:
    if _positive(field_name, value) > MOST_DEPTH:
        raise RouteError(f"must be at most {MOST_DEPTH}", field_name)
    return _positive(field_name, value)


def _text_map(field_name: str, value: object) -> dict[str, str]:
    if not isinstance(value, Mapping) or not all(isinstance(v, str) and v for v in value.values()):
        raise RouteError("must map names to names", field_name)
    return {str(k): v for k, v in value.items()}


def _renames(field_name: str, value: object) -> dict[str, str]:
    renames = _text_map(field_name, value)
    if twice := _first_twice(list(renames.values())):
        both = " and ".join(f"'{old}'" for old, new in renames.items() if new == twice)
        raise RouteError(f"{both} would both be called '{twice}'", field_name)
    return renames


def _types(field_name: str, value: object) -> dict[str, str]:
    types = _text_map(field_name, value)
    wrong = [(f"{field_name}.{column}", _must_be(TYPES, kind)) for column, kind in types.items() if kind not in TYPES]
    if wrong:
        raise RouteError.of(wrong)
    return types


_READERS: Mapping[str, Callable[[str, object], object]] = {
    "format": _one_of("auto", "csv", "json", "ndjson"),
    "compression": _one_of("auto", "none", "gzip", "zip"),
    "encoding": _encoding,
    "id": _names,
    "id_joiner": _text,
    "types": _types,
    "rename": _renames,
    "drop": _names,
    "empty": _one_of("omit", "null", "string"),
    "delimiter": _delimiter,
    "quote": _character,
    "header": _header,
    "json_key": _text,
    "required": _names,
    "duplicates": _one_of("reject", "last_wins", "allow"),
    "max_record_bytes": _positive,
    "max_expanded_bytes": _positive,
    "max_ratio": _positive,
    "max_depth": _depth,
}
