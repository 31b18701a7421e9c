"""A drop, cut into what goes to the vendor batch by batch; the same cut every time it is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO, Protocol, cast

from msgspec import Struct
from msgspec.structs import replace

from batchdrop.destinations.base import Output, Payload
from batchdrop.errors import DropRefused
from batchdrop.job import Job
from batchdrop.ports import ObjectRef, Objects
from batchdrop.records.halt import Halt
from batchdrop.records.inspect import look
from batchdrop.records.inspection import Inspection
from batchdrop.records.model import Checkpoint, SourceRecord, Stops, never
from batchdrop.records.packager import Packager, Packed
from batchdrop.records.refused import Counted, count_refused
from batchdrop.records.rejects import RejectsWriter
from batchdrop.records.scratch import Scratch, ScratchGone
from batchdrop.records.spec import InputSpec, OutputSpec
from batchdrop.records.verdicts import Rows, Wanted
from batchdrop.route import Route

SETS = ("zip", "files")  # formats in which a vendor takes files rather than one stream of records


class Parcel(Struct):
    """One batch to be: its bytes, its account, and where in the drop it begins and ends."""

    start: dict[str, Any]
    end: dict[str, Any]
    records: int
    invalid: int
    payload: Payload | None  # None: only invalid records
    members: Mapping[str, Payload]
    last: bool


class Parcels(Protocol):
    """The drop, or a span of it, as batches; made again from any checkpoint. None is its own beginning or end."""

    def batches(self, start: dict[str, Any] | None) -> Iterator[Parcel]: ...

    def replay(
        self, start: dict[str, Any] | None, end: dict[str, Any] | None, stop: Stops = never
    ) -> Iterator[SourceRecord]:
        """All records again. A set has no places to `stop` at."""

    def find(
        self, wanted: Wanted, start: dict[str, Any] | None, end: dict[str, Any] | None, stop: Stops = never
    ) -> Iterator[SourceRecord | Rows]:
        """The records wanted, or rows of the rejects file for some of them."""

    def rejects(self) -> RejectsWriter: ...


class StoredSource(Struct, frozen=True):
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


class FileParcels(Struct):
    """A single file of records, or one span of it."""

    packager: Packager
    inspection: Inspection
    input: InputSpec
    ready: Sequence[Packed] = ()  # the first batches, made while the drop was looked into
    begins: Checkpoint | None = None  # None: where the file does
    ends: Checkpoint | None = None

    def batches(self, start: dict[str, Any] | None) -> Iterator[Parcel]:
        for packed in self._packed(_checkpoint(start) or self.begins):
            yield Parcel(
                start=dict(packed.start.to_json()),
                end=dict(packed.end.to_json()),
                records=packed.records,
                invalid=packed.invalid,
                payload=packed.payload,
                members={},
                last=packed.last,
            )

    def _packed(self, start: Checkpoint | None) -> Iterator[Packed]:
        if start is None:
            for packed in self.ready:
                yield packed
                if packed.last:
                    return
                start = packed.end
        yield from self.packager.batches(start, self.ends)

    def replay(
        self, start: dict[str, Any] | None, end: dict[str, Any] | None, stop: Stops = never
    ) -> Iterator[SourceRecord]:
        return self.packager.replay(_checkpoint(start) or self.begins, _checkpoint(end) or self.ends, stop)

    def find(
        self, wanted: Wanted, start: dict[str, Any] | None, end: dict[str, Any] | None, stop: Stops = never
    ) -> Iterator[SourceRecord | Rows]:
        return self.packager.find(wanted, _checkpoint(start) or self.begins, _checkpoint(end) or self.ends, stop)

    def rejects(self) -> RejectsWriter:
        return RejectsWriter.for_file(self.inspection.format, self.inspection.header, self.input)


def _checkpoint(data: dict[str, Any] | None) -> Checkpoint | None:
    return Checkpoint.from_json(data) if data else None


def input_spec(route: Route, output: Output) -> InputSpec:
    """How this route's files are read, with what its destination demands of every record."""
    spec = InputSpec.from_route(route.input)
    id_ = output.id or spec.id
    # Where refusals come back by id, an id that comes twice cannot be told apart: unless the route says otherwise.
    unsafe = id_ and route.vendor.names_rejects and "duplicates" not in route.input
    return replace(
        spec,
        id=id_,
        duplicates="reject" if unsafe else spec.duplicates,
        required=tuple(dict.fromkeys((*spec.required, *output.required))),
        forbidden_in_id=output.forbidden_in_id or spec.forbidden_in_id,
    )


