"""Sweep: on a schedule, look for what fell through; at once, when an execution died."""

from __future__ import annotations

from typing import Any

from msgspec.structs import asdict

import batchdrop.calm  # noqa: F401 - first of all, so that what follows is imported faster
from batchdrop.observability import handler, logger
from batchdrop.sweep import revive, sweep
from batchdrop.wiring import world


@handler
def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """A scheduled event, or one of an execution that failed, was aborted or timed out."""
    invocation = world.begin(context)
    if event.get("detail-type") == "Step Functions Execution Status Change":
        return {"revived": revive(world, str(event["detail"]["name"]))}
    found = asdict(sweep(world, invocation))
    logger.info("swept", extra=found)
    return found
