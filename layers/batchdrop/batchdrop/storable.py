"""Text that can be stored. A vendor's JSON may hold half a character, as an escape, for which UTF-8 has no bytes."""

from __future__ import annotations


def storable(text: str) -> str:
    """The same text, with ? in the place of each half of a character."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