class Looked(Struct, frozen=True):
    """What was found out about a drop, to be kept with its job, and the batches that were made on the way."""

    found: dict[str, Any]
    ready: Sequence[Packed] = ()
    tidy: Callable[[], None] = lambda: None  # to be called once `found` is recorded


def look_into(
    job: Job,
    route: Route,
    objects: Objects,
    check: Callable[[], None],
    keep: Callable[[dict[str, Any]], None] = lambda _: None,
    scratch: Scratch | None = None,
) -> Looked:
    """One pass over the whole drop before anything is sent; `DropRefused` if it cannot be used.

    Where it is interrupted, `keep` is told how far it got, to be put into `job.halt` by the time of the next look;
    what is too much for that is in `scratch`.
    """
    output = route.vendor.output(route.account)
    spec = input_spec(route, output)
    if output.format in SETS:
        from batchdrop.set_parcels import look_into_set

        return Looked(look_into_set(job, spec, output, objects, check))

    def go(halt: Halt | None) -> Looked:
        looked = look(
            StoredSource(objects, job.drop),
            spec,
            _target(output),
            check=check,
            scratch=scratch,
            halt=halt,
            keep=lambda halt: keep(halt.to_json()),
            cut_bytes=route.side_by_side.span_bytes(job.size),
        )
        return Looked(looked.inspection.to_json(), looked.ready, looked.tidy)

    try:
        return go(Halt.from_json(job.halt))
    except ScratchGone:
        return go(None)


def count_unusable(
    job: Job, route: Route, objects: Objects, refusal: DropRefused, check: Callable[[], None]
) -> Counted:
    """How many records a drop that was refused as a whole is taken to hold."""
    output = route.vendor.output(route.account)
    if output.format in SETS:
        return Counted(0)
    return count_refused(StoredSource(objects, job.drop), input_spec(route, output), refusal, check)


def spans_of(job: Job) -> int:
    """Into how many spans the drop of a job is cut, by the look into it; 0: it is not."""
    cuts = job.inspection.get("cuts")
    return len(cuts) + 1 if cuts else 0


def parcels_of(job: Job, route: Route, objects: Objects, ready: Sequence[Packed] = (), span: int = 0) -> Parcels:
    """The drop of a job, or one span of it, cut for its destination.

    It has been looked into; `ready`: just now, and these were made on the way.
    """
    output = route.vendor.output(route.account)
    spec = input_spec(route, output)
    if output.format in SETS:
        from batchdrop.set_parcels import parcels_of_set

        return parcels_of_set(job, spec, output, objects)
    inspection = Inspection.from_json(job.inspection)
    source = StoredSource(objects, job.drop)
    begins, ends = _bounds(inspection, span)
    return FileParcels(Packager(source, spec, _target(output), inspection), inspection, spec, ready, begins, ends)


def _bounds(inspection: Inspection, span: int) -> tuple[Checkpoint | None, Checkpoint | None]:
    """Where a span begins and ends; span 0 is the whole file."""
    if not span:
        return None, None
    places = (None, *inspection.cuts, None)
    return places[span - 1], places[span]


def _target(output: Output) -> OutputSpec:
    return OutputSpec(
        format=cast("Any", output.format),
        max_bytes=output.max_bytes,
        max_records=output.max_records,
        csv_quoting=output.csv_quoting,
    )
