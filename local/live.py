"""Jobs as they go: a table that changes on a terminal, a line a change in a pipe."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from rich.console import Group, RenderableType
from rich.live import Live
from rich.text import Text

from batchdrop.job import Batch, Job
from batchdrop.words import BatchState
from batchdrop.world import World
from local import describe, show
from local.progress import Progress, progress_of
from local.tables import table

COLUMNS = ("job", "route", "state", "size", "packaged", "sent", "vendor", "done", "read", "rate", "left")
SPARE = ("done", "rate", "size", "route", "read", "sent")  # left out where the terminal is narrow, the first one first
PAUSE = 0.5  # seconds between two looks
TELL_EVERY = 2.0  # seconds between two lines in a pipe about a job whose state is the same
_RECENT = 20  # jobs shown when all are watched
_BATCHES = 20  # of a job watched alone
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Seen:
    """One job as it stood at one look."""

    job: Job
    batches: list[Batch]
    progress: Progress


@dataclass(slots=True)
class Watcher:
    """Looks at jobs in the ledger; an ended one is read once."""

    world: World
    ended: dict[tuple[str, int], Seen] = field(default_factory=dict)

    def look(self, jobs: Iterable[Job]) -> list[Seen]:
        return [self.ended.get((job.job_id, job.closed_at)) or self._see(job) for job in jobs]

    def _see(self, job: Job) -> Seen:
        batches = self.world.ledger.batches(job.job_id)
        seen = Seen(job, batches, progress_of(job, batches, self.world.ledger.now()))
        if job.is_closed:
            self.ended[(job.job_id, job.closed_at)] = seen
        return seen


def watch_these(
    world: World, job_ids: Iterable[str], *, timeout: float = math.inf, as_json: bool = False, alone: bool = False
) -> list[Job]:
    """Show these jobs until all have ended, or the time is up; returns those that are known, as they stand then.

    A job that is not claimed yet is waited for. `alone`: show its batches too.
    """
    wanted, watcher, end = list(job_ids), Watcher(world), time.monotonic() + timeout
    with _shown(as_json=as_json, alone=alone) as tell:
        while True:
            seen = watcher.look(job for job in map(world.ledger.job, wanted) if job)
            tell(seen)
            ended = len(seen) == len(wanted) and all(s.job.is_closed for s in seen)
            if ended or time.monotonic() > end:
                return [s.job for s in seen]
            time.sleep(PAUSE)


def watch_all(world: World, *, as_json: bool) -> None:
    """Show the latest jobs until Ctrl-C."""
    watcher = Watcher(world)
    with _shown(as_json=as_json, alone=False) as tell:
        while True:
            tell(watcher.look(world.ledger.jobs(_RECENT)))
            time.sleep(PAUSE)


@contextmanager
def _shown(*, as_json: bool, alone: bool) -> Iterator[Callable[[list[Seen]], None]]:
    if as_json or not show.out.is_terminal or show.out.is_dumb_terminal:
        yield Lines(as_json).tell
        return
    with Live(console=show.out, auto_refresh=False, vertical_overflow="visible") as live:
        yield lambda seen: live.update(picture(seen, alone=alone, room=show.out.height), refresh=True)


# --- on a terminal ---


def picture(seen: list[Seen], *, alone: bool = False, room: int = 100) -> RenderableType:
    """What a terminal of so many lines shows at one look: what is still under way first where not all has room."""
    if not seen:
        return Text("no job yet: a drop takes a moment to be claimed", style="dim")
    if not alone:
        shown = _fitting(seen, room - 2, key=lambda s: s.job.is_closed)
        return Group(table(COLUMNS, map(_row, shown), SPARE), *_more(len(seen) - len(shown), "jobs"))
    parts: list[RenderableType] = [table(COLUMNS, map(_row, seen), SPARE)]
    if batches := seen[0].batches:
        latest = _fitting(batches[::-1], min(_BATCHES, room - 6), key=lambda b: not b.status.is_open)
        lines = ((b.n, b.state, b.word, b.records, describe.size(b.bytes), _receipt(b)) for b in latest)
        parts += [Text(), table(("batch", "state", "vendor says", "records", "size", "receipt"), lines, ("size",))]
        parts += _more(len(batches) - len(latest), "batches")
    return Group(*parts)


def _fitting(found: Sequence[T], room: int, key: Callable[[T], bool]) -> Sequence[T]:
    return found if len(found) <= room else sorted(found, key=key)[: max(room, 1)]


def _more(count: int, what: str) -> list[RenderableType]:
    return [Text(f"and {count} more {what}", style="dim")] if count > 0 else []


def _row(seen: Seen) -> tuple[object, ...]:
    job, at = seen.job, seen.progress
    rate = f"{describe.size(int(at.rate))}/s" if at.rate else ""
    how_far = (describe.size(at.total), f"{at.percent}%", at.sent, at.at_vendor, at.done, at.collected)
    return describe.short(job), job.route, describe.state(job), *how_far, rate, _left(seen)


def _left(seen: Seen) -> str:
    if seen.job.is_closed:
        return f"took {describe.span((seen.job.closed_at - seen.job.created_at) / 1000)}"
    return "" if seen.progress.left is None else describe.span(seen.progress.left)


def _receipt(batch: Batch) -> str:
    return " ".join(f"{k}={v}" for k, v in batch.receipt.items())


# --- in a pipe ---


@dataclass(slots=True)
class Lines:
    """A line whenever a job's state changes, and now and then while it is the same but goes on."""

    as_json: bool
    told: dict[str, tuple[str, str, float]] = field(default_factory=dict)

    def tell(self, seen: list[Seen]) -> None:
        for one in seen:
            state, text = describe.state(one.job), sentence(one)
            last_state, last_text, at = self.told.get(one.job.job_id, ("", "", -math.inf))
            if state != last_state or (text != last_text and time.monotonic() > at + TELL_EVERY):
                self.told[one.job.job_id] = (state, text, time.monotonic())
                show.plain(json.dumps(self._facts(one), default=int) if self.as_json else text)

    def _facts(self, one: Seen) -> dict[str, object]:
        return describe.summary(one.job) | {"progress": one.progress.as_dict()}


def sentence(one: Seen) -> str:
    """A job's state and progress as one line of text."""
    job, at = one.job, one.progress
    parts = [f"{job.job_id} {job.route} {describe.state(job)}"]
    if at.packaged or not job.is_closed:
        parts.append(f"{at.percent}% of {describe.size(at.total)} packaged")
    if one.batches:
        parts.append(_batches(one.batches, at))
    if at.rate:
        parts.append(f"{describe.size(int(at.rate))}/s")
    if at.left is not None:
        parts.append(f"about {describe.span(at.left)} left")
    if job.is_closed:
        parts.append(describe.counted(job))
        parts.append(_left(one))
    return ", ".join(part for part in parts if part)


def _batches(batches: list[Batch], at: Progress) -> str:
    doubtful = sum(batch.status is BatchState.DOUBTFUL for batch in batches)
    noun = "batch" if at.sent == 1 else "batches"
    text = f"{at.sent} {noun} sent: {at.at_vendor} at the vendor, {at.done} done, {at.collected} collected"
    return f"{text}, {doubtful} in doubt" if doubtful else text
