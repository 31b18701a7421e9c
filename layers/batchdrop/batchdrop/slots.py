"""How many jobs of one vendor account may be under way at a time. A holder that died keeps its place only so long.

First come, first served: who finds no place is noted, in order, with the time at which it looks again. The first of
them looks often; a free place is kept for those ahead who look again soon, and goes to the next where they do not.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from batchdrop.errors import ConditionFailed
from batchdrop.job import Job
from batchdrop.ledger import Ledger
from batchdrop.ports import Equals, Item, Key

GRACE_MS = 3_600_000  # a place outlives its job's deadline by this: by then the second net has ended the job
LATE_MS = 120_000  # who has not looked again so long after it meant to is not waited for
MOST_NOTED = 100  # who wait in order; who comes after them is noted once there is room
_TRIES = 5  # against others who enter or leave at the same moment

Waiting = list[tuple[str, int]]  # job and when it looks again, first come first


def enter(ledger: Ledger, account: str, job: Job, limit: int, pace: Callable[[int], float]) -> float:
    """Take a place for this job, if it is its turn; a place once taken stays taken until `leave`.

    Returns 0, or the seconds after which to look again: `pace` of how many are ahead.
    """
    for _ in range(_TRIES):
        item, holders, waiting = _standing(ledger, account)
        if job.job_id in holders:
            return 0.0
        if len(holders) >= limit:
            holders = {holder: until for holder, until in holders.items() if _is_under_way(ledger, holder)}
        names = [name for name, _ in waiting]
        ahead = waiting[: names.index(job.job_id)] if job.job_id in names else waiting
        soon = ledger.now() + int(1000 * pace(0))
        if len(holders) + sum(due <= soon for _, due in ahead) < limit:
            holders |= {job.job_id: job.deadline_at + GRACE_MS}
            seconds, waiting = 0.0, [(name, due) for name, due in waiting if name != job.job_id]
        else:
            seconds = pace(len(ahead))
            waiting = _noted(waiting, job.job_id, ledger.now() + int(1000 * seconds))
        if _write(ledger, account, item, {"holders": holders, "waiting": [list(one) for one in waiting]}):
            return seconds
    return pace(0)


def _noted(waiting: Waiting, job_id: str, due: int) -> Waiting:
    """The same queue, with the time at which this job looks again."""
    if any(name == job_id for name, _ in waiting):
        return [(name, due if name == job_id else other) for name, other in waiting]
    return [*waiting, (job_id, due)] if len(waiting) < MOST_NOTED else waiting


def _is_under_way(ledger: Ledger, job_id: str) -> bool:
    """Whether the job is still open: its last worker may have died before it gave the place back."""
    job = ledger.job(job_id)
    return job is None or not job.is_closed


def leave(ledger: Ledger, account: str, job_id: str) -> None:
    """Give this job's place back; nothing happens if it has none. Lost races end with the place's own time."""
    for _ in range(_TRIES):
        item, holders, _waiting = _standing(ledger, account)
        if holders.pop(job_id, None) is None or _write(ledger, account, item, {"holders": holders}):
            return


def _key(account: str) -> Key:
    return Key(f"account#{account}", "slots")


def _standing(ledger: Ledger, account: str) -> tuple[Item | None, dict[str, int], Waiting]:
    """The item as it is, those who hold a place and may still be alive, and those who wait and do come back."""
    item, now = ledger.table.get(_key(account)), ledger.now()
    holders = cast("dict[str, int]", item["holders"]) if item else {}
    waiting = cast("list[tuple[str, int]]", item.get("waiting", [])) if item else []
    alive = [(name, due) for name, due in waiting if due >= now - LATE_MS]
    return item, {job_id: until for job_id, until in holders.items() if until > now}, alive


def _write(ledger: Ledger, account: str, item: Item | None, changes: Item) -> bool:
    changes = ledger.dated(changes)
    try:
        if item is None:
            ledger.table.put_new(_key(account), {**changes, "turn": 1})
        else:
            turn = cast(int, item["turn"])
            ledger.table.update(_key(account), {**changes, "turn": turn + 1}, expect={"turn": Equals(turn)})
    except ConditionFailed:
        return False
    return True
