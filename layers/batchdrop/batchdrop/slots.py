"""How many jobs of one vendor account may be under way at a time. A holder that died keeps its place only so long."""

from __future__ import annotations

from typing import cast

from batchdrop.errors import ConditionFailed
from batchdrop.job import Job
from batchdrop.ledger import Ledger
from batchdrop.ports import Equals, Item, Key

GRACE_MS = 3_600_000  # a place outlives its job's deadline by this: by then the second net has ended the job
_TRIES = 5  # against others who enter or leave at the same moment


def enter(ledger: Ledger, account: str, job: Job, limit: int) -> bool:
    """Take a place for this job, if there is one; a place once taken stays taken until `leave`."""
    for _ in range(_TRIES):
        item, holders = _standing(ledger, account)
        if job.job_id in holders:
            return True
        if len(holders) >= limit:
            holders = {holder: until for holder, until in holders.items() if _is_under_way(ledger, holder)}
        if len(holders) >= limit:
            return False
        if _write(ledger, account, item, {**holders, job.job_id: job.deadline_at + GRACE_MS}):
            return True
    return False


def _is_under_way(ledger: Ledger, job_id: str) -> bool:
    """Whether the job is still open: its last worker may have died before it gave the place back."""
    job = ledger.job(job_id)
    return job is None or not job.is_closed


def leave(ledger: Ledger, account: str, job_id: str) -> None:
    """Give this job's place back; nothing happens if it has none. Lost races end with the place's own time."""
    for _ in range(_TRIES):
        item, holders = _standing(ledger, account)
        if holders.pop(job_id, None) is None or _write(ledger, account, item, holders):
            return


def _key(account: str) -> Key:
    return Key(f"account#{account}", "slots")


def _standing(ledger: Ledger, account: str) -> tuple[Item | None, dict[str, int]]:
    """The item as it is, and those who hold a place and may still be alive."""
    item = ledger.table.get(_key(account))
    holders = cast("dict[str, int]", item["holders"]) if item else {}
    return item, {job_id: until for job_id, until in holders.items() if until > ledger.now()}


def _write(ledger: Ledger, account: str, item: Item | None, holders: dict[str, int]) -> bool:
    try:
        if item is None:
            ledger.table.put_new(_key(account), {"holders": holders, "turn": 1})
        else:
            turn = cast(int, item["turn"])
            ledger.table.update(_key(account), {"holders": holders, "turn": turn + 1}, expect={"turn": Equals(turn)})
    except ConditionFailed:
        return False
    return True
