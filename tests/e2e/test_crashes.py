"""Many drops at once, vendors that misbehave, workers that are killed, a restart of everything: the books balance.

Real processes on the embedded AWS: workers end by SIGKILL in the middle of their calls. What cannot be done with it:
MiniStack writes its state down when it is told to end (SIGTERM), so it is never killed itself, and executions do not
outlive a restart: they come back FAILED, without the event that AWS would send. The sweep finds their jobs.

Larger by the environment: CRASH_DROPS, CRASH_KILLS, CRASH_SEED, CRASH_SECONDS; `make crash` drops 300 files.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from random import Random
from typing import Any

import pytest

from local.simulators import ALL
from local.simulators.server import Simulator
from tests.e2e.balance import Balance
from tests.e2e.crowd import Dropped, drop_all, put_routes
from tests.e2e.mischief import Mischief
from tests.e2e.rig import PAUSE, Rig

DROPS = int(os.environ.get("CRASH_DROPS", "20"))
KILLS = int(os.environ.get("CRASH_KILLS", "3"))  # times that half of the workers are killed
SEED = int(os.environ.get("CRASH_SEED", "1"))
SECONDS = float(os.environ.get("CRASH_SECONDS", "240"))
POLLERS, FINISHERS = 6, 16  # workers of a function side by side
KILL_EVERY, SWEEP_EVERY, CALL_EVERY = 2.0, 6.0, 1.5


@pytest.fixture
def vendors() -> Iterator[dict[str, Simulator[Any]]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(kind(seconds_per_state=0.3)) for name, kind in ALL.items()}


@pytest.fixture
def small_account(rig: Rig) -> Iterator[None]:
    """Few workers, so that some calls are throttled; and 30 seconds instead of 900 for the finish function.

    Who follows a killed worker waits for the rest of its time.
    """
    functions, outputs = rig.client("lambda"), rig.stack.outputs
    poll, finish = outputs["PollFunctionName"], outputs["FinishFunctionName"]
    functions.update_function_configuration(FunctionName=finish, Timeout=30)
    for name, workers in ((poll, POLLERS), (finish, FINISHERS)):
        functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=workers)
    yield
    functions.update_function_configuration(FunctionName=finish, Timeout=900)
    for name in (poll, finish):
        functions.delete_function_concurrency(FunctionName=name)


class Until:
    """What is still open, looked at a few at a time."""

    def __init__(self, rig: Rig, drops: Sequence[Dropped]) -> None:
        self.rig, self.open = rig, [drop.job for drop in drops]

    def all_closed(self) -> bool:
        while self.open:
            job = self.rig.ledger.job(self.open[0])
            if job is None or not job.is_closed:
                self.open.append(self.open.pop(0))
                return False
            self.open.pop(0)
        return True


@pytest.mark.usefixtures("small_account")
@pytest.mark.timeout(SECONDS + 300)
@pytest.mark.acceptance("D1", "D2", "D3", "D8", "E8", "A4")
def test_whatever_crashes_every_drop_has_one_report_and_the_books_balance(
    rig: Rig, vendors: dict[str, Simulator[Any]]
) -> None:
    put_routes(rig, vendors)
    mischief = Mischief(rig, vendors, Random(SEED))
    began = time.monotonic()
    mischief.order_faults()
    mischief.slow_down()
    drops = drop_all(rig, DROPS)

    _until_drained(rig, mischief, drops, began + SECONDS)
    took = time.monotonic() - began
    mischief.count()
    balance = Balance(rig, vendors, drops)
    wrong = balance.strike()

    _tell(mischief, balance, took)
    assert wrong == []
    assert mischief.told["of them submitting"]
    assert mischief.told["faults"]
    assert mischief.told["restarts"] == 1


def _until_drained(rig: Rig, mischief: Mischief, drops: Sequence[Dropped], end: float) -> None:
    """Trouble for as long as there are kills left, then healing; the sweep now and then, as its schedule would."""
    until, kills, began = Until(rig, drops), KILLS, time.monotonic()
    due = dict.fromkeys(("kill", "call", "sweep"), began + 3)
    with ThreadPoolExecutor(2) as aside:
        while not (mischief.told["restarts"] and until.all_closed()):
            now = time.monotonic()
            assert now < end, f"{len(until.open)} still open\n" + "\n".join(map(rig.story, until.open[:10]))
            if kills:
                mischief.order_faults()
            else:
                mischief.heal()
            if kills and now >= due["kill"] and (mischief.calls_in_flight() or now >= due["kill"] + 5):
                kills -= 1
                mischief.strike(restart=KILLS - kills == max(2, KILLS // 10))
                due["kill"] = time.monotonic() + KILL_EVERY
                mischief.slow_down()
            for name, errand, every in (
                ("call", mischief.call_back_at_random, CALL_EVERY),
                ("sweep", mischief.sweep, SWEEP_EVERY),
            ):
                if now >= due[name]:
                    due[name] = float("inf")  # until it is done
                    aside.submit(errand).add_done_callback(partial(_again, due, name, every))
            time.sleep(PAUSE / 5)


def _again(due: dict[str, float], name: str, every: float, done: Future[None]) -> None:
    due[name] = time.monotonic() + every
    done.result()


def _tell(mischief: Mischief, balance: Balance, seconds: float) -> None:
    print(f"\n{len(balance.drops)} drops in {seconds:.0f} s, {60 * len(balance.drops) / seconds:.0f} jobs a minute")
    for title, figures in (
        ("trouble", mischief.told),
        ("jobs", balance.outcomes),
        ("records", balance.records),
        ("totals", balance.totals),
    ):
        print(f"  {title}: " + ", ".join(f"{name} {count}" for name, count in sorted(figures.items())))
    print(f"  violations: {len(balance.wrong)}")
