"""Finish: the workflow wants the job brought to its report."""

from __future__ import annotations

from typing import Any

from msgspec.structs import asdict

import batchdrop.calm  # noqa: F401 - first of all, so that what follows is imported faster
from batchdrop.finish import finish
from batchdrop.observability import handler
from batchdrop.wiring import world


@handler
def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """`{"job_id", "execution"}` in; whether it is done, and with which outcome, out."""
    job_id = str(event["job_id"])
    return {"job_id": job_id, **asdict(finish(world, world.begin(context), job_id, str(event.get("execution", ""))))}
