"""Where things lie in the results bucket."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from batchdrop.job import Job

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def folder(job: Job) -> str:
    """`jobs/<route>/<yyyy>/<mm>/<dd>/<job_id>/`, by the day the job was claimed."""
    day = datetime.fromtimestamp(job.created_at / 1000, UTC)
    return f"{route_folder(job.route)}{day:%Y/%m/%d}/{job.job_id}/"


def workplace(job_id: str) -> str:
    """`work/<job_id>/`: what a job needs only until its report is written."""
    return f"work/{job_id}/"


def route_folder(route: str) -> str:
    """`jobs/<route>/`; what cannot be a route's name, because it is only what somebody's key began with, shares one."""
    return f"jobs/{route if NAME.fullmatch(route) else '_unknown'}/"


def iso(milliseconds: int) -> str | None:
    """`2026-01-31T12:00:00.000Z`; None for 0."""
    if not milliseconds:
        return None
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"
