"""What the packager asks of a format: cut records, encode them, tell what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from batchdrop.records.blocks import Block, Cutting
from batchdrop.records.index import Index
from batchdrop.records.model import Problem


@dataclass(slots=True)
class Entry:
    """One record of a block. `encoded` is what goes into a batch, line end included; None for an invalid record."""

    start: int  # in the block's data
    line: int  # line ends before it in the block
    raw: list[str] | bytes
    encoded: bytes | None
    problem: Problem | None = None


@dataclass(slots=True)
class Encoded:
    """A whole block at once: every record of it is sound."""

    body: bytes
    records: int


class Codec(Protocol):
    """One input format on its way to one output format."""

    @property
    def cutting(self) -> Cutting: ...

    @property
    def head(self) -> bytes:
        """What every batch begins with: a CSV header, or nothing."""

    def whole(self, block: Block) -> Encoded | None:
        """The block encoded at once, or None if any record needs a closer look. Same bytes as `entries`."""

    def entries(self, block: Block) -> Iterator[Entry]:
        """Each record of the block on its own, with its problem if it has one."""

    def index(self, block: Block) -> Index | None:
        """The ids of all records of the block at once, where that can be done fast."""

    def entry(self, record: bytes, start: int, line: int, block: Block) -> Entry:
        """One record of an index, looked at on its own."""

    def id_of(self, raw: list[str] | bytes) -> str | None:
        """The id of a record as the vendor sees it."""


def too_big(cap: int) -> Problem:
    return Problem("too_big", f"the record is bigger than {cap} bytes (input.max_record_bytes)")
