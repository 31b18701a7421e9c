"""`cancel`, `resolve` and `rerun`: the operator's decisions."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from batchdrop import operate
from batchdrop.job import Job
from local import describe, show
from local.connection import connect
from local.trouble import Trouble
from local.verbs.options import Json, Stack


def cancel(job: str, *, on: Stack = None, json: Json = False) -> None:
    """Cancel a job: nothing more is sent, and the vendor is asked to stop where it can."""
    _tell(operate.cancel(connect(on), job), "is being canceled", as_json=json)


def resolve(
    job: str,
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
    """Decide about a held job, whose submission may or may not have arrived at the vendor."""
    decision = _decision(resubmit=resubmit, adopt=adopt, abandon=abandon)
    _tell(operate.resolve(connect(on), job, decision, adopt or ""), "goes on", as_json=json)


def rerun(
    job: str,
    *,
    only_rejected: Annotated[
        bool, typer.Option("--only-rejected", help="Only the records that were not accepted.")
    ] = False,
    on: Stack = None,
    json: Json = False,
) -> None:
    """Process an ended job's drop again, as a new job; prints its id."""
    again = operate.rerun(connect(on), job, only_rejected=only_rejected)
    if json:
        show.as_json(describe.summary(again) | {"previous": job})
    else:
        show.plain(again.job_id)


def _decision(*, resubmit: bool, adopt: str | None, abandon: bool) -> Literal["resubmit", "adopt", "abandon"]:
    chosen: list[Literal["resubmit", "adopt", "abandon"]] = []
    chosen += ["resubmit"] if resubmit else []
    chosen += ["adopt"] if adopt is not None else []
    chosen += ["abandon"] if abandon else []
    if len(chosen) != 1:
        raise Trouble("choose one of --resubmit, --adopt RECEIPT and --abandon", code=2)
    return chosen[0]


def _tell(job: Job, what: str, *, as_json: bool) -> None:
    if as_json:
        show.as_json(describe.summary(job))
    else:
        show.say(f"job {job.job_id} {what}; batchdrop wait {job.job_id}")
