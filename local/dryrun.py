"""What would be sent of a file, found out with the very code that sends it; no network."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from batchdrop.drop import READY
from batchdrop.job import Job
from batchdrop.parcels import Parcel, Parcels, look_into, parcels_of
from batchdrop.ports import ObjectRef, Objects
from batchdrop.records.source import FileSource
from batchdrop.route import Route
from local import upload


@dataclass(slots=True)
class DryRun:
    """`problems` has every invalid record with its line; `batches` are as they would be submitted."""

    format: str = ""
    records: int = 0
    invalid: int = 0
    batches: list[dict[str, Any]] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class LocalFiles:
    """As much of `Objects` as packaging needs, on the local disk: a key is a path."""

    def open(self, ref: ObjectRef, start: int = 0, end: int | None = None) -> BinaryIO:
        return FileSource(ref.key).open(start, end)


def run(path: Path, route: Route) -> DryRun:
    """Package a file, or a directory as a set, for a route. `DropRefused` when nothing of it could be sent."""
    objects = cast("Objects", LocalFiles())
    job = _job(path, route)
    job.inspection = look_into(job, route, objects, lambda: None)
    parcels = parcels_of(job, route, objects)
    found = DryRun(format=str(job.inspection.get("format", "")), warnings=list(job.inspection.get("warnings", [])))
    for parcel in parcels.batches(None):
        _add(found, parcel, parcels)
    return found


def _add(found: DryRun, parcel: Parcel, parcels: Parcels) -> None:
    if parcel.payload:
        entry = {"n": len(found.batches) + 1, "records": parcel.records, "invalid": parcel.invalid}
        found.batches.append(entry | {"bytes": parcel.payload.size, "sha256": parcel.payload.sha256})
        parcel.payload.close()
    found.records += parcel.records
    found.invalid += parcel.invalid
    if parcel.invalid:
        found.problems += _problems(parcels, parcel)


def _problems(parcels: Parcels, parcel: Parcel) -> list[dict[str, Any]]:
    return [
        {"line": r.line, "column": r.problem.column, "id": r.id, "code": r.problem.code, "message": r.problem.message}
        for r in parcels.replay(parcel.start, parcel.end)
        if r.problem
    ]


def _job(path: Path, route: Route) -> Job:
    """The job a drop of this path would make."""
    job = Job("check", route.name, "", str(path), "", created_at=0, deadline_at=0, config=dict(route.raw))
    if path.is_dir():
        if (path / READY).is_file():
            job.key = str(path / READY)  # its manifest, if it holds one, is enforced
        job.members = [
            {"name": p.relative_to(path).as_posix(), "key": str(p), "version_id": "", "size": p.stat().st_size}
            for p in upload.members(path)
        ]
        job.size = sum(member["size"] for member in job.members)
    else:
        job.size = path.stat().st_size
    return job
