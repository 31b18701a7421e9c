"""Markdown, as little of it as the reference needs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table; what would end a cell is escaped."""
    lines = [columns, ["---"] * len(columns), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def code(value: object) -> str:
    """A value as one writes it in a route; a list as its values."""
    if isinstance(value, list | tuple):
        return ", ".join(map(code, value))
    return f"`{value}`" if isinstance(value, str) else f"`{json.dumps(value)}`"
