"""Callback URLs: a token nobody can make, alter or use beyond its time."""

from __future__ import annotations

from typing import Any

import pytest

from batchdrop import capability
from batchdrop.capability import issue, verify
from batchdrop.drop import job_id

JOB = job_id("b", "k", "v")
KEYS = {"current": "k1", "k1": "x" * 64}
NOW = 1_700_000_000


def token(**changes: object) -> str:
    """A genuine token, with parts replaced."""
    parts = dict(zip(("job", "expires", "kid", "mac"), issue(KEYS, JOB, NOW + 60).split("."), strict=True))
    return ".".join(str({**parts, **changes}[name]) for name in parts)


def test_a_genuine_token_names_its_job() -> None:
    assert verify(KEYS, issue(KEYS, JOB, NOW + 60), NOW) == JOB


def test_a_token_is_fit_for_a_path_and_has_no_secret_in_it() -> None:
    made = issue(KEYS, JOB, NOW + 60)
    assert set(made) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_")
    assert KEYS["k1"] not in made
    assert len(made.rsplit(".", 1)[1]) * 6 >= 128  # bits


@pytest.mark.acceptance("F1")
def test_a_token_is_dead_when_its_time_is_up() -> None:
    made = issue(KEYS, JOB, NOW)
    assert verify(KEYS, made, NOW - 1) == JOB
    assert verify(KEYS, made, NOW) is None


@pytest.mark.acceptance("F1")
@pytest.mark.parametrize(
    "forged",
    [
        token(job=job_id("b", "k", "other")),
        token(expires=NOW + 61),
        token(kid="k2"),
        token(kid="current"),
        token(mac="A" * 32),
        token(mac=""),
        token()[:-1],
        token() + "A",
        token() + "\n",
        " " + token(),
        token().upper(),
        token().replace(".", "/"),
        "../" + token(),
        token(job="../../etc/passwd"),
        token(expires="٣٣"),
        token(expires="-1"),
        token(expires="9" * 13),
        "",
        ".",
        "...",
        "x" * 100_000,
        "\x00" * 40,
    ],
)
def test_anything_else_is_nobodys(forged: str) -> None:
    assert verify(KEYS, forged, NOW) is None


@pytest.mark.acceptance("F1")
def test_the_name_of_the_current_key_is_no_key() -> None:
    """It is known to whoever has seen a token: a token made with it must be worth nothing."""
    made = capability._mac(KEYS["current"], JOB, NOW + 60, "current")
    assert verify(KEYS, f"{JOB}.{NOW + 60}.current.{made}", NOW) is None


@pytest.mark.acceptance("F11")
def test_a_key_is_good_as_long_as_it_is_kept() -> None:
    made = issue(KEYS, JOB, NOW + 60)
    rotated = {"current": "k2", "k2": "y" * 64, "k1": KEYS["k1"]}
    assert verify(rotated, made, NOW) == JOB
    assert verify(rotated, issue(rotated, JOB, NOW + 60), NOW) == JOB
    assert verify({"current": "k2", "k2": "y" * 64}, made, NOW) is None


@pytest.mark.parametrize("keys", [{}, {"current": "k1"}, {"current": "k1", "k1": ""}])
def test_without_a_key_nothing_is_genuine(keys: dict[str, str]) -> None:
    assert verify(keys, token(), NOW) is None
    assert verify(keys, issue({"current": "k1", "k1": "none"}, JOB, NOW + 60), NOW) is None


@pytest.mark.parametrize("key", [7, None, ["x"], ""])
def test_a_key_that_is_no_text_is_no_key(key: object) -> None:
    broken: Any = {"current": "k1", "k1": key}
    assert verify(broken, issue(KEYS, JOB, NOW + 60), NOW) is None
