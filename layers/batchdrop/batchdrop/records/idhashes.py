"""Which ids of a drop come more than once, at flat memory however many there are."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterable, Sequence
from ctypes import byref, c_size_t, c_uint32

from batchdrop.errors import DropRefused
from batchdrop.records.kernel import HASH_BYTES, Hash, library
from batchdrop.records.scratch import LocalScratch, Scratch

HELD = 4_000_000  # hashes in memory, 64 MB; more are put aside in runs of so many
MAX_DUPLICATES = 20_000  # what is found out about a drop is kept in one ledger item
PARTS = 4096  # of a run, by the first bits of the hashes; as in the kernel
HEAD = 4 * (PARTS + 4)  # bytes at the beginning of a run, in which it says where each part begins

_Starts = c_uint32 * (PARTS + 1)


def too_many() -> DropRefused:
    many = f"more than {MAX_DUPLICATES} records repeat an id"
    return DropRefused("duplicates", f"{many}; set input.duplicates to allow if that is meant")


def new_name(kind: str) -> str:
    """Of a piece of scratch. A worker that lost its job and lives on must not write over what another one put."""
    return f"{kind}-{os.urandom(8).hex()}"


class IdHashes:
    """The ids met so far, each as 128 bits under a key that no drop can know: no two ids have the same."""

    def __init__(self, scratch: Scratch | None = None, key: bytes = b"", runs: Iterable[str] = ()) -> None:
        self.key = key or os.urandom(16)
        self.runs = [*runs]
        self.held = bytearray(HEAD)  # a run to be
        self._scratch = scratch or LocalScratch()

    def take(self, hashes: memoryview | bytes) -> None:
        """Those of one run of the kernel."""
        self.held += hashes
        if _count(self.held) >= HELD:
            self.spill()

    def hash(self, id_: str) -> bytes:
        """That of one id."""
        found, data = Hash(), id_.encode()
        library().batchdrop_hash(data, c_size_t(len(data)), self.key, byref(found))
        return bytes(found)

    def spill(self) -> None:
        """Put those in memory aside."""
        if not (count := _count(self.held)):
            return
        hashes = (Hash * count).from_buffer(self.held, HEAD)
        library().batchdrop_parted(hashes, c_size_t(count), _Starts.from_buffer(self.held))
        del hashes  # while it is there the memory cannot be given back
        name = new_name("run")
        self._scratch.put(name, self.held)
        self.runs.append(name)
        self.held = bytearray(HEAD)

    def repeated(self) -> set[bytes]:
        """The hashes in memory that came more than once; they are given up. `DropRefused` where these are too many."""
        hashes, self.held = self.held, bytearray(HEAD)
        return _repeated(hashes)

    def compare(self, part: int, found: set[bytes], step: Callable[[int], None]) -> None:
        """Put the hashes of all runs that came more than once into `found`, from a part on.

        After each piece of work `step` is told with which part to go on; it may raise.
        """
        heads = [_Starts.from_buffer_copy(self._scratch.read(run, 0, HEAD)) for run in self.runs]
        sizes = [sum(head[p + 1] - head[p] for head in heads) for p in range(PARTS)]
        while part < PARTS:
            end = _end(sizes, part)
            found |= _repeated(self._gathered(heads, part, end))
            if len(found) > MAX_DUPLICATES:
                raise too_many()
            part = end
            step(part)

    def _gathered(self, heads: Sequence[ctypes.Array[c_uint32]], part: int, end: int) -> bytearray:
        """Some parts of every run."""
        hashes = bytearray(HEAD)
        for run, head in zip(self.runs, heads, strict=True):
            if head[part] < head[end]:
                hashes += self._scratch.read(run, *(HEAD + HASH_BYTES * head[p] for p in (part, end)))
        return hashes


def _count(hashes: bytearray) -> int:
    return (len(hashes) - HEAD) // HASH_BYTES


def _end(sizes: Sequence[int], part: int) -> int:
    """Up to which part one can go from this one with what is held in memory.

    Parts are of one size, but for the hashes that repeat: one far bigger than the others has too many of those.
    """
    most = max(HELD, 2 * sum(sizes) // PARTS)
    if sizes[part] > most + MAX_DUPLICATES:
        raise too_many()
    end, size = part + 1, sizes[part]
    while end < PARTS and size + sizes[end] <= most:
        size += sizes[end]
        end += 1
    return end


def _repeated(hashes: bytearray) -> set[bytes]:
    found, count = (Hash * MAX_DUPLICATES)(), _count(hashes)
    ordered = (Hash * count).from_buffer(hashes, HEAD) if count else (Hash * 0)()
    many = library().batchdrop_repeated(ordered, c_size_t(count), found, c_size_t(MAX_DUPLICATES))
    if many > MAX_DUPLICATES:
        raise too_many()
    return {bytes(each) for each in found[:many]}
