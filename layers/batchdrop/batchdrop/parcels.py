"""A drop, cut into what goes to the vendor batch by batch; the same cut every time it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO, Protocol, cast

from batchdrop.destinations.base import Output, Payload
from batchdrop.job import Job
from batchdrop.ports import ObjectRef, Objects
from batchdrop.records.inspect import Inspection, inspect
from batchdrop.records.packager import Checkpoint, Packager
from batchdrop.records.rejects import RejectsWriter
from batchdrop.records.source import Source
from batchdrop.records.spec import InputSpec, OutputSpec
from batchdrop.route import Route


@dataclass(slots=True)
class Parcel:
    """One batch to be: its bytes, its account, and where in the drop it begins and ends."""

    start: dict[str, Any]
    end: dict[str, Any]
    records: int
    invalid: int
    payload: Payload | None  # None: only invalid records
    members: Mapping[str, Payload]
    last: bool


class Line(Protocol):
    """One record of the drop, re-read: what the rejects file and the matching need of it."""

    ordinal: int
    line: int
    id: str | None
    sent: bool


class Parcels(Protocol):
    """The drop as batches; made again from any checkpoint."""

    def batches(self, start: dict[str, Any] | None) -> Iterator[Parcel]: ...

    def replay(self, start: dict[str, Any] | None, end: dict[str, Any] | None) -> Iterator[Any]: ...

    def rejects(self) -> RejectsWriter: ...


@dataclass(frozen=True, slots=True)
class StoredSource:
    """An object version as the record readers want it."""

    objects: Objects
    ref: ObjectRef

    @property
    def name(self) -> str:
        return self.ref.key

    @property
    def size(self) -> int:
        return self.ref.size

    def open(self, start: int = 0, end: int | None = None) -> BinaryIO:
        return self.objects.open(self.ref, start, end)


@dataclass(slots=True)
class FileParcels:
    """A single file of records."""

    packager: Packager
    input: InputSpec

    def batches(self, start: dict[str, Any] | None) -> Iterator[Parcel]:
        for packed in self.packager.batches(Checkpoint.from_json(start) if start else None):
            yield Parcel(
                start=packed.start.to_json(),
                end=packed.end.to_json(),
                records=packed.records,
                invalid=packed.invalid,
                payload=packed.payload,
                members={},
                last=packed.last,
            )

    def replay(self, start: dict[str, Any] | None, end: dict[str, Any] | None) -> Iterator[Any]:
        return self.packager.replay(
            Checkpoint.from_json(start) if start else None, Checkpoint.from_json(end) if end else None
        )

    def rejects(self) -> RejectsWriter:
        return self.packager.rejects_writer()


def input_spec(route: Route, output: Output) -> InputSpec:
    """How this route's files are read, with what its destination demands of every record."""
    spec = InputSpec.from_route(route.input)
    return spec.with_demands(required=output.required, id=output.id, forbidden_in_id=output.forbidden_in_id)


def look_into(job: Job, route: Route, objects: Objects, check: Callable[[], None]) -> dict[str, Any]:
    """One pass over the whole drop before anything is sent; `DropRefused` if it cannot be used."""
    spec = input_spec(route, route.vendor.output(route.account))
    return inspect(StoredSource(objects, job.drop), spec, check=check).to_json()


def parcels_of(job: Job, route: Route, objects: Objects) -> Parcels:
    """The drop of a job, cut for its destination; the job has been looked into."""
    output = route.vendor.output(route.account)
    spec = input_spec(route, output)
    source: Source = StoredSource(objects, job.drop)
    target = OutputSpec(
        format=cast("Any", output.format),
        max_bytes=output.max_bytes,
        max_records=output.max_records,
        csv_quoting=output.csv_quoting,
    )
    return FileParcels(Packager(source, spec, target, Inspection.from_json(job.inspection)), spec)
