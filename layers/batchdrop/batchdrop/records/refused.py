"""How many records a drop holds of which nothing can be sent: its report must account for them all the same."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain
from typing import NamedTuple

from msgspec.structs import replace

from batchdrop.errors import DropRefused
from batchdrop.records.expand import detect, skip
from batchdrop.records.patience import has_time
from batchdrop.records.reading import File, Reading
from batchdrop.records.scans import count
from batchdrop.records.sniff import encoding_of_wide
from batchdrop.records.source import Source
from batchdrop.records.spec import InputSpec
from batchdrop.records.utf8 import BOM

_UNCOUNTABLE = ("empty", "content", "bomb")
_TELLING = 400  # bytes that tell the encoding, if any do
_BLANK = b" \t\r\0"
_BEFORE = b"\xef\xbb\xbf\xfe\xff\0 \t\r\n"  # the first character


class Counted(NamedTuple):
    """`is_all`: there was time to the end of what can be read; else there may be more."""

    records: int
    is_all: bool = True


def count_refused(source: Source, spec: InputSpec, refusal: DropRefused, check: Callable[[], None]) -> Counted:
    """The records that were read before the refusal; behind them, lines that are not blank, as far as the file can be
    read and until `check` raises, because the caller's time is up.

    Where lines are not records, none of them: a JSON array, or a file that is no text at all. Where only the encoding
    is wrong, records and not lines are counted.
    """
    offset, records = refusal.read
    if refusal.reason in _UNCOUNTABLE:
        return Counted(0)
    if not has_time(check):
        return Counted(records, is_all=False)
    try:
        file = File(source, spec, detect(source, spec))
        if refusal.reason == "encoding" and (found := _but_for_the_encoding(file, check)):
            return Counted(max(records, found[0]), found[1])
        first = _first(file, check)
    except DropRefused:
        return Counted(records)
    if first == b"[" or (first == b"{" and spec.json_key):
        return Counted(records)
    start = offset if records else 0
    opened = start if file.opens_anywhere else 0  # on the way from there to the start time passes, too
    blocks = _InTime(file.blocks(opened, None, _nobody), check)
    lines = _lines(skip(iter(blocks), start - opened))
    has_header = not records and first != b"{" and spec.header is None
    return Counted(max(0, records + lines - has_header), blocks.is_all)


def _but_for_the_encoding(file: File, check: Callable[[], None]) -> tuple[int, bool] | None:
    """The records of a text that is right but for its encoding: read with odd characters where it is wrong."""
    stored = _InTime(replace(file, spec=replace(file.spec, encoding="utf-8")).blocks(0, None, _nobody), check)
    with suppress(DropRefused):
        reading = Reading(file, _decoded(iter(stored), file.spec.encoding), None, 0)
        count(reading.walk)
        if stored.is_all:
            reading.finish()
        return reading.walk.ordinal, stored.is_all
    return None


def _decoded(stored: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """As UTF-8: from the encoding that the first bytes tell, else from the route's."""
    head = b""
    while len(head) < _TELLING and (block := next(stored, b"")):
        head += block
    for text in codecs.iterdecode(chain([head], stored), _encoding(head, encoding), "replace"):
        yield text.encode()


def _encoding(head: bytes, given: str) -> str:
    if wide := encoding_of_wide(head):
        return wide
    if head.startswith(BOM) or (given.startswith("utf-16") and b"\0" not in head):
        return "utf-8"
    return "utf-16-le" if given == "utf-16" else given  # without a mark that would tell


def _nobody(_: bytes) -> None:
    return


def _first(file: File, check: Callable[[], None]) -> bytes:
    """The first character, if there is time to find it."""
    blocks, first = file.blocks(0, None, _nobody), b""
    while not first and has_time(check) and (block := next(blocks, b"")):
        first = block.lstrip(_BEFORE)[:1]
    return first


class _InTime:
    """The blocks, as long as there is time and they can be read; `is_all` tells which of the two ended first."""

    def __init__(self, blocks: Iterator[bytes], check: Callable[[], None]) -> None:
        self._blocks, self._check = blocks, check
        self.is_all = False

    def __iter__(self) -> Iterator[bytes]:
        with suppress(DropRefused):  # what could be read counts
            while has_time(self._check):
                if not (block := next(self._blocks, b"")):
                    break
                yield block
            else:
                return
        self.is_all = True


def _lines(blocks: Iterator[bytes]) -> int:
    """How many lines hold anything."""
    lines, is_begun = 0, False  # the line that goes on in the next block, if it holds anything so far
    for block in blocks:
        pieces = block.translate(None, _BLANK).split(b"\n")
        lines += sum(map(bool, pieces)) - (is_begun and bool(pieces[0]))
        is_begun = bool(pieces[-1]) or (is_begun and len(pieces) == 1)
    return lines
