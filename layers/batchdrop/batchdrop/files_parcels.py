"""A set whose files go to the vendor one by one under their own names, the too big ones in parts, a part a batch."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import count
from typing import Any, BinaryIO, Protocol, cast

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from batchdrop.analysis import Content, analyse, in_set
from batchdrop.destinations.base import Output, Payload, SetRules
from batchdrop.errors import DropRefused
from batchdrop.linefile import LineFile
from batchdrop.members import Member, chunks, has_mark, naming, sha256_of, spooled
from batchdrop.parcels import Parcel
from batchdrop.records.model import Checkpoint, SourceRecord, Stops, never
from batchdrop.records.packager import Packager
from batchdrop.records.rejects import RejectsWriter
from batchdrop.records.spec import InputSpec, OutputSpec
from batchdrop.records.verdicts import Wanted

CARRIED_BYTES = 16 * 1024 * 1024  # a file that goes with every batch is held in memory
_ARRAY = InputSpec(format="json", compression="none")
_PASSED = Content("object", "", 1, 0, None)  # a file that is not looked into counts as one record


# --- before anything is sent ---


def look_into_files(members: Sequence[Member], output: Output, check: Callable[[], None]) -> dict[str, Any]:
    """One pass over the whole set; `DropRefused` if it cannot be used."""
    rules = output.sets
    carried = {member.name: _whole(member) for member in members if member.name in rules.carried}
    missing = [name for name in rules.carried if name not in carried]
    if missing:
        raise DropRefused("set", f"the set has no file {missing[0]}, which the route says it must have")
    names = [member.name for member in members if member.name not in carried]
    if not names:
        raise DropRefused("empty", f"the set holds no file beside {', '.join(carried)}")
    readings = rules.reading(carried, names) if rules.reading else {}
    entries = [_look(m, str(readings.get(m.name, "blob")), output, check) for m in members if m.name not in carried]
    kept = [_carried(name, data) for name, data in carried.items()]
    return {"ready": False, "entries": [*entries, *kept]}


def _carried(name: str, data: bytes) -> dict[str, Any]:
    return {"name": name, "reading": "", "sha256": hashlib.sha256(data).hexdigest(), "records": 0}


def _whole(member: Member) -> bytes:
    if member.source.size > CARRIED_BYTES:
        raise DropRefused("too_big", f"{member.name} is longer than {CARRIED_BYTES} bytes, too much for this vendor")
    return b"".join(chunks(member.source))


def _look(member: Member, reading: str, output: Output, check: Callable[[], None]) -> dict[str, Any]:
    check()
    if not member.source.size:
        raise DropRefused("empty", f"{member.name} is empty")
    content = _content(member, reading, output, check)
    with naming(member.name):
        fits = reading == "blob" or member.source.size <= output.max_bytes
        if not fits and (reading == "text" or not output.sets.split):
            why = "cannot be cut" if reading == "text" else "the route says not to cut it"
            raise DropRefused("too_big", f"longer than the {output.max_bytes} bytes this vendor can read; {why}")
        if content.records == content.invalid:
            raise DropRefused("invalid_records", "it holds no valid record")
    as_is = fits and not content.invalid and not (reading == "array" and has_mark(member))
    return {"name": member.name, "reading": reading, "as_is": as_is, **content.to_json()}


def _content(member: Member, reading: str, output: Output, check: Callable[[], None]) -> Content:
    if reading == "array":
        spec = replace(_ARRAY, max_record_bytes=output.max_bytes // 2)
        content = analyse(member.name, member.source, spec, check)
        if content.kind == "object":
            raise DropRefused("json", f"{member.name} is one JSON object, but will be read as an array of objects")
        return content
    if reading == "lines":
        with naming(member.name):
            text = LineFile(member.source, output.max_bytes)
            records = sum(line.is_record for line in text.lines(text.first()))
        return replace(_PASSED, kind="records", records=records, sha256=sha256_of(member.source))
    return replace(_PASSED, sha256=sha256_of(member.source))


# --- files ---


class Part(Struct, frozen=True):
    """What one file gives to one batch; `end` is where its next part begins, None where there is none."""

    payload: Payload | None
    records: int
    invalid: int
    end: Checkpoint | None


class File(Protocol):
    """A file of the set on its way into batches."""

    def part(self, start: Checkpoint | None) -> Part: ...

    def records(self, start: Checkpoint | None, end: Checkpoint | None) -> Iterator[SourceRecord]: ...


class WholeFile(Struct, frozen=True):
    """A file that goes as it is; `inner` knows its records, if anybody does."""

    member: Member
    count: int
    inner: File | None

    def part(self, start: Checkpoint | None) -> Part:  # noqa: ARG002 - there is only one
        return Part(spooled(chunks(self.member.source)), self.count, 0, None)

    def records(self, start: Checkpoint | None, end: Checkpoint | None) -> Iterator[SourceRecord]:
        if self.inner:
            return self.inner.records(start, end)
        return iter([SourceRecord(1, 1, self.member.name, True, msgspec.json.encode({"file": self.member.name}))])


class ArrayFile(Struct, frozen=True):
    """A JSON array, cut between its elements; invalid ones are left out."""

    member: Member
    packager: Packager

    def part(self, start: Checkpoint | None) -> Part:
        packed = next(self.packager.batches(start))
        return Part(packed.payload, packed.records, packed.invalid, None if packed.last else packed.end)

    def records(self, start: Checkpoint | None, end: Checkpoint | None) -> Iterator[SourceRecord]:
        return (in_set(self.member.name, record) for record in self.packager.replay(start, end))


class TextFile(Struct, frozen=True):
    """Lines below a header, which every part begins with."""

    text: LineFile

    def part(self, start: Checkpoint | None) -> Part:
        body, records, end, last = self.text.part(start or self.text.first())
        return Part(spooled([body]), records, 0, None if last else end)

    def records(self, start: Checkpoint | None, end: Checkpoint | None) -> Iterator[SourceRecord]:
        return self.text.records(start or self.text.first(), end)


def _file(member: Member, entry: Mapping[str, Any], output: Output) -> File:
    inner: File | None = None
    content = Content.from_json(entry)
    if content.inspection is not None:
        spec, target = (
            replace(_ARRAY, max_record_bytes=output.max_bytes // 2),
            OutputSpec("json_array", output.max_bytes),
        )
        inner = ArrayFile(member, Packager(member.source, spec, target, content.inspection))
    elif entry["reading"] == "lines":
        inner = TextFile(LineFile(member.source, output.max_bytes))
    return WholeFile(member, content.records, inner) if entry["as_is"] or inner is None else inner


# --- batches ---


class Together:
    """Several payloads as one: what a batch of files amounts to."""

    def __init__(self, parts: Sequence[Payload], carried: Sequence[Payload]) -> None:
        self._parts, self._carried = parts, carried
        self.size = sum(part.size for part in parts)
        digest = hashlib.sha256()
        with self.open() as stream:
            while chunk := stream.read(1 << 18):
                digest.update(chunk)
        self.sha256 = digest.hexdigest()

    def open(self) -> BinaryIO:
        """The files one after the other, in the order of their names."""
        return cast("BinaryIO", io.BufferedReader(_OneAfterTheOther(self._parts)))

    def close(self) -> None:
        for payload in (*self._parts, *self._carried):
            payload.close()


class _OneAfterTheOther(io.RawIOBase):
    def __init__(self, parts: Sequence[Payload]) -> None:
        self._streams = iter([part.open() for part in parts])
        self._stream: BinaryIO = io.BytesIO()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not (data := self._stream.read(len(buffer))):
            following = next(self._streams, None)
            if following is None:
                return 0
            self._stream = following
        buffer[: len(data)] = data
        return len(data)


class Place(Struct, frozen=True):
    """Between two batches: how many there were, and where each file that goes on does so."""

    batches: int
    at: Mapping[str, Checkpoint]

    @classmethod
    def from_json(cls, data: Mapping[str, Any] | None) -> Place | None:
        """None is the beginning."""
        if not data:
            return None
        return cls(int(data["batches"]), {name: Checkpoint.from_json(at) for name, at in data["at"].items()})

    def to_json(self) -> dict[str, Any]:
        return {"batches": self.batches, "at": {name: at.to_json() for name, at in self.at.items()}}


class FilesParcels(Struct):
    """The set as batches: the first has all files, or the first part of each; the others have what goes on."""

    members: Sequence[Member]
    output: Output
    rules: SetRules
    inspection: Mapping[str, Any]

    def batches(self, start: dict[str, Any] | None) -> Iterator[Parcel]:
        place = Place.from_json(start)
        while place is None or place.at:
            parcel, place = self._next(place)
            yield parcel

    def _next(self, start: Place | None) -> tuple[Parcel, Place]:
        files = self._files()
        names = sorted(files) if start is None else sorted(start.at)
        parts = {name: files[name].part(start.at[name] if start else None) for name in names}
        at = {name: part.end for name, part in parts.items() if part.end is not None}
        end = Place(1 + (start.batches if start else 0), at)
        sent = {name: part.payload for name, part in parts.items() if part.payload is not None}
        carried = self._carried() if sent else {}
        payload = Together(list(sent.values()), list(carried.values())) if sent else None
        records, invalid = sum(p.records for p in parts.values()), sum(p.invalid for p in parts.values())
        first = start.to_json() if start else {}
        return Parcel(first, end.to_json(), records, invalid, payload, {**carried, **sent}, last=not at), end

    def _files(self) -> dict[str, File]:
        entries = {str(entry["name"]): entry for entry in self.inspection["entries"] if entry["reading"]}
        return {m.name: _file(m, entries[m.name], self.output) for m in self.members if m.name in entries}

    def _carried(self) -> dict[str, Payload]:
        return {m.name: spooled(chunks(m.source)) for m in self.members if m.name in self.rules.carried}

    def replay(
        self,
        start: dict[str, Any] | None,
        end: dict[str, Any] | None,
        stop: Stops = never,  # noqa: ARG002 - of all files at once there is no place
    ) -> Iterator[SourceRecord]:
        begin, until = Place.from_json(start), Place.from_json(end)
        ordinal = count(1)
        for name, file in sorted(self._files().items()):
            if begin is None or name in begin.at:
                last = until.at.get(name) if until else None
                for record in file.records(begin.at[name] if begin else None, last):
                    yield replace(record, ordinal=next(ordinal))

    def find(
        self, wanted: Wanted, start: dict[str, Any] | None, end: dict[str, Any] | None, stop: Stops = never
    ) -> Iterator[SourceRecord]:
        return (record for record in self.replay(start, end, stop) if wanted.has(record))

    def rejects(self) -> RejectsWriter:
        return RejectsWriter.for_format("ndjson")
