"""Chunks of any length as blocks of one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from batchdrop.blocks import in_blocks


@given(st.lists(st.binary(max_size=25)), st.integers(1, 9))
def test_blocks_are_of_one_size_and_hold_the_same_bytes(chunks: list[bytes], size: int) -> None:
    blocks = list(in_blocks(chunks, size))
    assert b"".join(blocks) == b"".join(chunks)
    assert all(len(block) == size for block in blocks[:-1])
    assert all(0 < len(block) <= size for block in blocks[-1:])
