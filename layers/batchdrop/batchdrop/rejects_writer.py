"""Which rejects file a job has, where its route is no longer valid: parts of it may be kept from when it was."""

from __future__ import annotations

from batchdrop.entries import entries_of
from batchdrop.errors import RouteError
from batchdrop.job import Job
from batchdrop.records.rejects import RejectsWriter
from batchdrop.records.spec import InputSpec


def writer_without_route(job: Job) -> RejectsWriter | None:
    """As the job's `Parcels` have it, of what is kept of the look into the drop; None where that cannot be told."""
    try:
        given = InputSpec.from_route(job.config.get("input") or {})
    except RouteError:
        return None
    found = job.inspection
    if "format" in found:
        return RejectsWriter.for_file(found["format"], found["header"], given)
    is_zip = any("as" in entry for entry in entries_of(found))
    return RejectsWriter.for_format("ndjson", encoding=given.encoding if is_zip else "utf-8")
