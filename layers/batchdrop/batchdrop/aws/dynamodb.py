"""The ledger's table on DynamoDB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from botocore.exceptions import ClientError

from batchdrop.aws.attributes import plain, typed
from batchdrop.errors import ConditionFailed
from batchdrop.ports import Absent, AbsentOrBelow, Equals, Expect, Item, Key, OneOf

_INDEX_KEYS = {"open": ("open", "created_at"), "listing": ("listing", "created_at")}


class DynamoTable:
    """`Table` on one DynamoDB table with keys `pk` and `sk`, and the indexes `open` and `listing`."""

    def __init__(self, client: Any, name: str) -> None:
        self._client = client
        self._name = name

    def get(self, key: Key) -> Item | None:
        found = self._client.get_item(TableName=self._name, Key=_key(key), ConsistentRead=True).get("Item")
        return _plain(found) if found else None

    def put_new(self, key: Key, item: Item) -> None:
        try:
            self._client.put_item(
                TableName=self._name,
                Item={**_typed(item), **_key(key)},
                ConditionExpression="attribute_not_exists(pk)",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            raise _translated(error) from None

    def update(
        self,
        key: Key,
        set_: Mapping[str, object],
        *,
        remove: Sequence[str] = (),
        add: Mapping[str, int] | None = None,
        expect: Mapping[str, Expect] | None = None,
    ) -> Item:
        try:
            answer = self._client.update_item(
                TableName=self._name,
                Key=_key(key),
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **_Expression(set_, remove, add or {}, expect).arguments(),
            )
        except ClientError as error:
            raise _translated(error) from None
        return _plain(answer["Attributes"])

    def query(self, pk: str, sk_prefix: str = "") -> list[Item]:
        condition, values = "pk = :pk", {":pk": {"S": pk}}
        if sk_prefix:
            condition, values = condition + " AND begins_with(sk, :sk)", values | {":sk": {"S": sk_prefix}}
        return self._all(KeyConditionExpression=condition, ExpressionAttributeValues=values, ConsistentRead=True)

    def query_index(
        self, index: str, value: str, *, limit: int = 100, newest_first: bool = True, since: int = 0
    ) -> list[Item]:
        return self._all(
            limit,
            IndexName=index,
            KeyConditionExpression="#k = :v AND #t >= :t",
            ExpressionAttributeNames={"#k": _INDEX_KEYS[index][0], "#t": _INDEX_KEYS[index][1]},
            ExpressionAttributeValues={":v": {"S": value}, ":t": typed(since)},
            ScanIndexForward=not newest_first,
        )

    def delete(self, key: Key) -> None:
        self._client.delete_item(TableName=self._name, Key=_key(key))

    def _all(self, limit: int | None = None, **query: Any) -> list[Item]:
        found: list[Item] = []
        for page in self._client.get_paginator("query").paginate(TableName=self._name, **query):
            found += (_plain(item) for item in page["Items"])
            if limit is not None and len(found) >= limit:
                break
        return found[:limit]


class _Expression:
    """An update in DynamoDB's own words."""

    def __init__(
        self,
        set_: Mapping[str, object],
        remove: Sequence[str],
        add: Mapping[str, int],
        expect: Mapping[str, Expect] | None,
    ) -> None:
        self.names: dict[str, str] = {}
        self.values: dict[str, Any] = {}
        self.update = " ".join(
            part
            for part in (
                _clause("SET", [f"{self._name(k)} = {self._value(v)}" for k, v in set_.items()]),
                _clause("REMOVE", [self._name(k) for k in remove]),
                _clause("ADD", [f"{self._name(k)} {self._value(v)}" for k, v in add.items()]),
            )
            if part
        )
        # An update must never bring back an item that is gone: a condition always asks for the item itself.
        conditions = [self._condition(k, e) for k, e in (expect or {}).items()]
        self.condition = " AND ".join(["attribute_exists(pk)", *conditions]) if expect else ""

    def arguments(self) -> dict[str, Any]:
        found: dict[str, Any] = {"UpdateExpression": self.update, "ExpressionAttributeNames": self.names}
        if self.values:
            found["ExpressionAttributeValues"] = self.values
        return found | ({"ConditionExpression": self.condition} if self.condition else {})

    def _name(self, attribute: str) -> str:
        alias = f"#{attribute}"
        self.names[alias] = attribute
        return alias

    def _value(self, value: object) -> str:
        alias = f":v{len(self.values)}"
        self.values[alias] = typed(value)
        return alias

    def _condition(self, attribute: str, expect: Expect) -> str:
        name = self._name(attribute)
        match expect:
            case Absent():
                return f"attribute_not_exists({name})"
            case Equals(value):
                return f"{name} = {self._value(value)}"
            case AbsentOrBelow(value):
                return f"(attribute_not_exists({name}) OR {name} < {self._value(value)})"
            case OneOf(values):
                return f"{name} IN ({', '.join(self._value(v) for v in values)})"


def _clause(word: str, parts: list[str]) -> str:
    return f"{word} {', '.join(parts)}" if parts else ""


def _key(key: Key) -> dict[str, Any]:
    return {"pk": {"S": key.pk}, "sk": {"S": key.sk}}


def _typed(item: Mapping[str, object]) -> dict[str, Any]:
    return {k: typed(v) for k, v in item.items()}


def _plain(item: Mapping[str, Any]) -> Item:
    return {k: plain(v) for k, v in item.items()}


def _translated(error: ClientError) -> Exception:
    if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
        return error
    item = cast("dict[str, Any] | None", error.response.get("Item"))
    return ConditionFailed(_plain(item) if item else None)
