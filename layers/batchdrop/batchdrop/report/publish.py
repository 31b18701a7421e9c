"""Writing a report: `report.json` only once, its page from the one that stands."""

from __future__ import annotations

import json
from typing import Any

from batchdrop.again import again
from batchdrop.errors import ConditionFailed, ObjectGone
from batchdrop.job import Job
from batchdrop.places import folder, iso, route_folder
from batchdrop.ports import ObjectRef
from batchdrop.report.advice import what_next
from batchdrop.report.html import render
from batchdrop.report.index import render_index
from batchdrop.storable import storable
from batchdrop.world import World

_LATEST = 200  # jobs of all routes that are looked through
_LISTED = 500  # jobs on a route's page
_HTML = "text/html; charset=utf-8"


def publish(
    world: World, job: Job, document: dict[str, Any], name: str, in_order: bool, harmless: bool
) -> dict[str, Any]:
    """Write a report beside its rejects file; returns the one that stands, which may be an earlier one.

    `in_order`, `harmless`: as for `what_next`.
    """
    bucket, place = world.settings.results_bucket, folder(job)
    document = {**document, "rejects_file": name}
    document["what_next"] = what_next(document, again(job), in_order=in_order, harmless=harmless)
    document = _standing(world, bucket, f"{place}report.json", document)
    world.objects.put(bucket, f"{place}report.html", render(document), content_type=_HTML)
    return document


def _standing(world: World, bucket: str, key: str, document: dict[str, Any]) -> dict[str, Any]:
    body = _json(document, indent=1)
    try:
        world.objects.put(bucket, key, body, content_type="application/json", new=True)
    except ConditionFailed:
        with world.objects.open(ObjectRef(bucket, key)) as standing:
            body = standing.read()
    found: dict[str, Any] = json.loads(body)
    return found


def _json(data: object, indent: int | None = None) -> bytes:
    return storable(json.dumps(data, ensure_ascii=False, indent=indent)).encode()


def publish_index(world: World, job: Job) -> None:
    """Make the route's index page anew: of what was on it, and of the route's jobs among the latest of all.

    Two jobs that end at the same moment may each miss the other; the next one finds both in the ledger.
    """
    bucket, place = world.settings.results_bucket, route_folder(job.route)
    entries = {str(entry["job_id"]): entry for entry in _listed(world, bucket, f"{place}index.json")}
    for one in (*world.ledger.jobs(_LATEST), job):  # the ledger's list may lag
        if route_folder(one.route) == place and one.is_closed:
            entries[one.job_id] = _entry(one)
    listed = sorted(entries.values(), key=lambda entry: str(entry["started_at"]))[-_LISTED:]
    world.objects.put(bucket, f"{place}index.json", _json(listed), content_type="application/json")
    world.objects.put(bucket, f"{place}index.html", render_index(place.split("/")[1], listed), content_type=_HTML)


def _listed(world: World, bucket: str, key: str) -> list[dict[str, Any]]:
    try:
        with world.objects.open(ObjectRef(bucket, key)) as body:
            found: list[dict[str, Any]] = json.loads(body.read())
            return found
    except ObjectGone:
        return []


def _entry(job: Job) -> dict[str, Any]:
    return {
        "job_id": job.job_id,
        "outcome": job.outcome,
        "counts": job.counts,
        "drop": {"key": job.key, "size": job.size},
        "started_at": iso(job.created_at),
        "finished_at": iso(job.closed_at),
        "path": f"{folder(job).removeprefix(route_folder(job.route))}report.html",
    }
