"""Jobs by what people type: the whole id, or an unambiguous beginning of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.trouble import Trouble

if TYPE_CHECKING:
    from batchdrop.job import Job
    from batchdrop.world import World

WHOLE = 32  # characters of a job's id
LATEST = 1000  # jobs among which a beginning is looked for


def find_job(world: World, text: str, *, to_change: bool = False) -> Job:
    """The job meant by `text`; `Trouble` when there is none, or more than one.

    `to_change`: something is done to it, so no older job may be the one that was meant.
    """
    job = world.ledger.job(text) or _begins_with(world, text, to_change=to_change)
    if job is None:
        if is_whole(text):
            raise Trouble(f"there is no job {text} yet; if it was dropped just now: batchdrop wait {text}")
        raise Trouble(f'there is no job "{text}" among the latest {LATEST:,}: batchdrop jobs lists them')
    return job


def whole_id(world: World, text: str) -> str:
    """The id meant by `text`. A whole id is taken as it is: its job may not have been claimed yet."""
    return text if is_whole(text) else find_job(world, text).job_id


def is_whole(text: str) -> bool:
    return len(text) == WHOLE and all(c in "0123456789abcdef" for c in text)


def _begins_with(world: World, text: str, *, to_change: bool) -> Job | None:
    if is_whole(text) or not text:
        return None
    latest = world.ledger.jobs(LATEST)
    found = [job for job in latest if job.job_id.startswith(text)]
    if len(found) > 1:
        some = ", ".join(f"{job.job_id[: len(text) + 4]}… ({job.route})" for job in found[:4])
        raise Trouble(f'"{text}" is the beginning of {len(found)} jobs, give more of it: {some}')
    if found and to_change and len(latest) == LATEST:
        only = f"only the latest {LATEST:,} jobs were looked at, and an older one may begin so, too"
        raise Trouble(f'"{text}": {only}; if job {found[0].job_id} ({found[0].route}) is meant, give its whole id')
    return found[0] if found else None
