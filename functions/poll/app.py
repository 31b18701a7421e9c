"""Poll: the workflow asks what is next for a job."""

from __future__ import annotations

from typing import Any

import batchdrop.calm  # noqa: F401 - first of all, so that what follows is imported faster
from batchdrop.observability import handler
from batchdrop.poll import what_next
from batchdrop.wiring import world


@handler
def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """`{"job_id", "lap"?}` in; the same with what is `next`, after how many `seconds`, out; or with which `spans`.

    An execution that somebody started by hand with anything else has no job: it is told to finish.
    """
    given = event if isinstance(event, dict) else {}
    job_id, lap = str(given.get("job_id", "")), given.get("lap", 0)
    lap = lap if isinstance(lap, int) else 0
    answer = what_next(world, world.begin(context), job_id, lap)
    told = {"job_id": job_id, "lap": lap + 1}
    # What each worker is given holds all that the next question needs: the workflow takes it from there.
    spans = {"spans": [{**told, "span": span} for span in answer.spans]} if answer.spans else {}
    return {**told, "next": answer.next, "seconds": answer.seconds, "asked_at": answer.asked_at, **spans}
