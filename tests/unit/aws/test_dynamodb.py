"""The ledger's table on DynamoDB: conditional writes that say what stood in the way."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from batchdrop.aws.dynamodb import DynamoTable
from batchdrop.errors import ConditionFailed
from batchdrop.ports import Absent, AbsentOrBelow, Equals, Expect, Item, Key, OneOf

KEY = Key("job#1", "job")


def test_an_item_comes_back_as_it_was_put(table: DynamoTable) -> None:
    item: Item = {
        "text": "é", "whole": 12345678901234567890, "part": 0.1, "yes": True, "nothing": None,
        "list": [1, "a", {"deep": 2.5}], "map": {"empty": {}, "odd name é": "x"},
    }  # fmt: skip
    table.put_new(KEY, item)
    assert table.get(KEY) == {**item, "pk": "job#1", "sk": "job"}


def test_numbers_come_back_whole_where_they_are_whole(table: DynamoTable) -> None:
    table.put_new(KEY, {"n": 5, "checkpoint": {"offset": 1_000_000, "share": 1.5}})
    found = table.get(KEY)
    assert found is not None
    assert type(found["n"]) is int
    assert found["checkpoint"] == {"offset": 1_000_000, "share": 1.5}


def test_tuples_are_kept_as_lists(table: DynamoTable) -> None:
    table.put_new(KEY, {"results": ("a", "b")})
    assert (table.get(KEY) or {})["results"] == ["a", "b"]


def test_what_is_not_there_reads_as_none(table: DynamoTable) -> None:
    assert table.get(KEY) is None


@pytest.mark.acceptance("A1", "D9")
def test_a_second_put_is_refused_and_shows_the_first(table: DynamoTable) -> None:
    table.put_new(KEY, {"owner": "first"})
    with pytest.raises(ConditionFailed) as failed:
        table.put_new(KEY, {"owner": "second"})
    assert failed.value.item == {"owner": "first", "pk": "job#1", "sk": "job"}
    assert (table.get(KEY) or {})["owner"] == "first"


GOOD: list[tuple[str, Item, dict[str, Expect]]] = [
    ("absent", {}, {"closed_at": Absent()}),
    ("equals", {"owner": "me"}, {"owner": Equals("me")}),
    ("absent or below, absent", {}, {"lease_until": AbsentOrBelow(10)}),
    ("absent or below, below", {"lease_until": 9}, {"lease_until": AbsentOrBelow(10)}),
    ("one of", {"state": "doubtful"}, {"state": OneOf(("submitting", "doubtful"))}),
    ("two at once", {"owner": "me", "attempt": 2}, {"owner": Equals("me"), "attempt": Equals(2)}),
]
BAD: list[tuple[str, Item, dict[str, Expect]]] = [
    ("not absent", {"closed_at": 1}, {"closed_at": Absent()}),
    ("another value", {"owner": "you"}, {"owner": Equals("me")}),
    ("no value", {}, {"owner": Equals("me")}),
    ("not below", {"lease_until": 10}, {"lease_until": AbsentOrBelow(10)}),
    ("none of them", {"state": "held"}, {"state": OneOf(("submitting", "doubtful"))}),
    ("one of two is wrong", {"owner": "me", "attempt": 3}, {"owner": Equals("me"), "attempt": Equals(2)}),
]


@pytest.mark.parametrize(("item", "expect"), [c[1:] for c in GOOD], ids=[c[0] for c in GOOD])
def test_an_update_goes_through_where_all_is_as_expected(
    table: DynamoTable, item: Item, expect: dict[str, Expect]
) -> None:
    table.put_new(KEY, item)
    assert table.update(KEY, {"mark": 1}, expect=expect) == {**item, "mark": 1, "pk": "job#1", "sk": "job"}


@pytest.mark.acceptance("D9", "D8")
@pytest.mark.parametrize(("item", "expect"), [c[1:] for c in BAD], ids=[c[0] for c in BAD])
def test_an_update_that_finds_something_else_changes_nothing_and_shows_it(
    table: DynamoTable, item: Item, expect: dict[str, Expect]
) -> None:
    table.put_new(KEY, item)
    with pytest.raises(ConditionFailed) as failed:
        table.update(KEY, {"mark": 1}, expect=expect)
    standing = {**item, "pk": "job#1", "sk": "job"}
    assert failed.value.item == standing
    assert table.get(KEY) == standing


def test_a_conditional_update_never_brings_an_item_into_being(table: DynamoTable) -> None:
    with pytest.raises(ConditionFailed) as failed:
        table.update(KEY, {"hint_at": 5}, expect={"closed_at": Absent()})
    assert failed.value.item is None
    assert table.get(KEY) is None


def test_an_update_without_conditions_may_begin_an_item_and_count_in_it(table: DynamoTable) -> None:
    table.update(KEY, {}, add={"calls": 1})
    assert table.update(KEY, {"last": "x"}, add={"calls": 2}, remove=("other",))["calls"] == 3


def test_an_attribute_can_be_removed_while_another_is_set(table: DynamoTable) -> None:
    table.put_new(KEY, {"open": "1", "task_token": "t", "created_at": 1})
    closed = table.update(KEY, {"closed_at": 7}, remove=("open", "task_token"), expect={"closed_at": Absent()})
    assert closed == {"closed_at": 7, "created_at": 1, "pk": "job#1", "sk": "job"}


def test_one_attribute_can_be_both_expected_and_set(table: DynamoTable) -> None:
    table.put_new(KEY, {"owner": "old"})
    assert table.update(KEY, {"owner": "new"}, expect={"owner": Equals("old")})["owner"] == "new"


def test_a_partition_is_listed_in_order_beyond_one_page(table: DynamoTable) -> None:
    for n in reversed(range(1, 31)):
        table.put_new(Key("job#1", f"batch#{n:06d}"), {"n": n, "filler": "x" * 60_000})
    table.put_new(KEY, {})
    assert [item["n"] for item in table.query("job#1", "batch#")] == list(range(1, 31))
    assert len(table.query("job#1")) == 31


def test_an_index_lists_newest_first_and_no_more_than_asked_for(table: DynamoTable) -> None:
    for n in range(5):
        table.put_new(Key(f"job#{n}", "job"), {"listing": "job", "open": "1", "created_at": n})
    assert [i["created_at"] for i in table.query_index("listing", "job", limit=2)] == [4, 3]
    assert [i["created_at"] for i in table.query_index("open", "1", newest_first=False)] == [0, 1, 2, 3, 4]
    assert [i["created_at"] for i in table.query_index("open", "1", limit=2, newest_first=False, since=2)] == [2, 3]


def test_what_was_removed_from_an_index_is_no_longer_listed(table: DynamoTable) -> None:
    table.put_new(KEY, {"open": "1", "created_at": 1})
    table.update(KEY, {}, remove=("open",))
    assert table.query_index("open", "1") == []


def test_trouble_of_the_store_is_no_failed_condition(dynamodb: Any) -> None:
    elsewhere = DynamoTable(dynamodb, "no-such-table")
    with pytest.raises(ClientError):
        elsewhere.put_new(KEY, {})
    with pytest.raises(ClientError):
        elsewhere.update(KEY, {"a": 1})
