"""What a configuration may hold, declared once: the validator and the published JSON Schema both come from it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct

from batchdrop import duration
from batchdrop.errors import RouteError

Kind = Literal["text", "integer", "number", "boolean", "duration", "map", "list"]
REQUIRED = object()
_SCHEMA_TYPES: dict[Kind, object] = {
    "text": ["string", "integer"],  # an id of digits needs no quotes
    "integer": ["integer", "string"],
    "number": "number",
    "boolean": "boolean",
    "duration": ["string", "number"],
    "map": "object",
    "list": "array",
}
_SCHEMA_PATTERNS: dict[Kind, str] = {  # of those that may be given as text
    "integer": r" *[+-]?[0-9]+(?:_[0-9]+)* *",
    "duration": duration.PATTERN,
}


class Field(Struct, frozen=True):
    """One option: its kind, what it means, and what it may be. `default` is REQUIRED where it must be given."""

    kind: Kind
    description: str
    default: object = REQUIRED
    choices: tuple[str, ...] = ()
    pattern: str = ""
    minimum: float | None = None
    maximum: float | None = None

    def schema(self) -> dict[str, object]:
        """This option as JSON Schema."""
        found: dict[str, object] = {"type": _SCHEMA_TYPES[self.kind], "description": self.description}
        if self.choices:
            found["enum"] = list(self.choices)
        if pattern := self.pattern or _SCHEMA_PATTERNS.get(self.kind):
            found["pattern"] = f"^(?:{pattern})$"
        if self.kind in ("integer", "number", "duration"):  # of text no schema can tell how much it is
            found |= {k: v for k, v in (("minimum", self.minimum), ("maximum", self.maximum)) if v is not None}
        if self.default is not REQUIRED and self.default is not None:
            found["default"] = self.default
        return found

    def read(self, value: object) -> object:
        """The value as the program wants it; ValueError says what is wrong and what would be right."""
        if self.kind == "duration":
            return self._within(duration.seconds(value))
        if self.kind in ("text", "integer") and _is_scalar(value):
            return self._text(str(value)) if self.kind == "text" else self._within(_integer(value))
        if self.kind == "number" and isinstance(value, int | float) and not isinstance(value, bool):
            return self._within(value)
        if self.kind == "boolean" and isinstance(value, bool):
            return value
        if self.kind == "map" and isinstance(value, Mapping):
            return dict(value)
        if self.kind == "list" and isinstance(value, list | tuple):
            return tuple(value)
        raise ValueError(f"must be {_NAMES[self.kind]}")

    def _text(self, value: str) -> str:
        if self.choices and value not in self.choices:
            raise ValueError(f"must be one of {', '.join(self.choices)}{did_you_mean(value, self.choices)}")
        if self.pattern and not re.fullmatch(self.pattern, value):
            raise ValueError(f"must match {self.pattern}")
        return value

    def _within(self, value: float) -> float:
        if self.minimum is not None and not value >= self.minimum:  # so that NaN is refused too
            raise ValueError(f"must be at least {self.bound(self.minimum)}")
        if self.maximum is not None and value > self.maximum:
            raise ValueError(f"must be at most {self.bound(self.maximum)}")
        return value

    def bound(self, value: float) -> str:
        """A limit of this option as one writes it in a route."""
        return duration.text(value) if self.kind == "duration" else f"{value:,}"


_NAMES: dict[Kind, str] = {
    "text": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "duration": "a duration",
    "map": "a mapping of names to values",
    "list": "a list",
}


def _is_scalar(value: object) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _integer(value: object) -> int:
    try:
        return int(str(value))
    except ValueError:
        raise ValueError("must be a whole number") from None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """` (did you mean "x"?)`, or nothing where nothing is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f' (did you mean "{near[0]}"?)' if near else ""


def read_all(data: object, fields: Mapping[str, Field], path: str = "") -> dict[str, object]:
    """All options of a mapping, defaults filled in.

    Raises `RouteError` whose `problems` name every wrong field at once, dotted below `path`.
    """
    if not isinstance(data, Mapping):
        raise RouteError("must be a mapping of names to values", path)
    prefix = f"{path}." if path else ""
    problems = [
        (f"{prefix}{name}", f"unknown option{did_you_mean(str(name), fields)}") for name in data if name not in fields
    ]
    values: dict[str, object] = {}
    for name, option in fields.items():
        try:
            values[name] = _one(data, name, option)
        except ValueError as error:
            problems.append((f"{prefix}{name}", str(error)))
    if problems:
        raise RouteError.of(problems)
    return values


def _one(data: Mapping[object, object], name: str, option: Field) -> object:
    value = data.get(name)
    if value is not None:
        return option.read(value)
    if option.default is REQUIRED:
        raise ValueError(f"is missing: {option.description}")
    default = option.default
    return option.read(default) if option.kind == "duration" and default is not None else default


def object_schema(fields: Mapping[str, Field], description: str = "") -> dict[str, object]:
    """A mapping of these options as JSON Schema."""
    return {
        "type": "object",
        "description": description,
        "additionalProperties": False,
        "properties": {name: option.schema() for name, option in fields.items()},
        "required": [name for name, option in fields.items() if option.default is REQUIRED],
    }
