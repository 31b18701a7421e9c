"""Finding records that repeat an id, at flat memory: ids are hashed into temporary files by their first bits."""

from __future__ import annotations

import hashlib
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from itertools import groupby
from typing import IO

from batchdrop.errors import DropRefused
from batchdrop.records.inspection import Inspection
from batchdrop.records.source import Source
from batchdrop.records.spec import InputSpec, OutputSpec

_ENTRY = struct.Struct(">16sQQ")  # 128 bits of the id's hash (no two ids share them), ordinal, line
_PARTS = 64
MAX_DUPLICATES = 20_000  # what is found out about a drop is kept in one ledger item


def find_duplicates(source: Source, spec: InputSpec, inspection: Inspection, check: Callable[[], None]) -> Inspection:
    """The inspection with the records that have to yield. Only valid records count: an invalid one is not sent anyway.

    `reject`: the first record of an id is kept; `last_wins`: the last. Raises `DropRefused("duplicates")` when more
    than 20,000 records would have to yield: then the file, or the choice of the id, is wrong.
    """
    yields: dict[int, int] = {}
    with ExitStack() as stack:
        parts = [stack.enter_context(tempfile.TemporaryFile()) for _ in range(_PARTS)]
        for ordinal, line, key in _ids(source, spec, inspection, check):
            if key:
                digest = hashlib.blake2b(key, digest_size=16).digest()
                parts[digest[0] % _PARTS].write(_ENTRY.pack(digest, ordinal, line))
        for part in parts:
            check()
            for ordinal, line in _yielding(part, last_wins=spec.duplicates == "last_wins"):
                yields[ordinal] = line
                if len(yields) > MAX_DUPLICATES:
                    raise DropRefused("duplicates", f"more than {MAX_DUPLICATES} records repeat an id")
    return replace(inspection, duplicates=dict(sorted(yields.items())))


def _ids(
    source: Source, spec: InputSpec, inspection: Inspection, check: Callable[[], None]
) -> Iterator[tuple[int, int, bytes | None]]:
    from batchdrop.records.packager import Packager

    unlimited = OutputSpec("ndjson" if inspection.format != "csv" else "json_array", 1 << 62)
    for ordinal, line, id_ in Packager(source, spec, unlimited, inspection).ids():
        if ordinal % 1000 == 0:
            check()
        yield ordinal, line, id_


def _yielding(part: IO[bytes], *, last_wins: bool) -> Iterator[tuple[int, int]]:
    part.seek(0)
    data = part.read()
    entries = sorted(_ENTRY.iter_unpack(data))
    for _, group in groupby(entries, key=lambda entry: entry[0]):
        same = list(group)
        keeper = same[-1] if last_wins else same[0]
        for entry in same:
            if entry is not keeper:
                yield entry[1], keeper[2]
