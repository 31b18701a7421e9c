"""How what a vendor did not accept of a drop is sent again: not each drop's rejects file is one itself."""

from __future__ import annotations

from typing import Literal, cast

from batchdrop.job import Job

# `rejects`: by dropping its rejects file. A set's holds the records of several files, cells as texts, and is only for
# reading: they are mended in their own files, and sent with the `whole` set, or in a set of the same form that holds
# only this `part`, where the vendor would import the others twice.
Again = Literal["rejects", "whole", "part"]
_BEFORE: dict[str, Again] = {"haplo": "part"}  # of jobs whose drop was looked into before this was kept


def again(job: Job) -> Again:
    """By what is kept of the look into the drop."""
    if "entries" not in job.inspection:
        return "rejects"
    return cast("Again", job.inspection.get("again", _BEFORE.get(job.destination, "whole")))
