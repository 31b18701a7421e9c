"""Streams of chunks as blocks of one size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def in_blocks(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes, so many at a time; the last block has what is left."""
    buffer = bytearray()
    for chunk in chunks:
        buffer += chunk
        while len(buffer) >= size:
            yield bytes(buffer[:size])
            del buffer[:size]
    if buffer:
        yield bytes(buffer)
