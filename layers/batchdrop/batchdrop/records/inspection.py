"""What one pass over a drop found out, kept so that no later step has to look again."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any, cast

from msgspec import Struct
from msgspec.structs import asdict

from batchdrop.records.expand import Packed
from batchdrop.records.model import Checkpoint
from batchdrop.records.sniff import Format

MOST_HEADER = 60_000  # bytes: for more a ledger item has no room beside 20,000 repeated ids


class Inspection(Struct, frozen=True):
    """`sha256` is of the stored bytes. `duplicates` maps the ordinal of each record that is invalid for its repeated
    id to the line of the record it yields to. `cuts` are places before records, in order, between which a large file
    can be packaged by several workers."""

    sha256: str
    format: Format
    compression: Packed
    expanded_bytes: int
    records: int  # the invalid ones included
    start: Checkpoint  # the first record
    end: int | None  # where the records end, if before the end of the file
    header: tuple[str, ...]
    duplicates: Mapping[int, int]
    warnings: tuple[str, ...] = ()
    cuts: tuple[Checkpoint, ...] = ()

    def to_json(self) -> dict[str, object]:
        """A small JSON object; many duplicates are packed."""
        data: dict[str, object] = asdict(self)
        packed = zlib.compress(json.dumps(list(self.duplicates.items())).encode())
        return data | {
            "start": self.start.to_json(),
            "header": list(self.header),
            "warnings": list(self.warnings),
            "duplicates": base64.b64encode(packed).decode() if self.duplicates else "",
            "cuts": [cut.to_json() for cut in self.cuts],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Inspection:
        values = {name: data[name] for name in cls.__struct_fields__ if name != "cuts"}
        packed = str(values["duplicates"])
        pairs = json.loads(zlib.decompress(base64.b64decode(packed))) if packed else []
        for name in ("expanded_bytes", "records", "end"):
            values[name] = None if values[name] is None else int(cast(int, values[name]))
        return cls(
            **values
            | {
                "start": Checkpoint.from_json(cast("Mapping[str, object]", values["start"])),
                "header": tuple(cast("list[str]", values["header"])),
                "warnings": tuple(cast("list[str]", values["warnings"])),
                "duplicates": {int(o): int(line) for o, line in pairs},
                "cuts": tuple(Checkpoint.from_json(cut) for cut in cast("list[Any]", data.get("cuts", ()))),
            }  # type: ignore[arg-type]
        )
