"""Jobs as they go: a table that changes on a terminal, a line a change in a pipe."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable
from typing import Any

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from batchdrop.job import Batch, Job
from batchdrop.operate import find
from local import describe, show
from local.connection import OperatorWorld

COLUMNS = ("job", "route", "state", "records", "accepted", "not accepted", "size", "key", "since")
PAUSE = 0.5  # seconds between two looks
_RECENT = 20  # jobs shown when all are watched


def row(job: Job) -> tuple[object, ...]:
    """A job as a line of the list."""
    since = (describe.summary(job)["created_at"] or "")[:19]
    return job.job_id, job.route, describe.state(job), *describe.tally(job), describe.size(job.size), job.key, since


def watch_one(world: OperatorWorld, job_id: str, *, as_json: bool) -> Job:
    """Show a job until it has ended; returns it as it ended."""

    def look() -> tuple[list[Job], list[Batch]]:
        return [find(world, job_id)], world.ledger.batches(job_id)

    return _watch(look, as_json=as_json, until_closed=True)[0]


def watch_all(world: OperatorWorld, *, as_json: bool) -> None:
    """Show the latest jobs until Ctrl-C."""
    _watch(lambda: (world.ledger.jobs(_RECENT), []), as_json=as_json, until_closed=False)


def watch_these(world: OperatorWorld, job_ids: Iterable[str], timeout: float) -> list[Job]:
    """Show these jobs until all have ended, or the time is up; returns those that are known, as they stand then."""
    wanted = list(job_ids)

    def look() -> tuple[list[Job], list[Batch]]:
        return [job for job in map(world.ledger.job, wanted) if job], []

    return _watch(look, as_json=False, until_closed=True, number=len(wanted), timeout=timeout)


def _watch(
    look: Callable[[], tuple[list[Job], list[Batch]]],
    *,
    as_json: bool,
    until_closed: bool,
    number: int = 1,
    timeout: float = math.inf,
) -> list[Job]:
    told: dict[str, str] = {}
    end = time.monotonic() + timeout
    drawn = not as_json and show.out.is_terminal
    with Live(console=show.out, auto_refresh=False, transient=False) as live:
        while True:
            jobs, batches = look()
            if drawn:
                live.update(_picture(jobs, batches), refresh=True)
            else:
                _tell_changes(jobs, batches, told, as_json=as_json)
            done = until_closed and len(jobs) >= number and all(job.is_closed for job in jobs)
            if done or time.monotonic() > end:
                return jobs
            time.sleep(PAUSE)


def _picture(jobs: list[Job], batches: list[Batch]) -> RenderableType:
    parts: list[RenderableType] = [show.drawn(COLUMNS, map(row, jobs))]
    if batches:
        lines = ((b.n, b.state, b.word, b.records, describe.size(b.bytes), _receipt(b)) for b in batches)
        parts += [Text(), show.drawn(("batch", "state", "vendor says", "records", "size", "receipt"), lines)]
    return Group(*parts)


def _tell_changes(jobs: list[Job], batches: list[Batch], told: dict[str, str], *, as_json: bool) -> None:
    for job in jobs:
        name = f"{job.job_id} {job.key}"
        _tell(told, name, describe.summary(job), describe.state(job), as_json=as_json)
    for batch in batches:
        name = f"{batch.job_id} batch {batch.n}"
        facts = {"job_id": batch.job_id, "batch": batch.n, "state": batch.state, "status": batch.word or None}
        _tell(told, name, facts, f"{batch.state} {batch.word}".strip(), as_json=as_json)


def _tell(told: dict[str, str], name: str, facts: dict[str, Any], state: str, *, as_json: bool) -> None:
    if told.get(name) != state:
        told[name] = state
        show.plain(json.dumps(facts, default=int) if as_json else f"{name} {state}")


def _receipt(batch: Batch) -> str:
    return " ".join(f"{k}={v}" for k, v in batch.receipt.items())
