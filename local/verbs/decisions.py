"""`cancel`, `resolve` and `rerun`: the operator's decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from local import describe, show
from local.trouble import Trouble
from local.verbs.options import JobId, Json, Stack

if TYPE_CHECKING:
    from batchdrop.job import Job
    from batchdrop.world import World

Decision = Literal["resubmit", "adopt", "abandon"]


def cancel(job: JobId, *, on: Stack = None, json: Json = False) -> None:
    """Cancel a job: nothing more is sent, and the vendor is asked to stop where it can.

    It takes effect when the job is next looked at, which by the route's
    pace of polling may be a while; the answer says by when. What a vendor
    has begun and cannot stop ends as the vendor says; the report tells. A
    batch that may have arrived unanswered is looked up, and not sent again.

    \b
    Examples:
      batchdrop cancel 3f2a9c0d
    """
    from batchdrop import operate
    from batchdrop.places import iso
    from local.connection import connect
    from local.jobid import find_job

    world = connect(on)
    canceled = operate.cancel(world, find_job(world, job, to_change=True).job_id)
    expected = iso(_next_look(world, canceled))
    if json:
        show.as_json(describe.summary(canceled) | {"expected_by": expected})
    else:
        told = f"nothing more of job {canceled.job_id} is sent, and its vendor is asked to stop, where it can"
        told += f", when the job is next looked at, expected by {expected}"
        show.say(f"{told}; batchdrop watch {describe.short(canceled)}")


def resolve(
    job: JobId,
    *,
    resubmit: Annotated[bool, typer.Option("--resubmit", help="Send the doubtful batches again, flagged.")] = False,
    adopt: Annotated[
        str | None,
        typer.Option("--adopt", metavar="RECEIPT", help="The vendor has it: its id there, or JSON of ids."),
    ] = None,
    abandon: Annotated[bool, typer.Option("--abandon", help="Leave it; its records stay unconfirmed.")] = False,
    batch: Annotated[
        int | None, typer.Option("--batch", metavar="N", min=1, help="Only this one of several in doubt.")
    ] = None,
    on: Stack = None,
    json: Json = False,
) -> None:
    """Decide about a held job, whose submission may or may not have arrived at the vendor.

    Ask the vendor first: sending again what did arrive imports it twice.
    The job goes on, and ends in a new report. Where several batches are in
    doubt, --batch decides on one; the job ends held again until all are
    decided on. Of a job that was canceled, nothing else is sent.

    \b
    Examples:
      batchdrop resolve 3f2a9c0d --adopt 26112207431240e
      batchdrop resolve 3f2a9c0d --resubmit
      batchdrop resolve 3f2a9c0d --abandon
      batchdrop resolve 3f2a9c0d --batch 2 --adopt 26112207431240e
    """
    decision = _decision(resubmit=resubmit, adopt=adopt, abandon=abandon)
    from batchdrop import operate
    from local.connection import connect
    from local.jobid import find_job

    world = connect(on)
    found = operate.resolve(world, find_job(world, job, to_change=True).job_id, decision, adopt or "", batch or 0)
    if json:
        show.as_json(describe.summary(found))
    else:
        show.say(f"job {found.job_id} goes on; batchdrop watch {describe.short(found)}")


def rerun(
    job: JobId,
    *,
    only_rejected: Annotated[
        bool, typer.Option("--only-rejected", help="Only the records that were not accepted.")
    ] = False,
    on: Stack = None,
    json: Json = False,
) -> None:
    """Process an ended job's drop again, as a new job; prints its id.

    A job is run again once: to do it once more, rerun the new job.

    With --only-rejected, the records that were invalid, rejected or
    unprocessed are dropped again as they are: for when the cause lay with
    the route or the vendor. This can be done once: what is not accepted
    then is in the new job's own rejects. Not for sets, whose rejects file
    is no drop. To mend the records themselves, see batchdrop rejects.

    \b
    Examples:
      batchdrop rerun 3f2a9c0d
      batchdrop wait "$(batchdrop rerun 3f2a9c0d --only-rejected)"
    """
    from batchdrop import operate
    from local.connection import connect
    from local.jobid import find_job

    world = connect(on)
    old = find_job(world, job, to_change=True).job_id
    again = operate.rerun(world, old, only_rejected=only_rejected)
    if json:
        show.as_json(describe.summary(again) | {"previous": old})
    else:
        show.plain(again.job_id)


def _decision(*, resubmit: bool, adopt: str | None, abandon: bool) -> Decision:
    given: dict[Decision, bool] = {"resubmit": resubmit, "adopt": adopt is not None, "abandon": abandon}
    chosen = [decision for decision, is_given in given.items() if is_given]
    if len(chosen) != 1:
        raise Trouble("choose one of --resubmit, --adopt RECEIPT and --abandon", code=2)
    return chosen[0]


def _next_look(world: World, job: Job) -> int:
    """By when a job that waits, or rests, is looked at again, in milliseconds."""
    from batchdrop.errors import RouteError
    from batchdrop.notify import HINT_WINDOW_MS
    from batchdrop.route import read_route

    if job.task_token:  # it waits for a callback, so the cancel has woken it, or nothing can for so long
        return world.ledger.now() + HINT_WINDOW_MS
    try:
        route = read_route(job.route, job.config, world.settings.allow_insecure)
    except RouteError:  # the deployment takes it no longer: without its pace, the deadline is all that is certain
        return job.deadline_at
    by_pace = world.ledger.now() + int(route.poll.max_wait * 1000)
    return min(job.deadline_at, max(by_pace, job.not_before))
