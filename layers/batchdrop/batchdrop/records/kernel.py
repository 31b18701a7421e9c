"""The compiled inner loop (`layers/batchdrop/kernel`), and what it is told and tells.

It takes records that are plain and writes them as they go into a batch, thousands at a time. What is unusual about a
record it does not judge: it stops there, and the record is looked at by itself. Every layout here is also in the
kernel's own files.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from ctypes import POINTER, Structure, byref, c_bool, c_char_p, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any

from msgspec import Struct

LIBRARY = Path(__file__).with_name("libkernel.so")
ROOM = 1 << 20  # bytes written by one call at most; a record that needs more is looked at by itself
ALL = 1 << 40  # records: as many as there are
MOST_PLACES = 8192  # records of one call whose places are told


class Mode(IntEnum):
    SCAN = 0  # find where the records end
    ENCODE = 1  # write them
    CHECK = 2  # as ENCODE, but write only their ids
    JOIN = 3  # as CHECK, but write the rows of those that were refused


class Stop(IntEnum):
    MORE = 0  # the next record is not all there
    FULL = 1  # no room for the next record, or as many as were asked for
    CAREFUL = 2  # the next record needs a closer look
    BROKEN = 3  # CSV: text follows a closing quote in the next record
    CLOSED = 4  # the end of the JSON array


class Text(Structure):
    _fields_ = (("ptr", c_char_p), ("len", c_size_t))

    @classmethod
    def of(cls, data: bytes) -> Text:
        return cls(data, len(data))


class Place(Structure):
    """Where a record is. `line`: line ends passed before it; `is_plain`: harmless where it is echoed as it is."""

    _fields_ = (("start", c_size_t), ("end", c_size_t), ("line", c_size_t), ("is_plain", c_bool))


class Hash(Structure):
    """What stands for an id."""

    _fields_ = (("one", c_uint64), ("two", c_uint64))


HASH_BYTES = ctypes.sizeof(Hash)


class Op(Structure):
    _fields_ = (("kind", c_uint32), ("column", c_uint32), ("key", Text), ("empty", Text))


class Wanted(Structure):
    _fields_ = (("need", c_uint32), ("path", Text))


class Renamed(Structure):
    _fields_ = (("was", Text), ("now", Text))


class CsvSpec(Structure):
    _fields_ = (
        ("delimiter", c_uint8),
        ("quote", c_uint8),
        ("separator", c_uint8),
        ("quote_all", c_bool),
        ("target", c_uint32),
        ("columns", c_uint32),
        ("ops", POINTER(Op)),
        ("op_count", c_size_t),
        ("required", POINTER(c_uint32)),
        ("required_count", c_size_t),
        ("ids", POINTER(c_uint32)),
        ("id_count", c_size_t),
        ("id_joiner", Text),
        ("forbidden", Text),
        ("longest", c_size_t),
        ("all_careful", c_bool),
    )


class JsonSpec(Structure):
    _fields_ = (
        ("is_array", c_bool),
        ("separator", c_uint8),
        ("deepest", c_uint32),
        ("wanted", POINTER(Wanted)),
        ("wanted_count", c_size_t),
        ("renamed", POINTER(Renamed)),
        ("renamed_count", c_size_t),
        ("id_joiner", Text),
        ("forbidden", Text),
        ("longest", c_size_t),
    )


class _Call(Structure):
    _fields_ = (
        ("mode", c_uint32),
        ("data", c_char_p),
        ("len", c_size_t),
        ("room", POINTER(ctypes.c_char)),
        ("size", c_size_t),
        ("most", c_size_t),
        ("places", POINTER(Place)),
        ("hashes", POINTER(Hash)),
        ("key", c_uint8 * 16),
        ("join", c_void_p),
    )


class _Run(Structure):
    _fields_ = (
        ("at", c_size_t),
        ("end", c_size_t),
        ("after", c_size_t),
        ("records", c_size_t),
        ("lines", c_size_t),
        ("written", c_size_t),
        ("stop", c_uint32),
    )


class Run(Struct, frozen=True):
    """What one call did. All records before `at` are done; the next one ends at `end`, and one begins at `after`."""

    at: int
    end: int
    after: int
    records: int
    lines: int  # line ends passed
    stop: Stop
    written: memoryview  # of use until the next call


class Desk:
    """The room in which one walk's calls write."""

    def __init__(self) -> None:
        self._room: Any = None
        self.places: Any = None  # of the records of the last call
        self.key = b""  # under which ids are to be hashed, if they are
        self._hashes: Any = None
        self.join: Any = None  # what JOIN is told, and tells

    def lay(self, call: _Call) -> None:
        """Give a call room to write, and to tell places if it does."""
        if call.mode == Mode.SCAN:
            call.size = 0
            return
        if self._room is None:
            self._room, self.places = (ctypes.c_char * ROOM)(), (Place * MOST_PLACES)()
        call.room = self._room
        if self.key:
            self._hashes = self._hashes or (Hash * MOST_PLACES)()
            call.hashes, call.most = self._hashes, min(call.most, MOST_PLACES)
            call.key[:] = self.key
        if call.mode == Mode.JOIN:
            call.join, call.most = ctypes.addressof(self.join), min(call.most, MOST_PLACES)
        elif call.mode == Mode.CHECK:
            call.places, call.most = self.places, min(call.most, MOST_PLACES)

    def hashes(self, records: int) -> memoryview:
        """Of the ids of the records of the last call."""
        return memoryview(self._hashes).cast("B")[: records * HASH_BYTES]

    def written(self, size: int) -> memoryview:
        return memoryview(self._room).cast("B")[:size] if size else memoryview(b"")


class Kernel:
    """The loop for one format."""

    def __init__(self, spec: CsvSpec | JsonSpec) -> None:
        self._spec = spec
        self._function = getattr(library(), "batchdrop_csv" if isinstance(spec, CsvSpec) else "batchdrop_json")

    def run(self, mode: Mode, data: bytes, at: int, desk: Desk, size: int, most: int) -> Run:
        """Go through `data` from `at` on, writing at most `size` bytes and doing at most `most` records."""
        size = max(0, min(size, ROOM))  # a batch whose head alone is too big leaves less than none
        call = _Call(mode=mode, data=data, len=len(data), size=size, most=most)
        desk.lay(call)
        run = _Run(at)
        self._function(byref(self._spec), byref(call), byref(run))
        return Run(run.at, run.end, run.after, run.records, run.lines, Stop(run.stop), desk.written(run.written))


def c_array(kind: type[Any], items: Sequence[Any]) -> Any:
    """A C array of these."""
    return (kind * max(1, len(items)))(*items)


def utf8_prefix(data: bytes) -> int:
    """How much of the text is certainly UTF-8; all of it, unless something is wrong or cut off."""
    return int(library().batchdrop_utf8(data, c_size_t(len(data))))


@cache
def library() -> Any:
    """The kernel, loaded."""
    if not LIBRARY.exists():
        raise ImportError(f"{LIBRARY.name} is not built; run: make setup")
    loaded = ctypes.CDLL(str(LIBRARY))
    loaded.batchdrop_utf8.restype = c_size_t
    loaded.batchdrop_repeated.restype = c_size_t
    return loaded
