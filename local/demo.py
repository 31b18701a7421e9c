"""`make demo`: the main job on this machine, from an empty stack to one report a drop.

`python -m local.demo [--keep] [DESTINATION…]`; without names, every destination. `--keep` leaves the stack running.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from batchdrop.destinations import REGISTRY
from batchdrop.job import Job
from batchdrop.places import folder
from batchdrop.ports import ObjectRef
from batchdrop.words import Counts, JobOutcome
from batchdrop.world import World
from local import describe, emulator, examples, live, samples, seen_routes, show, stack, upload
from local.connection import OperatorWorld, client, connect
from local.home import LocalStack, home
from local.trouble import Trouble

TIMEOUT = 300.0  # seconds until the last drop must have its report
WIDTH = 100
COLUMNS = (
    "route", "destination", "records", "accepted", "rejected", "invalid", "uncon-\nfirmed", "batches", "outcome",
    "seconds",
)  # fmt: skip
SPARE = ("batches", "seconds", "destination")  # left out of it on a narrow terminal


@dataclass(frozen=True, slots=True)
class Case:
    """One drop by a route of its own, and how it should end."""

    route: str
    destination: str
    file: str
    make: Callable[[Path], None]
    outcome: JobOutcome
    counts: Counts
    changes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # to the simulator's ready route
    lines: tuple[int, ...] = ()  # of the file, whose records come back

    def is_right(self, report: Mapping[str, Any]) -> bool:
        """Whether it ended so, record by record, and each refusal was brought home to its line."""
        lines = tuple(sorted(reject["line"] for reject in report["rejects"]))
        right = Counts.from_dict(report["counts"]) == self.counts and lines == self.lines
        return right and report["outcome"] == self.outcome


def _catalogue(path: Path) -> None:
    """New items every time: the vendor refuses those it has."""
    samples.catalogue(path, prefix=f"{int(time.time()):x}-")


_DONE, _PARTLY, _HANDED = JobOutcome.COMPLETED, JobOutcome.COMPLETED_WITH_REJECTS, JobOutcome.HANDED_OVER
_BY_WEIGHT = {"input": {"types": {"price": "number", "quantity": "number"}}}
_DRY_RUN = {"account": {"mode": "dry-run"}}
CASES = (
    Case("emails", "datagroup", "mailing-list.csv", samples.mailing_list, _DONE, Counts(5_000)),
    Case("optins", "datagroup", "subscribers.ndjson", samples.subscribers, _DONE, Counts(200_000)),
    Case("leads", "datagroup", "leads.csv", samples.broken_list, _PARTLY, Counts(5, invalid=3), lines=(3, 5, 9)),
    Case(
        "items", "sherpa", "catalogue.csv", _catalogue, _PARTLY, Counts(997, invalid=1, rejected=2),
        _BY_WEIGHT, (12, 502, 1_001),
    ),
    Case(
        "visits", "mediarithmics", "activities.ndjson", samples.activities, _PARTLY, Counts(1_997, rejected=3),
        lines=(18, 445, 2_000),
    ),
    Case("shop", "ometria", "shop", samples.shop_set, _DONE, Counts(522)),
    Case("people", "haplo", "people", samples.people_set, _HANDED, Counts(unconfirmed=340)),
    Case("dryrun", "haplo", "staff", samples.people_set, _HANDED, Counts(unconfirmed=340), _DRY_RUN),
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the demo; 0 only if every drop ended as it should."""
    options = _parse(arguments)
    cases = [case for case in CASES if case.destination in (options.destination or REGISTRY)]
    was_running = stack.running() is not None
    try:
        started = time.monotonic()
        found = _up()
        show.say(f"the stack is up after {time.monotonic() - started:.0f} s")
        return _run(found, cases)
    except Trouble as trouble:
        show.say(f"demo: {trouble}")
        return 1
    except KeyboardInterrupt:
        return 130
    finally:
        if not (was_running or options.keep):
            show.say("stopping the stack (make demo KEEP=1 leaves it running)")
            stack.down()


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.demo", description=__doc__)
    parser.add_argument("destination", nargs="*", choices=[[], *REGISTRY], help="only these")
    parser.add_argument("--keep", action="store_true", help="leave the stack running")
    return parser.parse_args(arguments)


