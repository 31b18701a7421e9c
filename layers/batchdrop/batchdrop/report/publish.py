"""Writing a report: its files first, `report.json` last and only once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from batchdrop.errors import ConditionFailed
from batchdrop.job import Job
from batchdrop.places import folder
from batchdrop.ports import ObjectRef
from batchdrop.report.advice import what_next
from batchdrop.report.html import render
from batchdrop.world import World

_TYPES = {"rejects.csv": "text/csv; charset=utf-8", "rejects.ndjson": "application/x-ndjson"}


def publish(world: World, job: Job, document: dict[str, Any], name: str, rejects: Iterator[bytes]) -> dict[str, Any]:
    """Write the report's files; returns the report that stands, which is an earlier one if there already was one."""
    bucket, place = world.settings.results_bucket, folder(job)
    document = {**document, "rejects_file": name}
    document["what_next"] = what_next(document)
    world.objects.put_stream(bucket, place + name, rejects, content_type=_TYPES[name])
    world.objects.put(bucket, f"{place}report.html", render(document), content_type="text/html; charset=utf-8")
    body = json.dumps(document, ensure_ascii=False, indent=1).encode()
    try:
        world.objects.put(bucket, f"{place}report.json", body, content_type="application/json", new=True)
    except ConditionFailed:
        with world.objects.open(ObjectRef(bucket, f"{place}report.json")) as standing:
            found: dict[str, Any] = json.loads(standing.read())
            return found
    return document
