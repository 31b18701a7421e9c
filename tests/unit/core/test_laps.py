"""However long a job waits and however often it is called, its execution never runs out of history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import pytest

from batchdrop.finish import GRACE, Closing
from batchdrop.job import Job
from batchdrop.ledger import Ledger
from batchdrop.poll import MOST_LAPS, Next, Supervision
from batchdrop.ports import Table
from batchdrop.route import read_route
from batchdrop.world import Invocation, Settings, World

# Events in an execution's history: a look is 5 of its task and 2 of its choice; then a wait or an await.
LOOK, WAIT, AWAIT = 7, 2, 6
HISTORY = 25_000


@dataclass
class Clock:
    at: float = 1_700_000_000.0

    def now(self) -> float:
        return self.at


@dataclass
class Waiting:
    """The little of the world that deciding how long to wait needs."""

    clock: Clock

    settings = Settings("s", "drops", "results", notification_url="https://example.com")

    @property
    def ledger(self) -> Ledger:
        return Ledger(cast(Table, None), self.clock)


def laps(poll: dict[str, Any], deadline: str, method: str, flood: bool) -> Iterator[Next]:
    """The answers a job gets that never ends, until its deadline; `flood`: a callback comes as soon as one counts."""
    raw = {
        "destination": "datagroup", "secret": "s", "poll": poll, "deadline": deadline,
        "account": {"notification_method": method},
    }  # fmt: skip
    route, clock = read_route("r", raw), Clock()
    end = clock.at + route.deadline
    job = Job("j", "r", "b", "k", "v", created_at=int(clock.at * 1000), deadline_at=int(end * 1000))
    lap = 0
    while clock.at < end:
        world = cast(World, Waiting(clock))
        answer = Supervision(world, cast(Invocation, None), job, route, lap)._wait(route.poll.wait(lap))
        yield answer
        lap += 1
        clock.at += 0.1 if flood and answer.next == "await" else answer.seconds
        if flood and clock.at * 1000 - job.hint_at >= 30_000:
            job.hint_at = int(clock.at * 1000)


@pytest.mark.acceptance("E7")
@pytest.mark.parametrize("flood", [False, True], ids=["quiet", "flooded"])
@pytest.mark.parametrize("deadline", ["1m", "1h", "36h", "30d"])
@pytest.mark.parametrize(
    "poll",
    [
        {},
        {"first": "1s", "factor": 1, "max": "1s"},
        {"first": "15s", "factor": 1, "max": "15s"},
        {"first": "1m", "factor": 1, "max": "1m"},
        {"first": "15m", "factor": 1, "max": "15m"},
        {"first": "1s", "factor": 1.01, "max": "24h"},
    ],
    ids=["default", "every-second", "every-15-s", "every-minute", "every-15-min", "slowly-growing"],
)
@pytest.mark.parametrize("method", ["POST", "none"])
def test_an_execution_outlasts_the_deadline(poll: dict[str, Any], deadline: str, method: str, flood: bool) -> None:
    answers = list(laps(poll, deadline, method, flood))
    events = sum(LOOK + (AWAIT if answer.next == "await" else WAIT) for answer in answers)
    assert events < HISTORY - 500  # something is left for the submission, retries and the finish
    assert len(answers) <= MOST_LAPS * 1.2


def test_the_default_pace_is_the_routes_own() -> None:
    answers = list(laps({"first": "30s", "factor": 2, "max": "15m"}, "24h", "none", flood=False))
    assert [answer.seconds for answer in answers[:6]] == [30, 60, 120, 240, 480, 900]


def test_a_quick_pace_is_kept_while_the_laps_last() -> None:
    answers = list(laps({"first": "2s", "factor": 1, "max": "2s"}, "30m", "none", flood=False))
    assert {answer.seconds for answer in answers[:-1]} == {2}


# --- results that cannot be had ---

FINISH = 9  # events: 5 of the task, 2 of the choice, 2 of the wait


class Kept(Ledger):
    """A ledger of one job."""

    def release(self, job: Job, owner: str, changes: Mapping[str, object]) -> Job:
        job.finish_tries = cast(int, changes["finish_tries"])
        return job


def tries(deadline: float, after: float) -> Iterator[int]:
    """The waits of a finish that fails until nothing is waited for any more."""
    clock = Clock()
    world = SimpleNamespace(ledger=Kept(cast(Table, None), clock))
    start, end = int(clock.at * 1000), int((clock.at + deadline) * 1000)
    job = Job("j", "r", "b", "k", "v", start, end, tries=9)  # its submission had a hard time
    closing = Closing(cast(World, world), cast(Invocation, SimpleNamespace(owner="x")), job)
    while clock.at * 1000 < end + GRACE * 1000:
        seconds = closing._try_again(after).seconds
        yield seconds
        clock.at += seconds


@pytest.mark.parametrize("after", [0.0, 1.0], ids=["", "the vendor says: at once"])
@pytest.mark.parametrize("days", [1 / 24, 2, 30])
def test_an_execution_outlasts_results_that_cannot_be_had(days: float, after: float) -> None:
    waits = list(tries(days * 86400, after))
    assert waits[:5] == [30, 60, 120, 240, 480]
    assert len(waits) * FINISH < HISTORY - 500
    assert sum(waits) <= days * 86400 + GRACE + 2


def test_a_vendors_own_time_to_wait_is_kept() -> None:
    assert next(tries(86400, 5000.0)) == 5000
