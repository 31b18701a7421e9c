"""The second net: drops without a job, jobs without a live execution, executions that died. Each ends in a report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import takewhile

from msgspec import Struct
from msgspec.structs import asdict

from batchdrop.arrive import claim_lost, makes_a_job, route_of
from batchdrop.drop import PREFIX, READY, Drop
from batchdrop.job import Job
from batchdrop.ports import ObjectRef
from batchdrop.route import Route
from batchdrop.world import Invocation, World

CURSOR = ("sweep", "cursor")  # where in the ledger it is kept how far the last sweep got, with jobs and with drops
KEPT_BACK = 0.1  # of its time, to end what it has begun
WINDOW = 3 * 86400  # seconds: older objects were looked at by earlier sweeps


class Swept(Struct, frozen=True):
    """What one sweep found: for the log, the metrics and the operator."""

    drops_without_job: int
    jobs_without_execution: int
    vendor_orphans: int  # submissions begun and given up at vendors, of unfinished jobs, as far as there was time
    jobs_open: int  # at least: those there was time to look at
    jobs_overdue: int  # of these, open though their deadline has passed, and the time it takes to write a report


def sweep(world: World, invocation: Invocation) -> Swept:
    """Look for what fell through, and put it back on its way: jobs first, they are few beside the drops."""
    whole = invocation.time_left()
    has_time = partial(_has_left, invocation, whole * KEPT_BACK)
    before = world.ledger.recall(*CURSOR) or {}
    since, half = int(str(before.get("jobs_since", 0))), partial(_has_left, invocation, whole / 2)
    jobs, revived = _look_at_jobs(world, since, half)
    lost = _look_through(world, str(before.get("after", "")), has_time)
    orphans = sum(_orphans(world, job_id) for job_id in jobs if has_time())
    late = world.ledger.now() - int(world.settings.sweep_age * 1000)
    found = Swept(lost, revived, orphans, len(jobs), sum(deadline_at < late for deadline_at in jobs.values()))
    world.metrics.count("SweepFinds", lost + revived)
    for name, value in asdict(found).items():
        world.metrics.count("".join(word.title() for word in name.split("_")), value)
    return found


def _has_left(invocation: Invocation, seconds: float) -> bool:
    return invocation.time_left() > seconds


def _orphans(world: World, job_id: str) -> int:
    return sum(len(batch.orphans) for batch in world.ledger.batches(job_id))


def revive(world: World, execution: str) -> bool:
    """Give an unfinished job another execution in the place of this one, which died; whether it did.

    Not where it has another by now: what is told of an earlier one came late.
    """
    job = world.ledger.job(execution.partition("-")[0])
    if job is None or job.is_closed or job.execution != execution:
        return False
    changed = world.ledger.next_run(job)
    if changed is None:
        return False
    world.workflow.start(changed.execution, job.job_id)
    return True


def _look_at_jobs(world: World, since: int, has_time: Callable[[], bool]) -> tuple[dict[str, int], int]:
    """Put back the jobs that are stranded: the deadlines of those it looked at, by id, and how many it put back.

    Whole jobs are not kept: there may be very many, and that of a set is large.

    Where the time does not suffice for all, the next sweep begins with the one that is next, so that each has its turn.
    """
    jobs: dict[str, int] = {}
    revived = after = 0
    for job in _in_turn(world, since):
        if not has_time():
            after = job.created_at
            break
        jobs[job.job_id] = job.deadline_at
        revived += _put_back(world, job)
    if after != since:
        world.ledger.remember_instead(*CURSOR, {"jobs_since": after})
    return jobs, revived


def _in_turn(world: World, since: int) -> Iterator[Job]:
    """All open jobs: those since then, and then the older ones."""
    yield from world.ledger.open_jobs(since)
    if since:
        yield from takewhile(lambda job: job.created_at < since, world.ledger.open_jobs())


def _look_through(world: World, before: str, has_time: Callable[[], bool]) -> int:
    """Take up the drops whose event never came; how many there were.

    Overwritten versions count: each of them was dropped. Where the time does not suffice for all, the next sweep goes
    on after the last key of which every version was looked at.
    """
    routes = cache(lambda name: route_of(world, name))
    in_a_set = cache(lambda folder: _has_marker(world, folder))
    after = key = before
    lost = 0
    for ref in world.objects.versions(world.settings.drop_bucket, PREFIX, after=before):
        if ref.key != key:
            after, key = key, ref.key
        lost += _is_of_interest(world, ref) and _taken_up(world, ref, routes, in_a_set)
        if not has_time():
            _go_on_after(world, before, key if after == before else after)
            return lost
    _go_on_after(world, before, "")
    return lost


def _go_on_after(world: World, before: str, after: str) -> None:
    if after != before:
        world.ledger.remember_instead(*CURSOR, {"after": after})


def _is_of_interest(world: World, ref: ObjectRef) -> bool:
    age = world.clock.now() - ref.modified
    return not ref.key.endswith("/") and world.settings.sweep_age <= age <= WINDOW


def _folders(key: str) -> list[str]:
    """Those of its route that a key lies in: a set holds the files of folders in its own, too."""
    names = key.split("/")
    return ["/".join(names[:depth]) + "/" for depth in range(2, len(names))]


def _has_marker(world: World, folder: str) -> bool:
    """Whether a set was ever closed there."""
    return any(ref.key == folder + READY for ref in world.objects.versions(world.settings.drop_bucket, folder + READY))


def _taken_up(
    world: World,
    ref: ObjectRef,
    routes: Callable[[str], tuple[Route | None, str]],
    in_a_set: Callable[[str], bool],
) -> bool:
    """Whether this was a lost drop that has its job now.

    One that cannot be dealt with must not keep the sweep from the others. A route that cannot be used any more does not
    tell what the files of a set are; their marker does.
    """
    drop = Drop(ref.bucket, ref.key, ref.version_id, ref.size)
    try:
        route, problem = routes(drop.route)
        is_one = makes_a_job(route, drop) and (route or drop.is_marker or not any(map(in_a_set, _folders(drop.key))))
        is_lost = is_one and world.ledger.job(drop.job_id) is None
        return is_lost and claim_lost(world, drop, route, problem)
    except Exception as error:  # whatever it was, the next sweep tries again
        world.log.exception("drop not taken", error=type(error).__name__)
        return False


def _put_back(world: World, job: Job) -> bool:
    """Whether this job had no live execution, and has one now. Trouble with one keeps the sweep from nothing else."""
    try:
        return _is_stranded(world, job) and revive(world, job.execution)
    except Exception as error:  # whatever it was, the next sweep tries again
        world.log.exception("job not put back", job_id=job.job_id, error=type(error).__name__)
        return False


def _is_stranded(world: World, job: Job) -> bool:
    age = (world.ledger.now() - job.created_at) / 1000
    return age >= world.settings.sweep_age and not world.workflow.is_running(job.execution)
