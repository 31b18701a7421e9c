"""One file of records within a set: its form, its records, and its way to a JSON array."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from pathlib import PurePosixPath
from typing import Any, Literal

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from batchdrop.errors import DropRefused
from batchdrop.members import naming, sha256_of
from batchdrop.records.columns import is_ours
from batchdrop.records.csvcodec import cells_of
from batchdrop.records.expand import detect, expand, guarded
from batchdrop.records.inspect import inspect
from batchdrop.records.inspection import Inspection
from batchdrop.records.jsoncheck import value_problem
from batchdrop.records.jsoncodec import is_rejected
from batchdrop.records.model import SourceRecord
from batchdrop.records.packager import Packager
from batchdrop.records.source import Source
from batchdrop.records.spec import InputSpec, OutputSpec
from batchdrop.records.utf8 import BOM

_PACKING = (".gz", ".gzip", ".zip")
_PIECE = 8_000_000  # bytes converted at a time
_encode = msgspec.json.Encoder().encode


class Content(Struct, frozen=True):
    """What a file holds: records one by one, or one JSON object, which counts as one record."""

    kind: Literal["records", "object"]
    sha256: str  # of the stored bytes
    records: int  # the invalid ones included
    invalid: int
    inspection: Inspection | None

    def to_json(self) -> dict[str, Any]:
        inspection = self.inspection.to_json() if self.inspection else None
        found = {"kind": self.kind, "sha256": self.sha256, "records": self.records, "invalid": self.invalid}
        return found | {"inspection": inspection}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Content:
        raw = data["inspection"]
        inspection = Inspection.from_json(raw) if raw else None
        return cls(data["kind"], str(data["sha256"]), int(data["records"]), int(data["invalid"]), inspection)


def analyse(name: str, source: Source, spec: InputSpec, check: Callable[[], None]) -> Content:
    """Read a whole file; `DropRefused`, naming it, where it cannot be used."""
    with naming(name):
        if source.size and is_one_object(name, source, spec):
            return Content("object", sha256_of(source), 1, 0, None)
        inspection = inspect(source, spec, check=check)
        records, invalid = _count(packager(source, spec, inspection), check)
        return Content("records", inspection.sha256, records + invalid, invalid, inspection)


def is_one_object(name: str, source: Source, spec: InputSpec) -> bool:
    """Whether a `.json` file is a single JSON object; `DropRefused` where it is a broken one, and no NDJSON either."""
    if spec.json_key or spec.format in ("csv", "ndjson") or plain_name(name)[1] != ".json":
        return False
    start = next(islice(_expanded(source, spec), 1), b"").removeprefix(BOM).lstrip()
    if not start.startswith(b"{"):
        return False
    text = object_bytes(source, spec)
    fits = len(text) <= spec.max_record_bytes
    problem = value_problem(text, spec.max_depth) if fits else None
    if fits and problem is None:
        return True
    if value_problem(text.lstrip().partition(b"\n")[0], spec.max_depth) is None:
        return False
    raise DropRefused("json", problem.message if problem else f"one JSON object of over {spec.max_record_bytes} bytes")


def plain_name(name: str) -> tuple[str, str]:
    """Stem and suffix of a file's name, without what tells of its packing: `a.csv.gz` is `("a", ".csv")`."""
    path = PurePosixPath(name)
    while path.suffix.lower() in _PACKING:
        path = path.with_suffix("")
    return path.stem, path.suffix.lower()


def object_bytes(source: Source, spec: InputSpec) -> bytes:
    """The one object of a file, as it is written there; of a longer file a little more than a record may have."""
    found = bytearray()
    for block in _expanded(source, spec):
        found += block
        if len(found) > spec.max_record_bytes + len(BOM):
            break
    return bytes(found).removeprefix(BOM)


def _expanded(source: Source, spec: InputSpec) -> Iterator[bytes]:
    packed = detect(source, spec)
    return guarded(expand(source, packed, encoding=spec.encoding), source.size, spec.max_expanded_bytes, spec.max_ratio)


def packager(source: Source, spec: InputSpec, inspection: Inspection) -> Packager:
    """Batches of a file as pieces of one JSON array; each takes the biggest record there may be."""
    room = max(_PIECE, 2 * spec.max_record_bytes)
    return Packager(source, spec, OutputSpec("json_array", room), inspection)


def _count(pieces: Packager, check: Callable[[], None]) -> tuple[int, int]:
    records = invalid = 0
    for piece in pieces.batches():
        records, invalid = records + piece.records, invalid + piece.invalid
        if piece.payload:
            piece.payload.close()
        check()
    return records, invalid


def is_rejects_file(source: Source, spec: InputSpec, content: Content) -> bool:
    """Whether it is one of ours, as it came or mended, by its header or its first record."""
    if content.inspection and content.inspection.format == "csv":
        return is_ours(content.inspection.header)
    first = next(packager(source, spec, content.inspection).replay()).raw if content.inspection else None
    with suppress(msgspec.MsgspecError, UnicodeDecodeError, RecursionError):  # ours can be read
        return is_rejected(object_bytes(source, spec) if first is None else first)
    return False


def json_chunks(source: Source, spec: InputSpec, content: Content) -> Iterator[bytes]:
    """The file as JSON: its valid records as one array, or its one object as it is."""
    if content.inspection is None:
        yield object_bytes(source, spec)
        return
    separator = b"["
    for piece in packager(source, spec, content.inspection).batches():
        if piece.payload:
            with piece.payload.open() as stream:
                yield separator + stream.read()[1:-1]
            piece.payload.close()
            separator = b","
    yield b"]"


def records_again(name: str, source: Source, spec: InputSpec, content: Content) -> Iterator[SourceRecord]:
    """Every record of a file as JSON; its problem, if it has one, says in which file."""
    if content.inspection is None:
        yield SourceRecord(1, 1, None, True, object_bytes(source, spec))
        return
    header = content.inspection.header
    for record in packager(source, spec, content.inspection).replay():
        told = in_set(name, record)
        yield replace(told, raw=_row_as_json(header, told.raw, spec), is_plain=False) if header else told


def in_set(name: str, record: SourceRecord) -> SourceRecord:
    """A record told among those of other files: its problem, if it has one, says in which of them it is."""
    if record.problem is None:
        return record
    return replace(record, problem=replace(record.problem, file=name))


def _row_as_json(header: tuple[str, ...], raw: bytes, spec: InputSpec) -> bytes:
    """A CSV row with its own columns: a set's rejects are NDJSON, whatever its files are.

    What a too long row has beyond its columns is kept under a name of its own.
    """
    cells = cells_of(raw, spec.delimiter, spec.quote)
    row: dict[str, object] = dict(zip(header, cells, strict=False))
    if len(cells) > len(header):
        row["batchdrop_rest"] = cells[len(header) :]
    return _encode(row)


def as_json(text: bytes) -> object:
    """A small JSON file of the set; `DropRefused` if it is none."""
    try:
        return json.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        raise DropRefused("json", "not valid JSON in UTF-8") from None
