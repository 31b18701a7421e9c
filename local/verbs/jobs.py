"""`jobs`, `show`, `wait` and `watch`: what becomes of drops."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from local import describe, show
from local.exits import FAILED, TIMED_OUT, WITH_REJECTS
from local.safetext import one_line
from local.verbs.options import JobId, Json, Stack

if TYPE_CHECKING:
    from batchdrop.job import Job


def jobs(
    *,
    limit: Annotated[
        int, typer.Option("--limit", "-n", metavar="N", help="At most so many, up to 10,000.", min=1, max=10_000)
    ] = 20,
    still_open: Annotated[bool, typer.Option("--open", help="Only those that have not ended.")] = False,
    on: Stack = None,
    json: Json = False,
) -> None:
    """List jobs, newest first.

    \b
    Examples:
      batchdrop jobs
      batchdrop jobs --open
      batchdrop jobs -n 1000 --json
    """
    from local.connection import connect

    ledger = connect(on).ledger
    found = ledger.latest_open(limit) if still_open else ledger.jobs(limit)
    if json:
        show.as_json({"jobs": [describe.summary(job) for job in found]})
    elif show.out.is_terminal:
        show.table(describe.BRIEF, map(describe.brief, found), describe.BRIEF_SPARE)
    else:
        show.table(describe.COLUMNS, map(describe.row, found))


def show_(job: JobId, *, on: Stack = None, json: Json = False) -> None:
    """Show one job and its batches.

    \b
    Examples:
      batchdrop show 3f2a9c0d
    """
    from local.connection import connect
    from local.jobid import find_job

    world = connect(on)
    known = find_job(world, job)
    found = describe.detail(known, world.ledger.batches(known.job_id))
    if json:
        show.as_json(found)
        return
    batches = found.pop("batches")
    found["size"] = describe.size(known.size)
    for name, value in found.items():
        if value not in (None, [], {}) and name not in ("outcome", "counts"):  # said by the state, and below
            show.plain(f"{name + ':':<13}{one_line(_text(value))}")
    if known.counts:
        show.plain(f"{'records:':<13}{describe.counted(known)}")
    if batches:
        show.plain("")
        said = ("message",) if any(batch["message"] for batch in batches) else ()
        columns = ("n", "state", "status", "attempt", "records", "invalid", "bytes", "receipt", *said)
        rows = [[_text(batch[c]) for c in columns] for batch in batches]
        show.table(columns, rows, spare=("invalid", "attempt", "bytes"))


def wait(
    job: JobId,
    *,
    timeout: Annotated[float, typer.Option("--timeout", metavar="SECONDS", help="Give up after so long.", min=0)] = (
        3600
    ),
    on: Stack = None,
    json: Json = False,
) -> None:
    """Wait until a job has ended, and say how.

    Exits 0 when it completed or was handed over, 4 when it completed but
    not every record is known to be accepted, 1 otherwise, 124 when the
    time is up.

    \b
    Examples:
      batchdrop wait 3f2a9c0d --timeout 600
      batchdrop wait "$(batchdrop drop people.csv --route people)" && echo imported
    """
    from local.connection import connect
    from local.jobid import whole_id

    world = connect(on)
    name = whole_id(world, job)
    ended = _wait(lambda: world.ledger.job(name), timeout)
    if json:
        show.as_json(describe.summary(ended) if ended else {"job_id": name, "state": "unknown"})
    else:
        show.plain(describe.state(ended) if ended else "unknown")
    if ended is None or not ended.is_closed:
        if ended:
            show.say(f"job {name} has not ended after {timeout:g} s; batchdrop show {name} tells more")
        else:
            show.say(f"there is no job {name} after {timeout:g} s; batchdrop jobs lists them")
        raise typer.Exit(TIMED_OUT)
    raise typer.Exit(exit_status(ended))


def watch(
    job: Annotated[
        str | None,
        typer.Argument(
            metavar="JOB", help="One job, by its id or a beginning of it; without it, the latest ones, until Ctrl-C."
        ),
    ] = None,
    *,
    on: Stack = None,
    json: Json = False,
) -> None:
    """Watch a job until it ends, or all jobs until Ctrl-C.

    Shows the bytes packaged, the batches sent, at the vendor, done and read
    back, a rate and an estimate: redrawn on a terminal; in a pipe, or as
    JSON, a line whenever something changes. Exits as wait does.

    \b
    Examples:
      batchdrop watch
      batchdrop watch 3f2a9c0d
      batchdrop watch 3f2a9c0d --json | jq .progress.percent
    """
    from local import live
    from local.connection import connect
    from local.jobid import whole_id

    world = connect(on)
    if job is None:
        live.watch_all(world, as_json=json)
    else:
        ended = live.watch_these(world, [whole_id(world, job)], as_json=json, alone=True)
        raise typer.Exit(exit_status(ended[0]))


def exit_status(job: Job) -> int:
    """What `wait` exits with for an ended job."""
    from batchdrop.words import JobOutcome

    if job.outcome in (JobOutcome.COMPLETED, JobOutcome.HANDED_OVER):
        return 0
    return WITH_REJECTS if job.outcome == JobOutcome.COMPLETED_WITH_REJECTS else FAILED


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
