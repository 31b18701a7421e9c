"""The `input:` part of a route."""

from __future__ import annotations

import pytest

from batchdrop.errors import RouteError
from batchdrop.records.spec import InputSpec
from tests.unit.records.drops import look


def test_a_route_s_input_is_read() -> None:
    spec = InputSpec.from_route(
        {"format": "csv", "id": "sku", "types": {"price": "number"}, "delimiter": "tab", "header": ["sku", "price"]}
    )
    assert spec == InputSpec(
        format="csv", id=("sku",), types={"price": "number"}, delimiter="\t", header=("sku", "price")
    )


def test_the_defaults_are_careful() -> None:
    spec = InputSpec.from_route({})
    assert (spec.format, spec.empty, spec.duplicates, spec.max_depth) == ("auto", "string", "allow", 64)


@pytest.mark.parametrize(
    ("mapping", "field", "said"),
    [
        ({"formt": "csv"}, "input.formt", 'did you mean "format"?'),
        ({"format": "cvs"}, "input.format", 'did you mean "csv"?'),
        ({"types": {"n": "int"}}, "input.types.n", 'did you mean "integer"?'),
        ({"types": ["n"]}, "input.types", "map"),
        ({"id": 7}, "input.id", "name"),
        ({"delimiter": ";;"}, "input.delimiter", "one"),
        ({"delimiter": '"', "quote": "'"}, "input.delimiter", "choose another"),
        ({"delimiter": "\\"}, "input.delimiter", "choose another"),
        ({"delimiter": "|", "quote": "|"}, "input.delimiter", "differ"),
        ({"max_depth": 0}, "input.max_depth", "above 0"),
        ({"max_depth": True}, "input.max_depth", "whole"),
        ({"max_depth": 501}, "input.max_depth", "at most 500"),
        ({"json_key": 1}, "input.json_key", "text"),
        ({"forbidden_in_id": "|"}, "input.forbidden_in_id", "unknown"),
        ({True: "csv"}, "input.True", "unknown"),
        ({"rename": {"a": "b", "c": "b"}}, "input.rename", "'a' and 'c' would both be called 'b'"),
        ({"header": ["a", "b", "a"]}, "input.header", "names the column 'a' twice"),
        ({"header": []}, "input.header", "names no column"),
        ({"empty": None}, "input.empty", 'or "null" with its quotes'),
        ({"encoding": "latin-1"}, "input.encoding", "must be one of utf-8, utf-16"),
    ],
)
def test_a_wrong_option_is_named_with_its_fix(mapping: dict[str, object], field: str, said: str) -> None:
    with pytest.raises(RouteError) as caught:
        InputSpec.from_route(mapping)
    assert caught.value.field == field
    assert said in str(caught.value)


def test_all_wrong_options_are_named_at_once() -> None:
    wrong = {"formt": "csv", "delimiter": "ab", "types": {"n": "int", "m": "bool"}, "max_depth": 0}
    with pytest.raises(RouteError) as caught:
        InputSpec.from_route(wrong)
    fields = [field for field, _ in caught.value.problems]
    assert fields == ["input.formt", "input.delimiter", "input.types.n", "input.types.m", "input.max_depth"]


def test_options_naming_columns_the_file_has_not_are_warned_of() -> None:
    (warning,) = look(b"id,price\n1,2\n", InputSpec(types={"prise": "number"})).warnings
    assert "'prise'" in warning
