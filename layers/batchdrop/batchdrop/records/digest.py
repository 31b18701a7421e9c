"""SHA-256 that can be put down and taken up again, for drops that are looked into in more than one invocation."""

from __future__ import annotations

import base64
import ctypes
from ctypes import byref, c_uint8, c_uint32, c_uint64
from functools import cache
from pathlib import Path
from typing import Any

from batchdrop.records.kernel import library


class _State(ctypes.Structure):
    _fields_ = (
        ("state", c_uint32 * 8),
        ("held", c_uint8 * 64),
        ("held_len", c_uint64),
        ("total", c_uint64),
    )


@cache
def is_swift() -> bool:
    """Whether this processor has instructions for SHA-256, by the names Linux gives them."""
    try:
        names = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return False
    return {"sha_ni", "avx2"} <= names or "sha2" in names


class Digest:
    """As one of hashlib's; slower by far where the processor is no help. `kept` is what another one `keep`s."""

    def __init__(self, kept: str = "") -> None:
        self._library: Any = library()
        swift, plain = self._library.batchdrop_digest_update_swift, self._library.batchdrop_digest_update
        self._update = swift if is_swift() else plain
        if kept:
            self._state = _State.from_buffer_copy(base64.b64decode(kept))
        else:
            self._state = _State()
            self._library.batchdrop_digest_begin(byref(self._state))

    @property
    def total(self) -> int:
        """Bytes seen."""
        return int(self._state.total)

    def update(self, data: bytes) -> None:
        self._update(byref(self._state), data, ctypes.c_size_t(len(data)))

    def hexdigest(self) -> str:
        total = (c_uint8 * 32)()
        self._library.batchdrop_digest_sum(byref(self._state), byref(total))
        return bytes(total).hex()

    def keep(self) -> str:
        """Its state, as text."""
        return base64.b64encode(bytes(self._state)).decode()
