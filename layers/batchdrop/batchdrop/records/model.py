"""What the records engine hands around: places in a drop, records and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import cast

from msgspec import Struct
from msgspec.structs import asdict, astuple


class Checkpoint(Struct, frozen=True):
    """A place between two records. Opaque to callers; the same file and checkpoint always give the same batches."""

    offset: int  # of the expanded bytes
    line: int  # 1-based source line at that offset
    ordinal: int  # records before it

    def to_json(self) -> dict[str, int]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, object]) -> Checkpoint:
        return cls(*(int(cast(int, data[name])) for name in ("offset", "line", "ordinal")))


REPLACED = "replaced"  # the code of a record that gave way to a later one with its id
TOOK_ITS_PLACE = "a later record with the same id took its place"  # the reason of all of them
Stops = Callable[[Checkpoint], bool]  # told places before which all is done: whether to go no further


def never(_here: Checkpoint) -> bool:
    """Go on to the end."""
    return False


class Problem(Struct, frozen=True):
    """Why a record is invalid. `offset` is the byte offset of the record in the expanded file.

    `column` is for who has the file at hand. `place` is the same where a report can tell it: a name that stands in the
    route, or a number, as what seems a header may be somebody's values. `file`: which one of a set.
    """

    code: str
    message: str
    column: str | None = None
    offset: int | None = None
    place: str | None = None
    file: str | None = None

    @property
    def told(self) -> str:
        """The message for a report, which has no other word for where it is in the record."""
        return "".join(f"{where}: " for where in (self.file, self.place) if where) + self.message


class SourceRecord(Struct, frozen=True):
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
    is_plain: bool = False  # sound, and harmless where it is echoed as it is

    def __eq__(self, other: object) -> bool:
        """But for `is_plain`, which is not told of a record that was looked at by itself."""
        return isinstance(other, SourceRecord) and astuple(self)[:-1] == astuple(other)[:-1]

    def __hash__(self) -> int:
        return hash(astuple(self)[:-1])
