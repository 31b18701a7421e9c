"""Where a look was put down, and what it takes to take it up again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from batchdrop.records.inspection import Inspection
from batchdrop.records.model import Checkpoint


class Halt(Struct, frozen=True):
    """Small enough for a ledger item; `ids` is what `Repeats` keeps, most of it elsewhere."""

    inspection: Inspection  # as far as is known
    at: Checkpoint  # before the next record
    digest: str  # of the stored bytes that were read
    is_read: bool = False  # all records were
    ids: Mapping[str, Any] = field(default_factory=dict)
    mark: str = ""  # what stands before `at`

    def to_json(self) -> dict[str, object]:
        return {
            "inspection": self.inspection.to_json(),
            "at": self.at.to_json(),
            "digest": self.digest,
            "is_read": self.is_read,
            "ids": dict(self.ids),
            "mark": self.mark,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Halt | None:
        """None where there is none, or one of an earlier version, which kept less: the look begins anew."""
        if "is_read" not in data:
            return None
        at, inspection = Checkpoint.from_json(data["at"]), Inspection.from_json(data["inspection"])
        mark = str(data.get("mark", ""))
        return cls(inspection, at, str(data["digest"]), bool(data["is_read"]), data["ids"], mark)
