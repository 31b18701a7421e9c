"""A drop arrives: the job is claimed, its execution started at once, and its submission begun."""

from __future__ import annotations

from typing import Any

from batchdrop.drop import Drop, job_id
from batchdrop.errors import DropRefused, RouteError
from batchdrop.job import Job
from batchdrop.members import pinned
from batchdrop.route import Route, read_route
from batchdrop.submit_job import submit
from batchdrop.submit_span import resume_any_span, resume_span
from batchdrop.world import Invocation, World

DEFAULT_DEADLINE = 24 * 3600.0  # seconds; of a drop whose route cannot be read


def arrive(world: World, invocation: Invocation, drop: Drop) -> str | None:
    """Deal with a drop; returns its job id, or None where it does not (yet) make a job. Harmless to repeat."""
    route, problem = route_of(world, drop.route)
    if not makes_a_job(route, drop):
        world.metrics.count("EventsIgnored")
        return None
    lease = {"owner": invocation.owner, "lease_until": _lease(world, invocation)}
    job, ours = _claim(world, drop, route, problem, lease)
    if ours and route is not None and not job.failure:
        submit(world, invocation, job, route, is_first=True)
    return job.job_id


def claim_lost(world: World, drop: Drop, route: Route | None, problem: str) -> bool:
    """Make a job of a drop whose event never came; its execution will have it submitted. Whether it made one."""
    return _claim(world, drop, route, problem, {})[1]


def claim_again(world: World, drop: Drop, old: Job, route: Route, *, same_content: bool = True) -> tuple[Job, bool]:
    """Make another job of a drop, for an ended one, by its route as it is now; its execution will have it submitted.
    Returns it as it stands, and whether this call made it.

    With the same content it is the next revision; a drop of what was not accepted is a job of its own.
    """
    job = _new_job(drop, route, "", {}, world.ledger.now())
    if same_content:
        job.job_id = job_id(drop.bucket, drop.key, f"{drop.version_id}#{old.revision + 1}")
        job.revision = old.revision + 1
    job.previous = old.job_id
    if same_content and old.members:  # the versions that were pinned then, whatever became of the folder since
        job.members, job.size = old.members, old.size
    else:
        _pin_members(world, drop, job, route)
    found, ours = world.ledger.claim(job)
    if not ours and not found.previous:  # the drop's own event was faster
        found = world.ledger.change(found, {"previous": old.job_id}, {})
    if not found.is_closed:
        world.workflow.start(found.execution, found.job_id)
    return found, ours or found.created_at == job.created_at  # our own write, repeated by the SDK


def _claim(world: World, drop: Drop, route: Route | None, problem: str, lease: dict[str, Any]) -> tuple[Job, bool]:
    new = _new_job(drop, route, problem, lease, world.ledger.now())
    _pin_members(world, drop, new, route)
    job, ours = world.ledger.claim(new)
    if not job.is_closed:
        world.workflow.start(job.execution, job.job_id)
    if ours:
        world.metrics.count("JobsClaimed")
    return job, ours


def resume(world: World, invocation: Invocation, job_id: str, span: int = 0) -> bool:
    """Go on with a job's submission, or that of one span of it, if nobody else does; whether this invocation did."""
    until = _lease(world, invocation)
    if span:
        return resume_span(world, invocation, job_id, span, until)
    job = world.ledger.job(job_id)
    if job is None or job.is_closed or job.packaged_at:
        return False
    if job.spread:
        return resume_any_span(world, invocation, job, until)
    taken = world.ledger.acquire(job, invocation.owner, until)
    if taken is None:
        return False
    if taken.spread or taken.packaged_at:  # by somebody else, just now
        world.ledger.release(taken, invocation.owner, {})
        return False
    route = read_route(job.route, job.config, world.settings.allow_insecure)
    submit(world, invocation, taken, route, is_first=not job.owner)
    return True


def _lease(world: World, invocation: Invocation) -> int:
    """Until when nobody else may touch the job: this invocation is certainly dead by then."""
    return world.ledger.now() + int(1000 * (invocation.time_left() + world.settings.lease_margin))


def route_of(world: World, name: str) -> tuple[Route | None, str]:
    """The route of that name as it is now, or what is wrong with it."""
    try:
        return read_route(name, world.routes.get(name), world.settings.allow_insecure), ""
    except RouteError as error:
        return None, str(error)


def makes_a_job(route: Route | None, drop: Drop) -> bool:
    """A set is closed by its marker; its members are no drops of their own, and a marker alone is none either.

    Without a usable route each makes one, to tell of that.
    """
    if route is None:
        return True
    sets = route.vendor.sets
    in_folder = "/" in drop.key.removeprefix(f"drops/{route.name}/")
    if drop.is_marker:
        return sets == "required" or (sets == "allowed" and in_folder)
    return sets == "never" or (sets == "allowed" and not in_folder)


def _new_job(drop: Drop, route: Route | None, problem: str, lease: dict[str, Any], now: int) -> Job:
    deadline = now + int(1000 * (route.deadline if route else DEFAULT_DEADLINE))
    if route is not None:
        known: dict[str, Any] = {"destination": route.vendor.name, "config": dict(route.raw), **lease}
    else:
        failure = {"reason": "no_route", "message": f"no usable route: {problem}"}
        known = {"failure": failure, "packaged_at": now}
    return Job(
        job_id=drop.job_id,
        route=drop.route,
        bucket=drop.bucket,
        key=drop.key,
        version_id=drop.version_id,
        created_at=now,
        deadline_at=deadline,
        size=drop.size,
        sequencer=drop.sequencer,
        **known,
    )


def _pin_members(world: World, drop: Drop, job: Job, route: Route | None) -> None:
    """Pin the objects of a set as they are now: later changes to the folder make another drop."""
    if route is None or not drop.is_marker:
        return
    try:
        job.members = pinned(job, world.objects)
        job.size = sum(member["size"] for member in job.members)
    except DropRefused as refused:
        job.failure, job.packaged_at = {"reason": refused.reason, "message": str(refused)}, job.created_at
