"""A set, or a single file, as one ZIP of JSON files; a ZIP that is one already is checked and sent as it is."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from typing import Any, BinaryIO, cast

from msgspec import Struct
from msgspec.structs import replace

from batchdrop.analysis import Content, analyse, is_rejects_file, json_chunks, plain_name, records_again
from batchdrop.destinations.base import Output, SetRules
from batchdrop.errors import DropRefused
from batchdrop.members import Member, chunks, has_mark, naming, spooled
from batchdrop.parcels import Parcel
from batchdrop.records.expand import ZIP_MAGIC
from batchdrop.records.model import SourceRecord, Stops, never
from batchdrop.records.payload import Payload
from batchdrop.records.rejects import RejectsWriter
from batchdrop.records.spec import InputSpec
from batchdrop.records.verdicts import Wanted
from batchdrop.records.zips import ZipCaps, check_zip, zip_members

_ANY_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*\.json"
_END = {"sent": 1}
_REJECTS = (
    "is a rejects file, in which records of several files are mixed, and CSV's cells are texts: mend them in their own "
    "files, and drop the set again"
)


class Entry(Struct, frozen=True):
    """One file of the ZIP to be: its name there, and what of the drop it is made of."""

    name: str
    member: Member
    content: Content


class ArchivedSource(Struct, frozen=True):
    """A file inside a ZIP, as the record readers want it."""

    archive: zipfile.ZipFile
    name: str
    size: int

    def open(self, start: int = 0, end: int | None = None) -> BinaryIO:
        stream = self.archive.open(self.name)
        stream.seek(start)  # read over, as packed data must be
        return cast("BinaryIO", stream) if end is None else io.BytesIO(stream.read(end - start))


def look_into_zip(
    members: Sequence[Member], spec: InputSpec, output: Output, check: Callable[[], None]
) -> dict[str, Any]:
    """One pass over everything that goes into the ZIP; `DropRefused` if it cannot be used."""
    ready = is_archive(members)
    if ready:
        with opened(members[0], spec, output.sets) as (_, inside):
            entries = _analysed(inside, _as_they_are(spec), output.sets, check)
            _refuse_what_cannot_be_mended(entries)
    else:
        entries = _analysed(members, spec, output.sets, check)
    kept = [{"name": e.member.name, "as": e.name, **e.content.to_json()} for e in entries]
    return {"ready": ready, "entries": kept, "warnings": _unusual([e.name for e in entries], output.sets)}


def _unusual(names: Sequence[str], rules: SetRules) -> list[str]:
    """A warning of names the vendor's pages do not have, as it may refuse the upload for one."""
    other = [name for name in names if rules.usual and name not in rules.usual]
    if not other:
        return []
    listed = ", ".join(other[:3]) + (f" and {len(other) - 3} more" if len(other) > 3 else "")
    known = f"the vendor's page speaks of {', '.join(rules.usual)}"
    return [f"goes as {listed}, but {known}: it may refuse other names; account.members says which are allowed"]


def _as_they_are(spec: InputSpec) -> InputSpec:
    """How files are read that nobody converts: as the vendor will, in UTF-8."""
    return replace(spec, encoding="utf-8")


def is_archive(members: Sequence[Member]) -> bool:
    """Whether the drop is a ready-made ZIP: one file, and a ZIP by its first bytes."""
    if len(members) != 1 or not members[0].source.size:
        return False
    with members[0].source.open(0, 4) as stream:
        return stream.read(4).startswith(ZIP_MAGIC)


class opened:  # noqa: N801 - used as a context, like `open`
    """A ready-made ZIP: its bytes as they are, and its files. Checked first; `DropRefused`."""

    def __init__(self, member: Member, spec: InputSpec, rules: SetRules) -> None:
        self.payload = spooled(chunks(member.source))
        with self.payload.open() as stream, naming(member.name):
            caps = ZipCaps(max_expanded_bytes=spec.max_expanded_bytes, max_ratio=spec.max_ratio)
            check_zip(stream, _pattern(rules), caps)
        self._archive = zipfile.ZipFile(self.payload.open())

    def __enter__(self) -> tuple[Payload, list[Member]]:
        infos = sorted(self._archive.infolist(), key=lambda info: info.filename)
        sources = [ArchivedSource(self._archive, info.filename, info.file_size) for info in infos]
        return self.payload, [Member(source.name, source) for source in sources]

    def __exit__(self, *_: object) -> None:
        self._archive.close()
        self.payload.close()


def _pattern(rules: SetRules) -> str:
    return "|".join(re.escape(name) for name in rules.names) or _ANY_NAME


