"""`jobs`, `show`, `wait` and `watch`: what becomes of drops."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer

from batchdrop.job import Job
from batchdrop.operate import find
from batchdrop.words import JobOutcome
from local import describe, live, show
from local.connection import connect
from local.verbs.options import Json, Stack

TIMED_OUT = 124
WITH_REJECTS = 4


def jobs(
    *,
    limit: Annotated[int, typer.Option("--limit", "-n", help="At most so many.", min=1, max=10_000)] = 20,
    still_open: Annotated[bool, typer.Option("--open", help="Only those that have not ended.")] = False,
    on: Stack = None,
    json: Json = False,
) -> None:
    """List jobs, newest first."""
    ledger = connect(on).ledger
    found = ledger.open_jobs(limit)[::-1] if still_open else ledger.jobs(limit)
    if json:
        show.as_json({"jobs": [describe.summary(job) for job in found]})
    else:
        show.table(live.COLUMNS, (live.row(job) for job in found))


def show_(job: str, *, on: Stack = None, json: Json = False) -> None:
    """Show one job and its batches."""
    world = connect(on)
    found = describe.detail(find(world, job), world.ledger.batches(job))
    if json:
        show.as_json(found)
        return
    batches = found.pop("batches")
    for name, value in found.items():
        if value not in (None, [], {}):
            show.plain(f"{name + ':':<13}{_text(value)}")
    if batches:
        show.plain("")
        columns = ("n", "state", "status", "attempt", "records", "invalid", "bytes", "receipt", "message")
        show.table(columns, ([_text(batch[c]) for c in columns] for batch in batches))


def wait(
    job: str,
    *,
    timeout: Annotated[float, typer.Option("--timeout", help="Seconds.", min=0)] = 3600,
    on: Stack = None,
    json: Json = False,
) -> None:
    """Wait until a job has ended.

    Exits 0 when it completed or was handed over, 4 with rejects, 1 otherwise, 124 when the time is up.
    """
    world = connect(on)
    ended = _wait(lambda: world.ledger.job(job), timeout)
    if json:
        show.as_json(describe.summary(ended) if ended else {"job_id": job, "state": "unknown"})
    else:
        show.plain(describe.state(ended) if ended else "unknown")
    if ended is None or not ended.is_closed:
        what = "has not ended" if ended else "is not known"
        show.say(f"job {job} {what} after {timeout:g} s; `batchdrop show {job}` tells more")
        raise typer.Exit(TIMED_OUT)
    raise typer.Exit(exit_status(ended))


def watch(
    job: Annotated[str | None, typer.Argument(help="One job; without it, all that are at work.")] = None,
    *,
    on: Stack = None,
    json: Json = False,
) -> None:
    """Watch a job until it ends, or all jobs until Ctrl-C. In a pipe, or as JSON, one line a change."""
    world = connect(on)
    if job is None:
        live.watch_all(world, as_json=json)
        return
    find(world, job)
    raise typer.Exit(exit_status(live.watch_one(world, job, as_json=json)))


def exit_status(job: Job) -> int:
    """What `wait` exits with for an ended job."""
    if job.outcome in (JobOutcome.COMPLETED, JobOutcome.HANDED_OVER):
        return 0
    return WITH_REJECTS if job.outcome == JobOutcome.COMPLETED_WITH_REJECTS else 1


def _wait(ask: Any, timeout: float) -> Job | None:
    """Ask until the job has ended or the time is up; more seldom as time passes."""
    end, pause = time.monotonic() + timeout, 0.25
    while True:
        job: Job | None = ask()
        left = end - time.monotonic()
        if (job and job.is_closed) or left <= 0:
            return job
        time.sleep(min(pause, left))
        pause = min(pause * 1.2, 5.0)


def _text(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{k}={v}" for k, v in value.items())
    if isinstance(value, list):
        return "; ".join(str(v) for v in value)
    return "" if value is None else str(value)
