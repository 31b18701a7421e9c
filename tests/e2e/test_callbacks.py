"""Callbacks on the embedded AWS: they shorten the wait, and decide nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from local.simulators.datagroup import DataGroupSimulator
from local.simulators.outbound import call_out
from tests.e2e.rig import FAR_OFF, FAST, Rig

FILE = "id,zip\n1,01234\n2,00001\n"


@pytest.fixture
def slow_vendor() -> Iterator[DataGroupSimulator]:
    """Completes a batch-file two seconds after its upload."""
    with DataGroupSimulator(seconds_per_state=1) as simulator:
        yield simulator


def callback_url(vendor: DataGroupSimulator, seconds: float = 30) -> str:
    """The URL the vendor was given, once it was."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for request in vendor.calls("create_batch_file"):
            if request.body:
                return str(json.loads(request.body)["notification_URL"])
        time.sleep(0.05)
    raise AssertionError("no batch-file was created")


@pytest.mark.parametrize("method", ["POST", "GET"])
def test_a_callback_ends_a_job_whose_next_poll_is_far_off(
    rig: Rig, slow_vendor: DataGroupSimulator, method: str
) -> None:
    name = f"called-by-{method.lower()}"
    rig.route(name, slow_vendor, poll=FAR_OFF, account__notification_method=method)
    job = rig.drop(name, "a.csv", FILE)
    report = rig.report(job)
    assert report["outcome"] == "completed"
    assert [(sent.method, sent.status) for sent in slow_vendor.notifier.sent] == [(method, 202)]
    assert any(state.startswith("Await") for state in rig.states(job))
    assert "TaskTimedOut" not in {event["type"] for event in rig.history(job)}
    assert any(moment["event"] == "last callback" for moment in report["timeline"])


def test_a_callback_wakes_the_wait_of_five_minutes(rig: Rig) -> None:
    """While the submitting worker may still be alive the looks are closer; then the route's own pace holds."""
    with DataGroupSimulator(seconds_per_state=9) as vendor:
        rig.route("long-wait", vendor, poll=FAR_OFF)
        job = rig.drop("long-wait", "a.csv", FILE)
        rig.until_state(job, "Await 5 Minutes")
        assert rig.report(job)["outcome"] == "completed"


@pytest.mark.acceptance("F6")
@pytest.mark.parametrize("mode", ["never", "none asked for"])
def test_without_a_callback_polling_ends_the_job(rig: Rig, slow_vendor: DataGroupSimulator, mode: str) -> None:
    slow_vendor.options.notify = "never"
    name = f"polled-{mode.split(maxsplit=1)[0]}"
    rig.route(name, slow_vendor, **({} if mode == "never" else {"account__notification_method": "none"}))
    job = rig.drop(name, "a.csv", FILE)
    assert rig.report(job)["outcome"] == "completed"
    assert slow_vendor.notifier.sent == []
    body = json.loads(slow_vendor.calls("create_batch_file")[0].body or "{}")
    assert ("notification_URL" in body) == (mode == "never")


@pytest.mark.acceptance("F2", "F3", "F4", "F5")
@pytest.mark.parametrize("mode", ["early", "twice", "per_state", "late"])
def test_callbacks_too_early_too_late_or_too_many_change_nothing(rig: Rig, mode: str) -> None:
    with DataGroupSimulator(seconds_per_state=0.6, notify=mode, late_seconds=3) as vendor:
        rig.route(f"calls-{mode.replace('_', '-')}", vendor)
        job = rig.drop(f"calls-{mode.replace('_', '-')}", "a.csv", FILE)
        report = rig.report(job)
        assert (report["outcome"], report["counts"]["accepted"]) == ("completed", 2)
        assert len(vendor.commits) == 1
        url = callback_url(vendor)
        closed = rig.ledger.job(job)
        assert [call_out("POST", url, b"{}")[0] for _ in range(3)] == [202] * 3  # a late vendor is no forger
        assert rig.ledger.job(job) == closed
        assert rig.versions(job, "report.json") == 1


def answers(url: str, method: str = "POST", body: bytes | None = b"{}") -> tuple[int, bytes]:
    return call_out(method, url, body, "application/json")


@pytest.mark.acceptance("F1", "F3", "F7", "F8")
def test_forged_calls_meet_a_wall_and_odd_genuine_ones_are_only_hints(rig: Rig) -> None:
    with DataGroupSimulator(seconds_per_state=3, notify="never") as vendor:
        rig.route("walled", vendor, poll=FAR_OFF, deadline="1m")
        job = rig.drop("walled", "a.csv", FILE)
        url = callback_url(vendor)
        base, token = url.rsplit("/", 1)
        job_id, expiry, key_id, mac = token.split(".")
        forged = [
            f"{job_id}.{expiry}.{key_id}.{'A' * 32}",
            f"{job_id}.{int(expiry) + 1}.{key_id}.{mac}",
            f"{'0' * 32}.{expiry}.{key_id}.{mac}",
            f"{job_id}.{expiry}.current.{mac}",
            token[:-1],
            f"{token}x",
            "..%2f..%2fetc",
            "%00",
            "a" * 4000,
        ]
        before = rig.ledger.job(job)
        assert {answers(f"{base}/{one}")[0] for one in forged} == {404}
        assert {answers(f"{base}/{one}") for one in forged if "%" not in one} == {(404, b"{}")}  # one shape for all
        assert before is not None
        assert (rig.ledger.job(job) or before).hint_at == 0

        assert answers(url, "HEAD", None)[0] == 204
        assert {answers(url, method)[0] for method in ("PUT", "DELETE", "PATCH")} == {405}
        assert (rig.ledger.job(job) or before).hint_at == 0

        odd: list[tuple[str, bytes | None]] = [
            ("POST", b"<xml/>"),
            ("POST", b"\xff" * 200_000),
            ("GET", None),
            ("POST", b""),
            ("POST", b'{"state": "COMPLETED"}'),
        ]
        assert {answers(url, method, body)[0] for method, body in odd * 3} == {202}
        heeded: Any = rig.ledger.job(job)
        assert heeded.hint_at > 0
        assert answers(url)[0] == 202
        assert (rig.ledger.job(job) or before).hint_at == heeded.hint_at  # one look in 30 s, however many the calls
        assert not heeded.is_closed


@pytest.mark.acceptance("F11")
def test_a_rotated_key_leaves_the_urls_already_given_good(rig: Rig) -> None:
    """Not `current` decides which key is good, but which are still kept."""
    secrets = rig.client("secretsmanager")
    name = f"{rig.stack.name}/notification-keys"
    kept = json.loads(secrets.get_secret_value(SecretId=name)["SecretString"])
    with DataGroupSimulator(seconds_per_state=1) as vendor:
        rig.route("rotated", vendor, poll=FAST)
        job = rig.drop("rotated", "a.csv", FILE)
        url = callback_url(vendor)
        secrets.put_secret_value(SecretId=name, SecretString=json.dumps(kept | {"current": "k2", "k2": "n" * 64}))
        assert answers(url)[0] == 202
        rig.until_closed([job], 30)
