"""Which records of a drop have to yield to another with the same id."""

from __future__ import annotations

from collections.abc import Iterable

from batchdrop.records import idhashes


def yielding(found: Iterable[tuple[bytes, int, int]], *, last_wins: bool) -> dict[int, int]:
    """By the ordinal of each record that yields, the line of the record it yields to.

    `found` tells id, ordinal and line of every valid record whose id is repeated; an invalid one is not sent anyway.
    The first record of an id is kept, or the last. Raises `DropRefused("duplicates")` when more than 20,000 records
    would have to yield: then the file, or the choice of the id, is wrong.
    """
    same: dict[bytes, list[tuple[int, int]]] = {}
    for count, (id_, ordinal, line) in enumerate(found, 1):
        same.setdefault(id_, []).append((ordinal, line))
        if count - len(same) > idhashes.MAX_DUPLICATES:
            raise idhashes.too_many()
    yields: dict[int, int] = {}
    for records in same.values():
        keeper = records[-1] if last_wins else records[0]
        yields |= {ordinal: keeper[1] for ordinal, _ in records if ordinal != keeper[0]}
    return dict(sorted(yields.items()))
