"""Which ids of a drop come more than once, at flat memory."""

from __future__ import annotations

import ctypes
import os
import tempfile
from ctypes import byref, c_size_t, c_uint64
from typing import IO

from batchdrop.errors import DropRefused
from batchdrop.records.kernel import HASH_BYTES, Hash, library

HELD = 1_000_000  # hashes in memory, 16 MB; more are kept on the disk
MAX_DUPLICATES = 20_000  # what is found out about a drop is kept in one ledger item


def too_many() -> DropRefused:
    return DropRefused("duplicates", f"more than {MAX_DUPLICATES} records repeat an id")


class IdHashes:
    """The ids met so far, each as 128 bits under a key nobody knows: no two ids have the same."""

    def __init__(self) -> None:
        self.key = os.urandom(16)
        self._held = bytearray()
        self._file: IO[bytes] | None = None
        self._filed = 0

    def take(self, hashes: memoryview | bytes) -> None:
        """Those of one run of the kernel."""
        self._held += hashes
        if len(self._held) >= HELD * HASH_BYTES:
            self._file = self._file or tempfile.TemporaryFile()  # noqa: SIM115 - closed when it was read
            self._filed += self._file.write(self._held) // HASH_BYTES
            self._held.clear()

    def hash(self, id_: str) -> bytes:
        """That of one id."""
        found, data = Hash(), id_.encode()
        library().batchdrop_hash(data, c_size_t(len(data)), self.key, byref(found))
        return bytes(found)

    def repeated(self) -> set[bytes]:
        """The hashes that came more than once. Raises `DropRefused` where there are too many to keep."""
        if self._file is None:
            return _repeated((Hash * (len(self._held) // HASH_BYTES)).from_buffer(self._held))
        with self._file as file:
            file.write(self._held)
            parts = 2 * (self._filed // HELD + 1)  # each well within what is held, as hashes are spread evenly
            found: set[bytes] = set()
            for part in range(parts):
                found |= _repeated(_between(file, part * 2**64 // parts, (part + 1) * 2**64 // parts - 1))
                if len(found) > MAX_DUPLICATES:
                    raise too_many()
            return found


def _between(file: IO[bytes], low: int, high: int) -> ctypes.Array[Hash]:
    """The hashes of the file between two bounds."""
    file.seek(0)
    found = (Hash * HELD)()
    count = 0
    while block := file.read(1 << 20):
        rest = byref(found, count * HASH_BYTES)
        length = c_size_t(len(block) // HASH_BYTES)
        bounds = c_uint64(low), c_uint64(high)
        count += library().batchdrop_between(block, length, *bounds, rest, c_size_t(HELD - count))
        if count > HELD:
            raise too_many()
    return (Hash * count).from_buffer(found)


def _repeated(hashes: ctypes.Array[Hash]) -> set[bytes]:
    found = (Hash * MAX_DUPLICATES)()
    count = library().batchdrop_repeated(hashes, c_size_t(len(hashes)), found, c_size_t(MAX_DUPLICATES))
    if count > MAX_DUPLICATES:
        raise too_many()
    return {bytes(each) for each in found[:count]}
