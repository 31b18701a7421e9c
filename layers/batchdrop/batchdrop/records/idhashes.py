"""Finding out that no id of a drop comes twice, while it is packaged."""

from __future__ import annotations

import ctypes
import os
from ctypes import byref

from batchdrop.records.kernel import Hash, library

MOST = 2_000_000  # ids: 32 MB of memory


class IdHashes:
    """The ids met so far, each as 128 bits under a key nobody knows."""

    def __init__(self) -> None:
        self.key = os.urandom(16)
        self._hashes = bytearray()

    def __len__(self) -> int:
        return len(self._hashes) // ctypes.sizeof(Hash)

    def take(self, hashes: memoryview) -> None:
        """Those of one run of the kernel."""
        self._hashes += hashes

    def add(self, id_: str) -> None:
        """That of one record."""
        found, data = Hash(), id_.encode()
        library().batchdrop_hash(data, ctypes.c_size_t(len(data)), self.key, byref(found))
        self._hashes += bytes(found)

    def has_twice(self) -> bool:
        """Whether any id came twice, or there may be one: of too many ids it is not asked."""
        if len(self) > MOST:
            return True
        count = len(self)
        entries = (Hash * count).from_buffer(self._hashes)
        return bool(library().batchdrop_has_twice(entries, ctypes.c_size_t(count)))
