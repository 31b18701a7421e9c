"""How much of a ledger item a value takes, by DynamoDB's rules: an item beyond its limit cannot be written at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

MOST_BYTES = 409_600  # of an item, the names of its attributes included


def size_of(value: object) -> int:
    """The bytes of a value; of a whole item a little more than DynamoDB counts."""
    match value:
        case None | bool():
            return 1
        case int() | float():
            return len(repr(value)) // 2 + 2
        case str():
            return len(value.encode("utf-8", "replace"))
        case Mapping():
            return 3 + sum(size_of(name) + size_of(held) + 1 for name, held in value.items())
        case Sequence():
            return 3 + sum(size_of(held) + 1 for held in value)
    raise TypeError(f"a {type(value).__name__} cannot be kept in the ledger")
