"""What is odd about a drop that could be used all the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from batchdrop.entries import entries_of

_SEPARATORS = {";": "';'", "\t": "tab", "|": "'|'", ",": "','"}  # of the columns of CSV files, and their names


def drop_warnings(inspection: Mapping[str, Any]) -> list[str]:
    """The warnings of what was found out about a drop; of a set each names its file."""
    found = _of_file(inspection)
    for entry in entries_of(inspection):
        found += [f"{entry['name']}: {warning}" for warning in _of_file(entry.get("inspection") or {})]
    return found


def _of_file(inspection: Mapping[str, Any]) -> list[str]:
    found, header = list(inspection.get("warnings", [])), inspection.get("header", [])
    if inspection.get("format") != "csv" or len(header) != 1:
        return found
    shown = next((name for mark, name in _SEPARATORS.items() if mark in header[0]), "")
    hint = f"the file has one column; its columns seem to be separated by {shown}: set input.delimiter"
    return [*found, hint] if shown else found
