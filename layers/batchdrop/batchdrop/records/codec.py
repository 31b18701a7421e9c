"""What the packager asks of a format: a kernel for the plain records, and the careful way for one at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from msgspec import Struct

from batchdrop.records.kernel import Kernel
from batchdrop.records.model import Checkpoint, Problem
from batchdrop.records.skippers import Skipper
from batchdrop.records.walk import Walk


class Entry(Struct):
    """One record. `encoded` is what goes into a batch, without what separates it from the next; None if invalid."""

    encoded: bytes | None
    problem: Problem | None = None
    id: str | None = None  # as the vendor sees it


class Form(Struct, frozen=True):
    """How a format's records stand in a stream. `ending` may be missing after the last one; `blank` may follow it."""

    kernel: Kernel
    skipper: Callable[[], Skipper]
    ending: bytes
    blank: bytes | None = None

    def walk(self, chunks: Iterator[bytes], start: Checkpoint, cap: int) -> Walk:
        """Through these bytes, which begin at `start`."""
        return Walk(self.kernel, chunks, start, cap=cap, ending=self.ending, blank=self.blank, skipper=self.skipper)


class Codec(Protocol):
    """One input format on its way to one output format."""

    form: Form
    head: bytes  # what every batch begins with: a CSV header, or nothing

    def entry(self, record: bytes, offset: int) -> Entry:
        """One record with its problem, if it has one; where it is sound, the kernel gives the same bytes."""


def too_big(cap: int) -> Problem:
    return Problem("too_big", f"the record is bigger than {cap} bytes (input.max_record_bytes)")
