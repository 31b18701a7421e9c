"""Streams of chunks as blocks of one size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def in_blocks(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes, so many at a time; the last block has what is left."""
    buffer = bytearray()
    for chunk in chunks:
        at = 0
        if not buffer:
            whole = len(chunk) - len(chunk) % size
            yield from (chunk[at : at + size] for at in range(0, whole, size))
            at = whole
        buffer += chunk[at:]
        while len(buffer) >= size:
            yield bytes(buffer[:size])
            del buffer[:size]
    if buffer:
        yield bytes(buffer)
