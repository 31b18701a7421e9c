"""Reading a report document without trusting its shape: a page must come out even where a field is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

Doc = Mapping[str, object]


def mapping(doc: Doc, name: str) -> Doc:
    """The object under this name; empty where there is none."""
    value = doc.get(name)
    return value if isinstance(value, Mapping) else {}


def mappings(doc: Doc, name: str) -> list[Doc]:
    """The objects of the list under this name."""
    return [value for value in _sequence(doc, name) if isinstance(value, Mapping)]


def texts(doc: Doc, name: str) -> list[str]:
    """The list under this name, each value as text."""
    return [str(value) for value in _sequence(doc, name)]


def _sequence(doc: Doc, name: str) -> Sequence[object]:
    value = doc.get(name)
    return value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else ()


def integer(doc: Doc, name: str) -> int:
    """The whole number under this name; 0 where there is none."""
    value = doc.get(name)
    return int(value) if isinstance(value, int | float) else 0


def text(doc: Doc, name: str) -> str:
    """The value under this name as text; empty where there is none."""
    value = doc.get(name)
    return "" if value is None else str(value)


def moment(doc: Doc, name: str) -> datetime | None:
    """The ISO 8601 time under this name, in UTC; None where it is missing or unreadable."""
    try:
        at = datetime.fromisoformat(text(doc, name))
    except ValueError:
        return None
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