def _up() -> LocalStack:
    there = stack.running()
    port = there.port if there else emulator.PORT
    if there is None and emulator.is_taken(port):
        port = emulator.free_port()
    name = there.name if there else seen_routes.LOCAL
    return stack.up(show.say, port=port, name=name, simulators=True)


def _run(found: LocalStack, cases: Sequence[Case]) -> int:
    world = connect(found.name)
    for case in cases:
        examples.put_example(world, case.route, case.destination, **case.changes)
    show.say(f"dropping {len(cases)} files and sets, by {len(cases)} routes to {len(found.destinations)} vendors")
    jobs = {_drop(world, case): case for case in cases}
    ended = {job.job_id: job for job in live.watch_these(world, jobs, timeout=TIMEOUT)}
    return conclude(world, [(case, ended.get(job_id)) for job_id, case in jobs.items()])


def conclude(world: World, ended: Sequence[tuple[Case, Job | None]]) -> int:
    """Show what became of the drops; 0 only if each ended as it should, record by record."""
    show.plain("")
    show.aligned(COLUMNS, [_row(world, case, job) for case, job in ended], WIDTH, SPARE)
    show.plain("")
    wrong = [case.route for case, job in ended if not (job and job.is_closed and _shown(world, case, job))]
    show.plain("")
    show.plain(f"{len(ended) - len(wrong)} of {len(ended)} drops ended as they should")
    return 1 if wrong else 0


def _drop(world: OperatorWorld, case: Case) -> str:
    path = home() / "demo" / "drops" / case.file
    path.parent.mkdir(parents=True, exist_ok=True)
    case.make(path)
    files = upload.files_of(path)
    return upload.drop(client("s3"), world.settings.drop_bucket, case.route, path, files, lambda _: None)


def _row(world: World, case: Case, job: Job | None) -> tuple[object, ...]:
    if job is None:
        return case.route, case.destination, *[None] * 6, "no job", None
    told = ("records", "accepted", "rejected", "invalid", "unconfirmed")
    counts = [f"{job.counts[name]:,}" if name in job.counts else None for name in told]
    seconds = f"{(job.closed_at - job.created_at) / 1000:.1f}" if job.is_closed else None
    batches = len(world.ledger.batches(job.job_id))
    return case.route, case.destination, *counts, batches, describe.state(job), seconds


def _shown(world: World, case: Case, job: Job) -> bool:
    """Copy a report to disk, where it outlives the stack; say where, and show the last of its rejects.

    Returns whether it is as it should be.
    """
    place = home() / "demo" / "reports" / job.route / job.job_id
    place.mkdir(parents=True, exist_ok=True)
    report: dict[str, Any] = json.loads(_fetch(world, job, place, "report.json"))
    _fetch(world, job, place, "report.html")
    rejects = _fetch(world, job, place, report["rejects_file"]).decode()
    show.plain(f"{case.route}: {os.path.relpath(place / 'report.html')}")
    if report["rejects"]:
        show.plain(f"  the last of its {report['rejects_file']}: {rejects.splitlines()[-1]}")
    if case.is_right(report):
        return True
    show.plain(f"  NOT as it should be: {case.outcome}, {_told(case.counts.as_dict())}, lines {case.lines}")
    return False


def _fetch(world: World, job: Job, place: Path, name: str) -> bytes:
    with world.objects.open(ObjectRef(world.settings.results_bucket, folder(job) + name)) as body:
        data = body.read()
    (place / name).write_bytes(data)
    return data


def _told(counts: Mapping[str, int]) -> str:
    named: Iterable[str] = (f"{int(count)} {name}" for name, count in counts.items() if count)
    return ", ".join(named) or "no account"


if __name__ == "__main__":
    sys.exit(main())
