"""What would be sent of a file, found out with the very code that sends it; no network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from batchdrop.drop import READY
from batchdrop.job import NUMBERS, Job
from batchdrop.members import enforce_limits
from batchdrop.parcels import Parcel, Parcels, look_into, parcels_of, spans_of
from batchdrop.ports import ObjectRef, Objects
from batchdrop.records.kernel import LIBRARY
from batchdrop.records.model import Problem, SourceRecord
from batchdrop.records.source import FileSource
from batchdrop.report.drop_warnings import drop_warnings
from batchdrop.route import Route
from local import upload
from local.trouble import Trouble

VERSION_ID = "v" * 32  # as long as those S3 gives: the ledger needs room for them


@dataclass(slots=True)
class DryRun:
    """`records` are all, the invalid ones included, as in a report; `problems` has each of these with its line.
    `batches` are as they would be submitted."""

    format: str = ""
    records: int = 0
    invalid: int = 0
    batches: list[dict[str, Any]] = field(default_factory=list)
    problems: list[dict[str, Any]] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def valid(self) -> int:
        return self.records - self.invalid

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class LocalFiles:
    """As much of `Objects` as packaging needs, on the local disk: a key is a path."""

    def open(self, ref: ObjectRef, start: int = 0, end: int | None = None) -> BinaryIO:
        return FileSource(ref.key).open(start, end)


def run(path: Path, route: Route) -> DryRun:
    """Package a file, or a directory as a set, for a route. `DropRefused` when nothing of it could be sent."""
    if not LIBRARY.exists():
        raise Trouble("the kernel of the records engine is not built here: make setup")
    with _unchanged(path, upload.files_of(path)):
        return _packaged(path, route)


def _packaged(path: Path, route: Route) -> DryRun:
    objects = cast("Objects", LocalFiles())
    job = _job(path, route)
    looked = look_into(job, route, objects, lambda: None)
    job.inspection = looked.found
    job.spread = spans_of(job)
    names = [str(member["name"]) for member in job.members] or [path.name]
    found = DryRun(format=str(job.inspection.get("format", "")), warnings=drop_warnings(job.inspection))
    for span in job.spans:
        parcels = parcels_of(job, route, objects, looked.ready, span)
        for count, parcel in enumerate(parcels.batches(None), 1):
            _add(found, span * NUMBERS + count, parcel, parcels, names)
    return found


@contextmanager
def _unchanged(path: Path, files: Sequence[Path]) -> Iterator[None]:
    """`Trouble` where one of the files becomes another meanwhile: what is found then is true of neither."""
    before = [_stamp(file) for file in files]
    try:
        yield
    finally:
        if [_stamp(file) for file in files] != before:
            raise Trouble(f"{path} was changed while it was looked at: check it again") from None


def _stamp(file: Path) -> tuple[int, int] | None:
    """What changes with a file's content; None where it is gone."""
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


def _add(found: DryRun, number: int, parcel: Parcel, parcels: Parcels, names: Sequence[str]) -> None:
    if parcel.payload:
        entry = {"n": number, "records": parcel.records, "invalid": parcel.invalid}
        found.batches.append(entry | {"bytes": parcel.payload.size, "sha256": parcel.payload.sha256})
        parcel.payload.close()
    found.records += parcel.records + parcel.invalid
    found.invalid += parcel.invalid
    if parcel.invalid:
        replay = parcels.replay(parcel.start, parcel.end)
        found.problems += (_problem(record, record.problem, names) for record in replay if record.problem)


def _problem(record: SourceRecord, problem: Problem, names: Sequence[str]) -> dict[str, Any]:
    """Where it is stands beside the message; but a file in a ZIP is none of the names."""
    file = problem.file if problem.file in names else names[0]
    message = problem.message if problem.file in (None, file) else f"{problem.file}: {problem.message}"
    place = {"file": file, "line": record.line, "column": problem.column}
    return place | {"id": record.id, "code": problem.code, "message": message}


def _job(path: Path, route: Route) -> Job:
    """The job a drop of this path would make."""
    job = Job("check", route.name, "", str(path), "", created_at=0, deadline_at=0, config=dict(route.raw))
    if path.is_dir():
        job.key = f"{path}/{READY if (path / READY).is_file() else ''}"  # a manifest in the marker is enforced
        job.members = [
            {"name": p.relative_to(path).as_posix(), "version_id": VERSION_ID, "size": p.stat().st_size}
            for p in upload.files_of(path)
        ]
        enforce_limits([member["name"] for member in job.members])
        job.size = sum(member["size"] for member in job.members)
    else:
        job.size = path.stat().st_size
    return job
