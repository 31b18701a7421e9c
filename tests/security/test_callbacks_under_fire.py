"""The deployed endpoint under attack with a URL that is genuine: what it costs, and that nothing breaks."""

from __future__ import annotations

import json
import socket
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest

from batchdrop.ledger import job_key
from local.simulators.datagroup import DataGroupSimulator
from local.simulators.outbound import call_out
from tests.e2e.rig import FAR_OFF, PAUSE, Rig

CALLS, AT_ONCE = 120, 8
BODIES = (b"{}", b"", b"\xff\xfe" * 50_000, b'{"state": "COMPLETED"}', b"<x/>")
# As they go over the wire, and whether they may count as a hint.
ODD = {
    "method by a header": ("GET {path} HTTP/1.1\r\nHost: x\r\nX-HTTP-Method-Override: DELETE\r\n\r\n", 202),
    "in pieces": ("POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 202),
    "two lengths": ("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400),
    "60 KB of header": (f"GET {{path}} HTTP/1.1\r\nHost: x\r\nX-A: {'a' * 60_000}\r\n\r\n", 202),
    "60 KB of query": (f"GET {{path}}?q={'q' * 60_000} HTTP/1.1\r\nHost: x\r\n\r\n", 202),
    "packed": ("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\n{}", 202),
    "a null": ("GET {path}%00 HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    "a dot": ("GET {path}%2e HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    "a slash": ("GET {path}/ HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    "a parameter": ("GET {path};a=b HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    "a step up": ("GET {path}/../{path} HTTP/1.1\r\nHost: x\r\n\r\n", 404),
    "trace": ("TRACE {path} HTTP/1.1\r\nHost: x\r\n\r\n", 405),
}


@pytest.fixture(scope="module")
def vendor() -> Iterator[DataGroupSimulator]:
    """A vendor that works for long, and does not call."""
    with DataGroupSimulator(seconds_per_state=60, notify="never") as simulator:
        yield simulator


@pytest.fixture(scope="module")
def job(rig: Rig, vendor: DataGroupSimulator) -> str:
    """A job that waits for a callback."""
    rig.route("under-fire", vendor, poll=FAR_OFF)
    found = rig.drop("under-fire", "a.csv", "id,zip\n1,01234\n")
    rig.until_state(found, "Await 5 Minutes", 120)
    return found


@pytest.fixture(scope="module")
def url(vendor: DataGroupSimulator, job: str) -> str:
    return str(json.loads(vendor.calls("create_batch_file")[0].body or "{}")["notification_URL"])


def looks(vendor: DataGroupSimulator) -> int:
    return len(vendor.calls("state"))


def until_it_rests(rig: Rig, job: str, seconds: float = 30) -> None:
    """After a look that a callback brought about, the workflow rests where no callback can wake it."""
    end = time.monotonic() + seconds
    while rig.states(job)[-1] != "Wait":
        assert time.monotonic() < end, rig.story(job)
        time.sleep(PAUSE)


@pytest.mark.acceptance("F3", "F8", "F9")
def test_a_flood_of_genuine_calls_costs_one_look_at_the_vendor(
    rig: Rig, vendor: DataGroupSimulator, job: str, url: str
) -> None:
    before, began = looks(vendor), time.monotonic()

    def call(n: int) -> int:
        return call_out("POST", url, BODIES[n % len(BODIES)], "application/json", timeout=60)[0]

    with ThreadPoolExecutor(AT_ONCE) as crowd:
        assert Counter(crowd.map(call, range(CALLS))) == {202: CALLS}
    until_it_rests(rig, job)
    assert 1 <= looks(vendor) - before <= 1 + (time.monotonic() - began) // 30
    assert not _closed(rig, job)


@pytest.mark.acceptance("F3", "F5")
def test_a_call_while_nobody_waits_is_kept_for_the_next_look(
    rig: Rig, vendor: DataGroupSimulator, job: str, url: str
) -> None:
    """The task token in the ledger is of a wait that is over."""
    call_out("POST", url, b"{}")
    until_it_rests(rig, job)
    rig.ledger.table.update(job_key(job), {"hint_at": 1})  # as if the call before had been long ago
    before = looks(vendor)
    assert call_out("POST", url, b"{}")[0] == 202
    known = rig.ledger.job(job)
    assert known is not None
    assert known.hint_at > 1
    assert looks(vendor) == before


@pytest.mark.acceptance("F1", "F7", "F8")
@pytest.mark.parametrize("kind", ODD)
def test_odd_requests_are_answered_like_any_other(rig: Rig, job: str, url: str, kind: str) -> None:
    text, status = ODD[kind]
    parts = urlsplit(url)
    with socket.create_connection((str(parts.hostname), parts.port or 80), 10) as line:
        line.sendall(text.replace("{path}", parts.path).encode("latin-1"))
        answer = line.recv(4096).decode("latin-1")
    assert answer.startswith(f"HTTP/1.1 {status} ")
    assert job not in answer
    assert not _closed(rig, job)


def _closed(rig: Rig, job: str) -> bool:
    known = rig.ledger.job(job)
    return known is None or known.is_closed
