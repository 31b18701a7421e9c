"""At most so many jobs of an account under way, whoever dies."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from batchdrop.job import Job
from batchdrop.ledger import Ledger
from batchdrop.slots import GRACE_MS, LATE_MS, MOST_NOTED, leave
from batchdrop.slots import enter as enter_at_pace
from tests.simulation.memory import MemoryTable

pytestmark = pytest.mark.acceptance("H6")
ACCOUNT = "datagroup:main:"


@dataclass
class Clock:
    at: float = 1_000_000.0

    def now(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ledger(clock: Clock) -> Ledger:
    return Ledger(MemoryTable(clock.now, lambda: 0.0), clock)


def job(name: str, clock: Clock) -> Job:
    now = int(clock.now() * 1000)
    return Job(name, "people", "drops", "drops/people/x.csv", "1", now, now + 60_000)


def pace(ahead: int) -> float:
    """30 seconds for the first in the queue, more for those behind it."""
    return 30.0 * 2.0**ahead


def enter(ledger: Ledger, account: str, job: Job, limit: int) -> bool:
    return not enter_at_pace(ledger, account, job, limit, pace)


def test_a_job_above_the_limit_waits_until_one_leaves(ledger: Ledger, clock: Clock) -> None:
    assert enter(ledger, ACCOUNT, job("a", clock), 2)
    assert enter(ledger, ACCOUNT, job("b", clock), 2)
    assert not enter(ledger, ACCOUNT, job("c", clock), 2)

    leave(ledger, ACCOUNT, "a")

    assert enter(ledger, ACCOUNT, job("c", clock), 2)


def test_a_job_keeps_its_place_however_often_it_comes_back(ledger: Ledger, clock: Clock) -> None:
    assert all(enter(ledger, ACCOUNT, job("a", clock), 1) for _ in range(3))
    assert not enter(ledger, ACCOUNT, job("b", clock), 1)


def test_accounts_do_not_share_their_places(ledger: Ledger, clock: Clock) -> None:
    assert enter(ledger, ACCOUNT, job("a", clock), 1)
    assert enter(ledger, "sherpa:main:", job("b", clock), 1)


def test_a_dead_holders_place_is_free_again_after_its_time(ledger: Ledger, clock: Clock) -> None:
    assert enter(ledger, ACCOUNT, job("dead", clock), 1)
    clock.at += 60 + GRACE_MS / 1000 + 1

    assert enter(ledger, ACCOUNT, job("next", clock), 1)


def test_of_two_that_come_at_once_only_one_gets_the_last_place(ledger: Ledger, clock: Clock) -> None:
    rival, table = job("rival", clock), ledger.table
    read = table.get

    def read_then_lose(*args: object) -> object:
        found = read(*args)  # type: ignore[arg-type]
        table.get = read  # type: ignore[method-assign]
        assert enter(ledger, ACCOUNT, rival, 1)
        return found

    table.get = read_then_lose  # type: ignore[method-assign, assignment]

    assert not enter(ledger, ACCOUNT, job("a", clock), 1)


def test_a_free_place_goes_to_who_came_first(ledger: Ledger, clock: Clock) -> None:
    assert enter(ledger, ACCOUNT, job("a", clock), 1)
    assert enter_at_pace(ledger, ACCOUNT, job("b", clock), 1, pace) == 30
    assert enter_at_pace(ledger, ACCOUNT, job("c", clock), 1, pace) == 60
    clock.at += 10
    leave(ledger, ACCOUNT, "a")

    assert not enter(ledger, ACCOUNT, job("d", clock), 1)
    assert not enter(ledger, ACCOUNT, job("c", clock), 1)
    assert enter(ledger, ACCOUNT, job("b", clock), 1)
    leave(ledger, ACCOUNT, "b")
    assert enter(ledger, ACCOUNT, job("c", clock), 1)


def test_who_never_looks_again_keeps_nobody_waiting(ledger: Ledger, clock: Clock) -> None:
    assert enter(ledger, ACCOUNT, job("a", clock), 1)
    assert not enter(ledger, ACCOUNT, job("dead", clock), 1)
    leave(ledger, ACCOUNT, "a")
    clock.at += 30 + LATE_MS / 1000 + 1

    assert enter(ledger, ACCOUNT, job("c", clock), 1)


def test_a_place_does_not_stay_empty_until_a_sleeper_looks_again(ledger: Ledger, clock: Clock) -> None:
    assert enter(ledger, ACCOUNT, job("a", clock), 1)
    for name in ("b", "c", "d"):  # they look again after 30, 60 and 120 seconds
        assert not enter(ledger, ACCOUNT, job(name, clock), 1)
    clock.at += 5
    leave(ledger, ACCOUNT, "a")
    assert enter(ledger, ACCOUNT, job("b", clock), 1)
    leave(ledger, ACCOUNT, "b")

    assert enter(ledger, ACCOUNT, job("d", clock), 1)
    leave(ledger, ACCOUNT, "d")
    clock.at += 30
    assert not enter(ledger, ACCOUNT, job("e", clock), 1)  # now c is due in 25 seconds
    assert enter(ledger, ACCOUNT, job("c", clock), 1)


def test_the_queue_that_is_kept_stays_small(ledger: Ledger, clock: Clock) -> None:
    assert enter(ledger, ACCOUNT, job("a", clock), 1)
    for n in range(MOST_NOTED + 10):
        assert not enter(ledger, ACCOUNT, job(f"waiter-{n}", clock), 1)

    (item,) = (item for key, item in ledger.table.items.items() if key.sk == "slots")  # type: ignore[attr-defined]
    assert len(item["waiting"]) == MOST_NOTED
    leave(ledger, ACCOUNT, "a")
    assert enter(ledger, ACCOUNT, job("waiter-0", clock), 1)
