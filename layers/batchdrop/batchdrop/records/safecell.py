"""Cells a spreadsheet would take for a formula, made harmless in files of ours and restored when they come back."""

from __future__ import annotations

import re

_DANGEROUS = re.compile(r"'*[=+\-@\t\r\n]")
_PROTECTED = re.compile(r"'+[=+\-@\t\r\n]")


def protect(cell: str) -> str:
    """The cell with a leading ' if a spreadsheet could run it (CWE-1236)."""
    return "'" + cell if _DANGEROUS.match(cell) else cell


def restore(cell: str) -> str:
    """The cell `protect` was given."""
    return cell[1:] if cell.startswith("'") and _PROTECTED.match(cell) else cell
