"""Loads in order: a version of a file is never committed after a newer one.

A full load replaces all that was loaded before, a delta changes it: sent late, the one brings back what is old, the
other undoes what is new. One job at a time has the turn of its key; the next may take it once that job has submitted
all it will. S3 gives each version of a key a sequencer by which the later one is known; of a drop that only the sweep
found there is none, and then the version that is current now is the later.

Who had the turn last is remembered as long as the ledger keeps anything, from the last load of the key on. Older loads
are forgotten before that: their events, and their jobs, unless an operator has one of them go on, which keeps both.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from enum import Enum, auto
from typing import cast

from batchdrop.drop import later
from batchdrop.errors import ConditionFailed, ObjectGone
from batchdrop.job import Job
from batchdrop.ports import Equals, Item, Key, ObjectRef
from batchdrop.route import Route
from batchdrop.world import World


class Turn(Enum):
    """Whose turn it is to load a key."""

    OURS = auto()
    WAIT = auto()  # an older load of it is still being submitted
    OVER = auto()  # a newer one has begun


def matters(route: Route) -> bool:
    """Whether the files of this route replace or change what was loaded before."""
    return route.account.get("type") in ("full", "delta")


def too_late(route: Route, holder: str) -> tuple[str, str]:
    """Why a load that comes after a newer one is not sent: a word for it, and what to do."""
    if route.account["type"] == "full":
        what = f"a newer version of this file is loaded by job {holder}"
        return "superseded", f"{what}; to load this one after all, drop it again"
    what = f"a newer version of this file was loaded by job {holder} before this one came, and must not be undone"
    return "out_of_order", f"{what}; to load this one after all, drop it again"


def take_turn(world: World, job: Job) -> tuple[Turn, str]:
    """Take the turn for this job, if it can be had; with the id of the job that has it."""
    ledger, key = world.ledger, _key(job)
    ours: Item = {"job_id": job.job_id, "version_id": job.version_id, "sequencer": job.sequencer}
    item = ledger.table.get(key)
    try:
        if item is None:
            ledger.table.put_new(key, ledger.dated(ours))
            return Turn.OURS, job.job_id
        holder = str(item["job_id"])
        turn = _turn(world, job, item)
        if turn is Turn.OURS and holder != job.job_id:
            ledger.table.update(key, ledger.dated(ours), expect={"job_id": Equals(holder)})
    except ConditionFailed as failed:  # somebody else at the same moment, or our own write repeated
        holder = str((failed.item or {}).get("job_id", ""))
        return (Turn.OURS if holder == job.job_id else Turn.WAIT), holder
    return turn, holder


def newer(world: World, job: Job) -> str:
    """The job that began to load a newer version of the key: after that this one is not sent. None: an empty text."""
    item = world.ledger.table.get(_key(job))
    return str(item["job_id"]) if item and _turn(world, job, item) is Turn.OVER else ""


def keep(world: World, job: Job) -> None:
    """Remember who had the turn last as long as this job, which goes on."""
    table, key = world.ledger.table, _key(job)
    if item := table.get(key):
        with suppress(ConditionFailed):  # it is somebody else's since: then it was dated just now
            table.update(key, world.ledger.dated({}), expect={"job_id": Equals(item["job_id"])})


def _turn(world: World, job: Job, item: Item) -> Turn:
    if item["job_id"] == job.job_id:
        return Turn.OURS
    if item["version_id"] != job.version_id and not _is_later(world, job, item):
        return Turn.OVER
    before = world.ledger.job(str(item["job_id"]))
    return Turn.OURS if before is None or before.packaged_at or before.is_closed else Turn.WAIT


def _is_later(world: World, job: Job, item: Item) -> bool:
    other = cast(str, item["sequencer"])
    if job.sequencer and other:
        return later(job.sequencer, other)
    try:
        current = world.objects.head(ObjectRef(job.bucket, job.key)).version_id
    except ObjectGone:
        return False
    return current == job.version_id


def _key(job: Job) -> Key:
    digest = hashlib.sha256(f"{job.bucket}\0{job.key}".encode()).hexdigest()
    return Key(f"content#{job.route}", f"order#{digest}")
