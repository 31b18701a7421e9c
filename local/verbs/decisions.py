"""`cancel`, `resolve` and `rerun`: the operator's decisions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from local import describe, show
from local.trouble import Trouble
from local.verbs.options import JobId, Json, Stack

if TYPE_CHECKING:
    from batchdrop.job import Job

Decision = Literal["resubmit", "adopt", "abandon"]


def cancel(job: JobId, *, on: Stack = None, json: Json = False) -> None:
    """Cancel a job: nothing more is sent, and the vendor is asked to stop where it can.

    What a vendor has begun and cannot stop ends as the vendor says; the
    report tells.

    \b
    Examples:
      batchdrop cancel 3f2a9c0d
    """
    from batchdrop import operate
    from local.connection import connect
    from local.jobid import find_job

    world = connect(on)
    _tell(operate.cancel(world, find_job(world, job).job_id), "is being canceled", as_json=json)


def resolve(
    job: JobId,
    *,
    resubmit: Annotated[bool, typer.Option("--resubmit", help="Send the doubtful batches again, flagged.")] = False,
    adopt: Annotated[
        str | None,
        typer.Option("--adopt", metavar="RECEIPT", help="The vendor has it: its id there, or JSON of ids."),
    ] = None,
    abandon: Annotated[bool, typer.Option("--abandon", help="Leave it; its records stay unconfirmed.")] = False,
    on: Stack = None,
    json: Json = False,
) -> None:
    """Decide about a held job, whose submission may or may not have arrived at the vendor.

    Ask the vendor first: sending again what did arrive imports it twice.
    The job goes on, and ends in a new report.

    \b
    Examples:
      batchdrop resolve 3f2a9c0d --adopt 26112207431240e
      batchdrop resolve 3f2a9c0d --resubmit
      batchdrop resolve 3f2a9c0d --abandon
    """
    decision = _decision(resubmit=resubmit, adopt=adopt, abandon=abandon)
    from batchdrop import operate
    from local.connection import connect
    from local.jobid import find_job

    world = connect(on)
    found = find_job(world, job).job_id
    _tell(operate.resolve(world, found, decision, adopt or ""), "goes on", as_json=json)


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

    With --only-rejected, the records that were invalid, rejected or
    unprocessed are dropped again as they are: for when the cause lay with
    the route or the vendor. To mend the records themselves, see batchdrop
    rejects.

    \b
    Examples:
      batchdrop rerun 3f2a9c0d
      batchdrop wait "$(batchdrop rerun 3f2a9c0d --only-rejected)"
    """
    from batchdrop import operate
    from local.connection import connect
    from local.jobid import find_job

    world = connect(on)
    old = find_job(world, job).job_id
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


def _tell(job: Job, what: str, *, as_json: bool) -> None:
    if as_json:
        show.as_json(describe.summary(job))
    else:
        show.say(f"job {job.job_id} {what}; batchdrop watch {describe.short(job)}")
