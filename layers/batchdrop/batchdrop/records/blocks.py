"""Cutting a stream of bytes into blocks of whole records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import msgspec

from batchdrop.records.model import Checkpoint


@dataclass(slots=True)
class Block:
    """Bytes that begin and end between records. `data` of an oversize block is empty: one record too big to hold."""

    data: bytes
    offset: int
    line: int
    size: int  # in the source; the data of a last block may have a line end the source lacks
    lines: int  # line ends in it
    oversize: bool = False
    raws: list[msgspec.Raw] | None = None

    def end(self, ordinal: int) -> Checkpoint:
        """The place after the block, that many records into the file."""
        return Checkpoint(self.offset + self.size, self.line + self.lines, ordinal)


class Skipper(Protocol):
    def skip(self, data: bytes) -> int: ...


class Cutting(Protocol):
    """What a format says of its records' ends."""

    def cut(self, data: bytes) -> int:
        """The end of the last complete record in the buffer, 0 if there is none."""

    @property
    def raws(self) -> list[msgspec.Raw] | None:
        """The elements of the last cut, where it had to decode them anyway."""

    def skipper(self) -> Skipper: ...

    def complete(self, data: bytes) -> bytes:
        """The last bytes of the file as whole records."""


def blocks(chunks: Iterator[bytes], cutting: Cutting, offset: int, line: int, cap: int) -> Iterator[Block]:
    """Blocks of whole records from `offset` on. At most `cap` bytes and a chunk are held."""
    held = b""
    worth_cutting = 0  # after a failure, the buffer doubles first: else one huge record is quadratic
    for chunk in chunks:
        held = held + chunk if held else chunk
        if len(held) < worth_cutting:
            continue
        end = cutting.cut(held)
        worth_cutting = 0 if end else min(2 * len(held), cap)
        if end:
            block = Block(held[:end], offset, line, end, held.count(b"\n", 0, end), raws=cutting.raws)
            yield block
            offset, line, held = offset + end, line + block.lines, held[end:]
        elif len(held) > cap:
            block, held = _skip(held, chunks, cutting.skipper(), offset, line)
            yield block
            offset, line = offset + block.size, line + block.lines
    if held:
        yield Block(cutting.complete(held), offset, line, len(held), held.count(b"\n"))


def _skip(held: bytes, chunks: Iterator[bytes], skipper: Skipper, offset: int, line: int) -> tuple[Block, bytes]:
    size = lines = 0
    while (end := skipper.skip(held)) < 0:
        size, lines = size + len(held), lines + held.count(b"\n")
        held = next(chunks, b"")
        if not held:
            return Block(b"", offset, line, size, lines, oversize=True), b""
    lines += held.count(b"\n", 0, end)
    return Block(b"", offset, line, size + end, lines, oversize=True), held[end:]


def split(block: Block, cutting: Cutting, size: int) -> Iterator[Block]:
    """The same records in blocks of about `size` bytes, more where one record is longer."""
    at, line = 0, block.line
    data = block.data
    while at < len(data):
        wanted = size
        while at + wanted < len(data) and not (end := cutting.cut(data[at : at + wanted])):
            wanted *= 2
        raws = cutting.raws
        if at + wanted >= len(data):
            end, raws = len(data) - at, None
        lines = min(data.count(b"\n", at, at + end), block.line + block.lines - line)
        yield Block(data[at : at + end], block.offset + at, line, min(end, block.size - at), lines, raws=raws)
        at, line = at + end, line + lines


def limited(chunks: Iterator[bytes], length: int | None) -> Iterator[bytes]:
    """The first `length` bytes."""
    if length is None:
        yield from chunks
        return
    for chunk in chunks:
        if length <= len(chunk):
            yield chunk[:length]
            return
        length -= len(chunk)
        yield chunk
