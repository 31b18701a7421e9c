"""`make demo`: the main job on this machine, from an empty stack to one report a drop.

`python -m local.demo [--keep] [DESTINATION…]`; without names, every destination. `--keep` leaves the stack running.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from batchdrop.destinations import REGISTRY
from batchdrop.job import Job
from batchdrop.places import folder
from batchdrop.ports import ObjectRef
from batchdrop.words import JobOutcome
from local import describe, emulator, examples, live, samples, show, stack, upload
from local.connection import OperatorWorld, client, connect
from local.home import LocalStack, home
from local.trouble import Trouble

TIMEOUT = 300.0  # seconds until the last drop must have its report
_REPORT_FILES = ("report.html", "report.json")


@dataclass(frozen=True, slots=True)
class Case:
    """One drop, and how it should end."""

    destination: str
    name: str
    make: Callable[[Path], None]
    outcome: JobOutcome = JobOutcome.COMPLETED


CASES = (
    Case("datagroup", "mailing-list.csv", samples.mailing_list),
    Case("datagroup", "subscribers.ndjson", samples.subscribers),
    Case("datagroup", "broken-rows.csv", samples.broken_list, JobOutcome.COMPLETED_WITH_REJECTS),
    Case("sherpa", "catalogue.csv", samples.catalogue),
    Case("mediarithmics", "activities.ndjson", samples.activities),
    Case("ometria", "shop", samples.shop_set),
    Case("haplo", "people", samples.people_set, JobOutcome.HANDED_OVER),
)


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
    return stack.up(show.say, port=port, name=there.name if there else stack.NAME, simulators=True)


def _run(found: LocalStack, cases: Sequence[Case]) -> int:
    world = connect(found.name)
    examples.put_routes(world, {case.destination for case in cases})
    show.say(f"dropping {len(cases)} files")
    jobs = {_drop(world, case): case for case in cases}
    ended = live.watch_these(world, jobs, TIMEOUT)
    by_id = {job.job_id: job for job in ended}
    rows = [_row(case, by_id.get(job_id)) for job_id, case in jobs.items()]
    show.plain("")
    show.table(("drop", "to", "outcome", "records", "accepted", "not accepted", "seconds", "as it should"), rows)
    show.plain("")
    for job in ended:
        if job.is_closed:
            show.plain(f"report: {_fetch(world, job)}")
    good = all(row[-1] == "yes" for row in rows)
    show.plain("every drop ended as it should" if good else "not every drop ended as it should")
    return 0 if good else 1


def _drop(world: OperatorWorld, case: Case) -> str:
    path = home() / "demo" / "drops" / case.name
    path.parent.mkdir(parents=True, exist_ok=True)
    case.make(path)
    put = upload.drop_set if path.is_dir() else upload.drop_file
    return put(client("s3"), world.settings.drop_bucket, case.destination, path, lambda _: None)


def _row(case: Case, job: Job | None) -> tuple[object, ...]:
    if job is None:
        return case.name, case.destination, "no job", None, None, None, None, "NO"
    records, accepted, rest = describe.tally(job)
    seconds = f"{(job.closed_at - job.created_at) / 1000:.1f}" if job.is_closed else None
    right = "yes" if job.outcome == case.outcome else f"NO: {case.outcome}"
    return case.name, case.destination, describe.state(job), records, accepted, rest, seconds, right


def _fetch(world: OperatorWorld, job: Job) -> Path:
    """Copy a report to disk, where it outlives the stack; returns its page."""
    place = home() / "demo" / "reports" / job.route / job.job_id
    place.mkdir(parents=True, exist_ok=True)
    for name in _REPORT_FILES:
        with world.objects.open(ObjectRef(world.settings.results_bucket, folder(job) + name)) as body:
            (place / name).write_bytes(body.read())
    return place / "report.html"


if __name__ == "__main__":
    sys.exit(main())
