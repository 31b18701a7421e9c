"""Poll: the workflow asks what is next for a job."""

from __future__ import annotations

from typing import Any

from batchdrop.observability import handler
from batchdrop.poll import what_next
from batchdrop.wiring import world


@handler
def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """`{"job_id", "lap"?}` in; the same with what is `next`, after how many `seconds`, out."""
    job_id, lap = str(event["job_id"]), int(event.get("lap", 0))
    answer = what_next(world, world.begin(context), job_id, lap)
    return {
        "job_id": job_id,
        "lap": lap + 1,
        "next": answer.next,
        "seconds": answer.seconds,
        "asked_at": answer.asked_at,
    }
