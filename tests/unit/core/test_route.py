"""Routes: a wrong one is refused with the field's name and the mend, all of its mistakes at once."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import pytest

from batchdrop.errors import RouteError
from batchdrop.route import Poll, read_route, schema

GOOD: dict[str, Any] = {
    "destination": "datagroup",
    "account": {"notification_method": "POST"},
    "secret": "datagroup-main",
    "input": {"format": "auto"},
    "deadline": "24h",
    "poll": {"first": "30s", "factor": 1.5, "max": "15m"},
}
ALL: dict[str, dict[str, Any]] = {
    "sherpa": {"table_id": "products", "dataset": "items"},
    "ometria": {"domain_key": "acme", "location_key": "uk", "type": "full"},
    "haplo": {"base_url": "https://acme.example.com", "control": "control.json"},
    "datagroup": {},
    "mediarithmics": {"datamart_id": "1", "document_type": "USER_ACTIVITY", "mime_type": "APPLICATION_X_NDJSON"},
}


def problems(**changes: Any) -> dict[str, str]:
    with pytest.raises(RouteError) as refused:
        read_route("people", {k: v for k, v in (GOOD | changes).items() if v is not ...})
    return dict(refused.value.problems)


def test_a_good_route_is_read_with_its_defaults() -> None:
    route = read_route("people", GOOD)
    assert (route.vendor.name, route.secret, route.deadline) == ("datagroup", "datagroup-main", 86400)
    assert (route.on_doubt, route.on_duplicate_content, route.keep_batches) == ("hold", "process", False)
    assert route.account["base_url"] == "https://api.thedatagroup.com/v3"
    assert route.raw == GOOD


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"destination": "datagruop"}, "destination", 'did you mean "datagroup"'),
        ({"destination": ...}, "destination", "is missing"),
        ({"secret": ...}, "secret", "is missing"),
        ({"secret": "../other"}, "secret", "must match"),
        ({"secret": "notification-keys"}, "secret", "the stack's own keys of its callback URLs"),
        ({"sercet": "x"}, "sercet", 'unknown option (did you mean "secret"?)'),
        ({"deadline": "tomorrow"}, "deadline", 'write it like "30s"'),
        ({"deadline": "5s"}, "deadline", "at least 1m"),
        ({"deadline": "90d"}, "deadline", "at most 30d"),
        ({"poll": {"frist": "5s"}}, "poll.frist", 'did you mean "first"'),
        ({"poll": {"factor": 0.5}}, "poll.factor", "at least 1"),
        ({"poll": {"factor": float("nan")}}, "poll.factor", "must be at"),
        ({"poll": {"first": "0s"}}, "poll.first", "at least 1"),
        ({"poll": []}, "poll", "a mapping"),
        ({"account": {"notification_method": "PUT"}}, "account.notification_method", "one of POST, GET, none"),
        ({"account": {"base_url": "http://api.example.com"}}, "account.base_url", "https"),
        ({"account": {"base_url": "https://localhost:9001"}}, "account.base_url", ""),
        ({"account": {"base_url": "file:///etc/passwd"}}, "account.base_url", ""),
        ({"account": {"base_url": "https://user:pw@api.example.com"}}, "account.base_url", ""),
        ({"keep_batches": "yes"}, "keep_batches", "true or false"),
        ({"on_doubt": "again"}, "on_doubt", "one of hold, resubmit"),
        ({"max_in_flight": -1}, "max_in_flight", "at least 0"),
        ({"side_by_side": {"workers": 41}}, "side_by_side.workers", "at most 40"),
        ({"side_by_side": {"over": 1}}, "side_by_side.over", "unknown option"),
        ({"input": {"fromat": "csv"}}, "input.fromat", "did you mean"),
    ],
)
def test_a_wrong_option_is_named_with_what_would_be_right(changes: dict[str, Any], field: str, words: str) -> None:
    assert words in problems(**changes)[field]


def test_all_mistakes_are_told_at_once() -> None:
    found = problems(poll={"frist": "5s", "max": "x"}, account={"notification_method": "PUT"}, input={"fromat": "csv"})
    assert found.keys() == {"poll.frist", "poll.max", "account.notification_method", "input.fromat"}
    found = problems(account={"base_url": "http://a.example.com"}, deadline="x", input={"formt": 1, "max_depth": 0})
    assert found.keys() == {"account.base_url", "deadline", "input.formt", "input.max_depth"}


@pytest.mark.parametrize("raw", [None, [], "destination: sherpa", 7])
def test_a_route_that_is_no_mapping_is_refused(raw: object) -> None:
    with pytest.raises(RouteError, match="mapping"):
        read_route("people", raw)


def test_the_refusal_never_repeats_a_value() -> None:
    assert "hunter2" not in str(problems(secret="hunter2 "))


def test_plain_http_is_allowed_to_the_hosts_the_deployment_names() -> None:
    local = GOOD | {"account": {"base_url": "http://127.0.0.1:8080/v3"}}
    assert read_route("people", local, ("127.0.0.1",)).account["base_url"] == "http://127.0.0.1:8080/v3"
    with pytest.raises(RouteError):
        read_route("people", local, ("other.example.com",))


def test_the_pace_of_polling_grows_to_its_maximum() -> None:
    pace = Poll(30, 1.5, 900)
    assert [pace.wait(lap) for lap in (0, 1, 2)] == [30, 45, 67.5]
    assert pace.wait(10_000) == pace.max_wait == 900


def test_jobs_of_one_vendor_account_are_known_as_such() -> None:
    one = read_route("people", GOOD)
    assert one.account_key == read_route("others", GOOD | {"deadline": "1h"}).account_key
    assert one.account_key != read_route("people", GOOD | {"secret": "other"}).account_key


def test_all_that_is_wrong_is_said_at_once_on_every_level() -> None:
    wrong = {"destination": "haplo", "account": {"mode": "wet"}, "poll": {"frist": "1s"}, "input": [], "secret": "/"}
    with pytest.raises(RouteError) as refused:
        read_route("r", wrong)
    fields = [field for field, _ in refused.value.problems]
    assert fields == ["secret", "input", "poll.frist", "account.base_url", "account.control", "account.mode"]


@pytest.mark.parametrize("raw", [[], {"destination": ["haplo"]}, {"destination": None}, {"destination": "hapl"}])
def test_without_a_known_destination_its_own_options_are_not_guessed(raw: Any) -> None:
    with pytest.raises(RouteError) as refused:
        read_route("r", raw)
    assert not any("." in field for field, _ in refused.value.problems)


def test_without_a_known_destination_what_all_have_is_checked_all_the_same() -> None:
    found = problems(destination="hapl", poll={"frist": "1s"}, input={"formt": "csv"}, account={"any": "thing"})
    assert found.keys() == {"destination", "poll.frist", "input.formt"}


# --- the published schema ---


@pytest.mark.parametrize("name", ALL)
def test_a_minimal_route_of_every_destination_is_good_and_the_schema_agrees(name: str) -> None:
    raw = {"destination": name, "account": ALL[name], "secret": "main"}
    assert read_route("r", raw).vendor.name == name
    jsonschema.Draft202012Validator(schema()).validate(raw)


def test_the_schema_is_one_and_refuses_what_the_validator_refuses() -> None:
    found = schema()
    jsonschema.Draft202012Validator.check_schema(found)
    json.dumps(found)
    validator = jsonschema.Draft202012Validator(found)
    wrong: list[dict[str, Any]] = [
        {"destination": "nobody"}, {"sercet": "x"}, {"account": {"notification_method": "PUT"}},
        {"poll": {"frist": "1s"}}, {"keep_batches": "yes"}, {"secret": "../x"},
    ]  # fmt: skip
    for changes in wrong:
        assert list(validator.iter_errors(GOOD | changes)), changes
    assert list(validator.iter_errors(GOOD)) == []


AGREE: list[tuple[dict[str, Any], bool]] = [
    *(({"input": {"delimiter": d}}, True) for d in (",", ";", "|", "\t", "tab", "\\t", "'", " ", 5, "5")),
    *(({"input": {"delimiter": d}}, False) for d in ("\\", '"', "é", "ab", "", "\r", "\0", 10, -1, True, None)),
    *(({"input": {"quote": q}}, True) for q in ('"', "'", "\\", 5)),
    *(({"input": {"quote": q}}, False) for q in ("é", "''", "", ["'"])),
    *(({"input": {"header": h}}, False) for h in ([], [""], "", ["a", "a"], [1])),
    *(({"input": {"header": h}}, True) for h in ("a", ["a", "b"])),
    *(({"input": {name: n}}, good) for name in ("id", "drop", "required") for n, good in (([], True), ([""], False))),
    ({"input": {"rename": {"a": ""}}}, False),
    *(({"input": {"encoding": e}}, True) for e in ("utf-8", "UTF-8", "Windows-1252", "iso-8859-15")),
    *(({"input": {"encoding": e}}, False) for e in ("utf8", "latin-1", 8)),
    *(({"deadline": d}, True) for d in ("90s", "1h30m", "1 H 30 m", " 2d ", "1.5h", 90, 90.5, 2592000)),
    *(({"deadline": d}, False) for d in ("90", "", "h", "1h30", "soon", 59, 2592001, True)),
    *(({"max_in_flight": n}, True) for n in (0, 3, "3", " 3 ", "+3", "1_000")),
    *(({"max_in_flight": n}, False) for n in (-1, "three", "", "3.0", 2.5, True)),
]


@pytest.mark.parametrize(("changes", "good"), AGREE)
def test_the_schema_says_what_the_validator_does(changes: dict[str, Any], good: bool) -> None:
    taken = True
    try:
        read_route("people", GOOD | changes)
    except RouteError:
        taken = False
    by_schema = jsonschema.Draft202012Validator(schema()).is_valid(GOOD | changes)
    assert (taken, by_schema) == (good, good)
