"""A vendor's words about records: a value is not told, however it is quoted."""

from __future__ import annotations

import time

import pytest

from batchdrop.destinations.plain_words import in_plain_words


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("customer 'Siobhan O'Neil' is no valid name", "customer […] is no valid name"),
        ("name `Anna Smith` invalid", "name […] invalid"),
        ("name “Anna the “first” name” invalid", "name […] invalid"),
        ("name „Anna“ or »Berta« invalid", "name […] invalid"),
        ("name ‘the name’s value’ invalid", "name […] invalid"),
        ("row {firstname: Anna, phone: 030-123-456}", "row […]"),
        ("rows [name: [first], phone] are invalid", "rows […] are invalid"),
        ("the row (name: the first) is invalid", "the row […] is invalid"),
        ("call +49 30 123 45 67", "call […]"),
        ("customer anna smith, of Berlin: not found", "customer […], of […]: not found"),
        ("customer Will First not found", "customer […] not found"),
        ("don't use 'the name' or the 'title' as it isn't valid", "don't use […] as it isn't valid"),
        ("unexpected value \"the 'name' is", "unexpected value […]"),
        ("age 33 is wrong", "[…] is wrong"),
        ("Anna", ""),
        ("'a name'", ""),
    ],
)
def test_no_value_is_told_however_it_is_set_apart_or_not_at_all(said: str, told: str) -> None:
    assert in_plain_words(said) == told


@pytest.mark.parametrize(
    "said",
    [
        "emails.json: the files of an upload are categories.json, products.json, orders.json",
        "Field first_name is required, but key [secret] has no permission.",
        "QUOTA_EXCEEDED",
        "The request couldn't be parsed",
    ],
)
def test_plain_words_statuses_and_names_of_files_are_told(said: str) -> None:
    assert in_plain_words(said) == said


def test_the_name_of_a_file_is_told_without_the_quotes_it_stands_in() -> None:
    assert in_plain_words("file 'emails.json', of 'Anna', is unknown") == "file emails.json, of […], is unknown"


@pytest.mark.parametrize("sign", ["'", '"', "`", "(", "[", "{", "<", "“", "a'", '"a ', "1 ", "[…] "])
def test_no_text_takes_long(sign: str) -> None:
    began = time.monotonic()
    in_plain_words(sign * (300 // len(sign)))
    assert time.monotonic() - began < 0.5
