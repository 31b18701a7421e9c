"""How much of a ledger item a value takes: what DynamoDB says, or a little more."""

from __future__ import annotations

import pytest

from batchdrop.itemsize import MOST_BYTES, size_of
from batchdrop.ports import Key
from tests.simulation.memory import ItemTooLarge, MemoryTable


@pytest.mark.parametrize(
    ("value", "size"),
    [("é", 2), (None, 1), (True, 1), ({}, 3), ([], 3), (["ab", "c"], 3 + 3 + 2), ({"ab": "c"}, 3 + 2 + 1 + 1)],
)
def test_sizes_are_dynamodbs(value: object, size: int) -> None:
    assert size_of(value) == size


@pytest.mark.parametrize(("number", "size"), [(0, 1), (12345, 4), (1_700_000_000_000, 4), (-3, 3), (0.25, 3)])
def test_a_number_is_never_taken_to_be_smaller_than_it_is(number: float, size: int) -> None:
    assert size <= size_of(number) <= size + 5


def test_the_ledger_in_memory_refuses_what_dynamodb_would() -> None:
    table = MemoryTable(lambda: 0.0, lambda: 0.0)
    table.put_new(Key("p", "s"), {"text": "x" * (MOST_BYTES - 100)})
    with pytest.raises(ItemTooLarge):
        table.update(Key("p", "s"), {"more": "x" * 100})
    assert "more" not in (table.get(Key("p", "s")) or {})
