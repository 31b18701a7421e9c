"""The second net: drops without a job, jobs without a live execution, executions that died. Each ends in a report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

from batchdrop.arrive import claim_lost
from batchdrop.drop import PREFIX, Drop
from batchdrop.job import Job
from batchdrop.world import World

WINDOW = 3 * 86400  # seconds: older objects were looked at by earlier sweeps


@dataclass(frozen=True, slots=True)
class Swept:
    """What one sweep found: for the log, the metrics and the operator."""

    drops_without_job: int
    jobs_without_execution: int
    vendor_orphans: int  # submissions begun and given up at vendors, of unfinished jobs
    jobs_open: int
    jobs_overdue: int  # open though their deadline has passed, and the time it takes to write a report


def sweep(world: World) -> Swept:
    """Look for what fell through, and put it back on its way."""
    lost = sum(_taken_up(world, drop) for drop in _without_job(world))
    jobs = world.ledger.open_jobs()
    revived = sum(_is_stranded(world, job) and revive(world, job.execution) for job in jobs)
    orphans = sum(len(batch.orphans) for job in jobs for batch in world.ledger.batches(job.job_id))
    late = world.ledger.now() - int(world.settings.sweep_age * 1000)
    found = Swept(lost, revived, orphans, len(jobs), sum(job.deadline_at < late for job in jobs))
    world.metrics.count("SweepFinds", lost + revived)
    for name, value in asdict(found).items():
        world.metrics.count("".join(word.title() for word in name.split("_")), value)
    return found


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


def _taken_up(world: World, drop: Drop) -> bool:
    """Whether the drop has its job now. One that cannot be dealt with must not keep the sweep from the others."""
    try:
        return claim_lost(world, drop)
    except Exception as error:  # whatever it was, the next sweep tries again
        world.log.exception("drop not taken", error=type(error).__name__)
        return False


def _without_job(world: World) -> Iterator[Drop]:
    """Drops whose event never came. Overwritten versions count: each of them was dropped."""
    bucket, now = world.settings.drop_bucket, world.clock.now()
    for ref in world.objects.versions(bucket, PREFIX):
        if ref.key.endswith("/") or not world.settings.sweep_age <= now - ref.modified <= WINDOW:
            continue
        drop = Drop(bucket, ref.key, ref.version_id, ref.size)
        if world.ledger.job(drop.job_id) is None:
            yield drop


def _is_stranded(world: World, job: Job) -> bool:
    age = (world.ledger.now() - job.created_at) / 1000
    return age >= world.settings.sweep_age and not world.workflow.is_running(job.execution)
