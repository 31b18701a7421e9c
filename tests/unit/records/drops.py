"""Helpers for the tests of the records engine."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence

import pytest

from batchdrop.errors import DropRefused
from batchdrop.records.inspect import inspect
from batchdrop.records.inspection import Inspection
from batchdrop.records.packager import Packager, SourceRecord
from batchdrop.records.source import BytesSource
from batchdrop.records.spec import InputSpec, OutputFormat, OutputSpec

ROOMY = 1_000_000_000
ANY = InputSpec()


class Impatient(Exception):
    """Time is up."""


def patient(calls: int) -> Callable[[], None]:
    """Time that is up after so many looks at the clock."""
    left = iter(range(calls))

    def check() -> None:
        if next(left, None) is None:
            raise Impatient

    return check


def packager(
    data: bytes,
    spec: InputSpec = ANY,
    output: OutputFormat = "ndjson",
    name: str = "drop",
    *,
    max_bytes: int = ROOMY,
    max_records: int | None = None,
    quoting: str = "minimal",
    spool_bytes: int = 1 << 20,
) -> Packager:
    source = BytesSource(name, data)
    limits = OutputSpec(output, max_bytes, max_records, quoting)  # type: ignore[arg-type]
    return Packager(source, spec, limits, inspect(source, spec), spool_bytes=spool_bytes)


def payloads(packs: Packager) -> list[bytes]:
    """The bytes of all batches."""
    bodies = []
    for batch in packs.batches():
        if batch.payload:
            bodies.append(batch.payload.open().read())
            batch.payload.close()
    return bodies


def sent(data: bytes, spec: InputSpec = ANY, name: str = "drop") -> list[dict[str, object]]:
    """The records as a vendor would read them."""
    lines = b"".join(payloads(packager(data, spec, "ndjson", name))).split(b"\n")
    return [json.loads(line) for line in lines if line]


def problems(data: bytes, spec: InputSpec = ANY, name: str = "drop") -> list[tuple[int, str]]:
    """Line and code of every invalid record."""
    return [(r.line, r.problem.code) for r in packager(data, spec, name=name).replay() if r.problem]


def records(data: bytes, spec: InputSpec = ANY, name: str = "drop") -> list[SourceRecord]:
    return list(packager(data, spec, name=name).replay())


def refusal(data: bytes, spec: InputSpec = ANY, name: str = "drop") -> DropRefused:
    """Why the whole drop is refused."""
    with pytest.raises(DropRefused) as caught:
        inspect(BytesSource(name, data), spec)
    return caught.value


def look(data: bytes, spec: InputSpec = ANY, name: str = "drop") -> Inspection:
    return inspect(BytesSource(name, data), spec)


def gzipped(*members: bytes) -> bytes:
    return b"".join(gzip.compress(member, mtime=0) for member in members)


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return buffer.getvalue()


def array(items: Sequence[object]) -> bytes:
    return json.dumps(list(items)).encode()


def lines(items: Sequence[object]) -> bytes:
    return b"".join(json.dumps(item).encode() + b"\n" for item in items)
