"""What the records engine hands around: places in a drop, records and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import cast


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A place between two records. Opaque to callers; the same file and checkpoint always give the same batches."""

    offset: int  # of the expanded bytes
    line: int  # 1-based source line at that offset
    ordinal: int  # records before it

    def to_json(self) -> dict[str, int]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Checkpoint:
        return cls(*(int(cast(int, data[name])) for name in ("offset", "line", "ordinal")))


Stops = Callable[[Checkpoint], bool]  # told places before which all is done: whether to go no further


def never(_here: Checkpoint) -> bool:
    """Go on to the end."""
    return False


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a record is invalid. `offset` is the byte offset of the record in the expanded file."""

    code: str
    message: str
    column: str | None = None
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """One record of a drop, as its owner wrote it.

    `raw` is its bytes in the file, without the line end; empty when it is too big to keep. `id` is the id as the
    vendor sees it. `sent` tells whether the record is in a batch.
    """

    ordinal: int  # 1-based
    line: int  # 1-based source line where it starts
    id: str | None
    sent: bool
    raw: bytes
    problem: Problem | None = None
    is_plain: bool = field(default=False, compare=False)  # sound, and harmless where it is echoed as it is
