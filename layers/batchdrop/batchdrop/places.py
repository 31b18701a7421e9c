"""Where things lie in the results bucket."""

from __future__ import annotations

from datetime import UTC, datetime

from batchdrop.job import Job


def folder(job: Job) -> str:
    """`jobs/<route>/<yyyy>/<mm>/<dd>/<job_id>/`, by the day the job was claimed."""
    day = datetime.fromtimestamp(job.created_at / 1000, UTC)
    return f"jobs/{job.route}/{day:%Y/%m/%d}/{job.job_id}/"


def iso(milliseconds: int) -> str | None:
    """`2026-01-31T12:00:00.000Z`; None for 0."""
    if not milliseconds:
        return None
    at = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}.{milliseconds % 1000:03d}Z"
