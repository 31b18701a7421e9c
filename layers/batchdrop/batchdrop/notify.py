"""A vendor's callback: a hint that a job is worth a look. It decides nothing, and its body is never read."""

from __future__ import annotations

from typing import Literal, Protocol

from batchdrop import capability
from batchdrop.errors import ConditionFailed
from batchdrop.ledger import Ledger
from batchdrop.ports import Clock, Log, Metrics, Secrets, Workflow

HINT_WINDOW_MS = 30_000


class Porch(Protocol):
    """The little of the world a callback may reach."""

    @property
    def ledger(self) -> Ledger: ...
    @property
    def secrets(self) -> Secrets: ...
    @property
    def workflow(self) -> Workflow: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def metrics(self) -> Metrics: ...
    @property
    def log(self) -> Log: ...


Answer = Literal["accepted", "unknown"]


def notify(world: Porch, token: str) -> Answer:
    """Heed a callback. `unknown` for a token that is forged, expired or of no job; all other calls are `accepted`."""
    job_id = capability.verify(world.secrets.get(capability.SECRET), token, world.clock.now())
    if job_id is None:
        world.metrics.count("CallbacksForged")
        return "unknown"
    return _hint(world, job_id)


def _hint(world: Porch, job_id: str) -> Answer:
    """Record the hint and wake the waiter, at most once in 30 s; whoever comes second of hint and wait does the rest.

    The wait stores its token only while no hint is newer than the last look at the vendor; the hint is written and
    the token read in one update. So either the hint finds the token, or the wait finds the hint.
    """
    try:
        job = world.ledger.hint(job_id, HINT_WINDOW_MS)
    except ConditionFailed as failed:
        return "accepted" if failed.item else "unknown"
    world.metrics.count("CallbacksReceived")
    if job.task_token and not world.workflow.wake(job.task_token):
        world.log.info("the callback found nobody waiting", job_id=job_id)
    return "accepted"
