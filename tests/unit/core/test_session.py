"""A job's session with its vendor: the secret is what it is now, where what was read before is of no use."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from batchdrop.destinations.base import Session
from batchdrop.errors import SecretError
from batchdrop.job import Job
from batchdrop.route import read_route
from batchdrop.session import open_session
from batchdrop.world import World

ROUTE = read_route(
    "people", {"destination": "datagroup", "account": {"notification_method": "none"}, "secret": "datagroup-main"}, ()
)
GOOD = {"api_key": "k", "username": "u", "password": "p"}


class Secrets:
    """What was read before, and what is there now."""

    def __init__(self, before: Mapping[str, str], now: Mapping[str, str]) -> None:
        self.before, self.now = before, now

    def get(self, _: str, *, fresh: bool = False) -> Mapping[str, str]:
        return self.now if fresh else self.before


def session(secrets: object, *, notification_url: str = "", counted: list[str] | None = None) -> Session:
    settings = SimpleNamespace(notification_url=notification_url, results_bucket="results")
    world: Any = SimpleNamespace(secrets=secrets, settings=settings)
    world.http = world.clock = world.rng = world.objects = None
    world.metrics = SimpleNamespace(count=(counted if counted is not None else []).append)
    world.log = SimpleNamespace(warning=lambda *_, **__: None)
    return open_session(cast(World, world), Job("j", "people", "drops", "drops/people/a.csv", "v", 0, 0), ROUTE)


def secret(before: Mapping[str, str], now: Mapping[str, str]) -> Mapping[str, str]:
    return session(Secrets(before, now)).secret(False)


def test_a_secret_that_was_mended_since_it_was_read_is_read_again() -> None:
    assert secret({"api_key": "k"}, GOOD) == GOOD
    assert secret({**GOOD, "password": " p"}, GOOD) == GOOD


def test_one_that_is_still_wrong_is_told_with_its_field_and_no_value() -> None:
    with pytest.raises(SecretError, match='secret "datagroup-main": field "password" is missing') as raised:
        secret(GOOD | {"password": ""}, GOOD | {"password": "x "})
    assert "x " not in str(raised.value)


@pytest.mark.parametrize("value", [5432, None, True, ["hushed"], {"key": "hushed"}])
def test_a_further_field_that_is_no_text_is_none_of_ours_and_one_we_need_is_told_by_its_name(value: object) -> None:
    assert secret({**GOOD, "port": value}, {}) == GOOD  # type: ignore[dict-item]
    wrong = {**GOOD, "password": value}
    with pytest.raises(SecretError, match='field "password" is missing, empty, no text, or has spaces') as raised:
        secret(wrong, wrong)  # type: ignore[arg-type]
    assert "hushed" not in str(raised.value)


class Gone:
    def get(self, name: str, *, fresh: bool = False) -> Mapping[str, str]:
        raise SecretError(f'secret "{name}" cannot be read')


KEYS: dict[str, Any] = {"current": "k1", "k1": "x" * 64}


@pytest.mark.parametrize(
    "keys",
    [GOOD, {"current": "k2", "k1": "x"}, {"current": 1}, {"current": "current"}, {"current": "a b", "a b": "x"}]
    + [{"current": "k1", "k1": wrong} for wrong in ("", 7, None, ["x"])],
)
def test_with_unusable_callback_keys_there_is_no_callback_and_no_crash(keys: dict[str, Any]) -> None:
    counted: list[str] = []
    opened = session(Secrets(keys, keys), notification_url="https://x.example", counted=counted)
    assert (opened.notification_url, counted) == ("", ["CallbackKeysUnusable"])


def test_callback_keys_that_cannot_be_read_cost_the_callback_only() -> None:
    assert session(Gone(), notification_url="https://x.example").notification_url == ""


def test_callback_keys_that_were_mended_since_they_were_read_are_read_again() -> None:
    opened = session(Secrets(GOOD, KEYS), notification_url="https://x.example/")
    assert opened.notification_url.startswith("https://x.example/notifications/j.")
