"""A job's session with its vendor: the secret is what it is now, where what was read before is of no use."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

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


def secret(before: Mapping[str, str], now: Mapping[str, str]) -> Mapping[str, str]:
    settings = SimpleNamespace(notification_url="", results_bucket="results")
    world: Any = SimpleNamespace(secrets=Secrets(before, now), settings=settings)
    world.http = world.clock = world.rng = world.objects = None
    job = Job("j", "people", "drops", "drops/people/a.csv", "v", 0, 0)
    return open_session(cast(World, world), job, ROUTE).secret(False)


def test_a_secret_that_was_mended_since_it_was_read_is_read_again() -> None:
    assert secret({"api_key": "k"}, GOOD) == GOOD
    assert secret({**GOOD, "password": " p"}, GOOD) == GOOD


def test_one_that_is_still_wrong_is_told_with_its_field_and_no_value() -> None:
    with pytest.raises(SecretError, match='secret "datagroup-main": field "password" is missing') as raised:
        secret(GOOD | {"password": ""}, GOOD | {"password": "x "})
    assert "x " not in str(raised.value)