def _analysed(members: Sequence[Member], spec: InputSpec, rules: SetRules, check: Callable[[], None]) -> list[Entry]:
    names: dict[str, str] = {}
    entries = []
    for member in members:
        name = _name_inside(member.name, rules)
        if name in names:
            raise DropRefused("set", f"{names[name]} and {member.name} would both become {name}")
        names[name] = member.name
        content = analyse(member.name, member.source, spec, check)
        if is_rejects_file(member.source, spec, content):
            raise DropRefused("set", f"{member.name} {_REJECTS}")
        _refuse_invalid(member.name, content, rules)
        entries.append(Entry(name, member, content))
    return sorted(entries, key=lambda entry: entry.name)


def _name_inside(name: str, rules: SetRules) -> str:
    stem, suffix = plain_name(name)
    inside = f"{stem}.json"
    if "/" in name or suffix not in (".json", ".csv", ".tsv", ".ndjson", ".jsonl"):
        raise DropRefused(
            "set", f"{name}: only .json, .ndjson, .jsonl, .csv and .tsv files, without folders, are taken"
        )
    if not re.fullmatch(_pattern(rules), inside):
        allowed = f"; allowed are {', '.join(rules.names)}" if rules.names else "; use A-Z a-z 0-9 . _ -"
        raise DropRefused("set", f"{name} would become {inside}, a name that is not allowed{allowed}")
    return inside


def _refuse_invalid(name: str, content: Content, rules: SetRules) -> None:
    """An empty array could be taken for "delete everything": a file without one valid record is never sent."""
    if content.invalid and (rules.refuse_invalid or content.invalid == content.records):
        which = (
            "every record" if content.invalid == content.records else f"{content.invalid} of {content.records} records"
        )
        raise DropRefused("invalid_records", f"{name}: {which} is invalid; nothing of the set is sent")


def _refuse_what_cannot_be_mended(entries: Sequence[Entry]) -> None:
    """A ready-made ZIP goes as it is, so each file in it must be sound JSON and no record may be left out."""
    for entry in entries:
        content, found = entry.content, entry.content.inspection
        if found is not None and (found.format != "json" or found.compression != "none"):
            raise DropRefused("json", f"{entry.name} in the ZIP is not JSON: an array of objects, or one object")
        if has_mark(entry.member):
            why = (
                "begins with the byte-order mark of UTF-8, which is no JSON and cannot be left out of a ready-made ZIP"
            )
            raise DropRefused("json", f"{entry.name} {why}: save it without, or drop the files as a set instead")
        if content.invalid:
            why = f"{content.invalid} invalid record(s), which cannot be left out of a ready-made ZIP"
            raise DropRefused("invalid_records", f"{entry.name}: {why}; drop the files as a set instead")


class ZipParcels(Struct):
    """One batch: the ZIP. The drop has been looked into."""

    members: Sequence[Member]
    spec: InputSpec
    output: Output
    inspection: dict[str, Any]

    def batches(self, start: dict[str, Any] | None) -> Iterator[Parcel]:
        if start == _END:
            return
        payload = spooled(chunks(self.members[0].source)) if self.inspection["ready"] else spooled(self._zip())
        if payload.size > self.output.max_bytes:
            size = payload.size
            payload.close()
            most = self.output.max_bytes
            raise DropRefused("too_big", f"the ZIP has {size} bytes, and at most {most} are sent; drop a smaller set")
        contents = [Content.from_json(entry) for entry in self.inspection["entries"]]
        invalid = sum(content.invalid for content in contents)
        records = sum(content.records for content in contents) - invalid
        yield Parcel({}, dict(_END), records, invalid, payload, {}, last=True)

    def _zip(self) -> Iterator[bytes]:
        return zip_members((e.name, json_chunks(e.member.source, self.spec, e.content)) for e in self._entries())

    def _entries(self, inside: Sequence[Member] | None = None) -> Iterator[Entry]:
        found = {member.name: member for member in inside or self.members}
        for entry in self.inspection["entries"]:
            yield Entry(entry["as"], found[entry["name"]], Content.from_json(entry))

    def replay(
        self,
        start: dict[str, Any] | None,
        end: dict[str, Any] | None,  # noqa: ARG002 - there is one batch
        stop: Stops = never,  # noqa: ARG002
    ) -> Iterator[SourceRecord]:
        if start == _END:
            return
        if not self.inspection["ready"]:
            yield from self._records(self._entries(), self.spec)
            return
        with opened(self.members[0], self.spec, self.output.sets) as (_, inside):
            yield from self._records(self._entries(inside), _as_they_are(self.spec))

    def _records(self, entries: Iterator[Entry], spec: InputSpec) -> Iterator[SourceRecord]:
        ordinal = count(1)
        for entry in entries:
            for record in records_again(entry.member.name, entry.member.source, spec, entry.content):
                yield replace(record, ordinal=next(ordinal))

    def find(
        self, wanted: Wanted, start: dict[str, Any] | None, end: dict[str, Any] | None, stop: Stops = never
    ) -> Iterator[SourceRecord]:
        return (record for record in self.replay(start, end, stop) if wanted.has(record))

    def rejects(self) -> RejectsWriter:
        return RejectsWriter.for_format("ndjson", encoding=self.spec.encoding)
