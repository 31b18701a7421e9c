"""Submit: a drop has arrived, or the workflow asks for the rest of a job, or of one span of it, to be submitted."""

from __future__ import annotations

from typing import Any

import batchdrop.calm  # noqa: F401 - first of all, so that what follows is imported faster
from batchdrop.arrive import arrive, resume
from batchdrop.drop import arrivals, sqs_messages
from batchdrop.observability import handler, logger
from batchdrop.wiring import LambdaInvocation, world


@handler
def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """`{"job_id", "span"?}` from the workflow, or messages of the drop queue: the answer names those that failed."""
    invocation = world.begin(context)
    if "job_id" in event:
        return {"resumed": resume(world, invocation, str(event["job_id"]), int(event.get("span", 0)))}
    failed = [message_id for message_id, body in sqs_messages(event) if not _taken(invocation, body)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _taken(invocation: LambdaInvocation, body: object) -> bool:
    found = arrivals(body)
    for reason in found.ignored:
        logger.info("event ignored", extra={"reason": reason})
        world.metrics.count("EventsIgnored")
    try:
        for drop in found.drops:
            arrive(world, invocation, drop)
    except Exception as error:  # noqa: BLE001 - whatever it was, the message stays in the queue
        world.log.exception("drop not taken", error=type(error).__name__)
        return False
    return True
