"""Where a look puts what it cannot hold in memory, or needs to go on in another invocation."""

from __future__ import annotations

import os
import tempfile
from typing import IO, Protocol


class ScratchGone(Exception):
    """What was put there is no longer there: the look has to begin again."""


class Scratch(Protocol):
    """Pieces by name. A name is never used twice."""

    def put(self, name: str, data: bytes | bytearray) -> None: ...

    def read(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        """The bytes `start..end` of a piece (None: to its end); `ScratchGone` where there is none."""

    def drop(self, name: str) -> None: ...


class LocalScratch:
    """Temporary files, for a look that is done in one go."""

    def __init__(self) -> None:
        self._files: dict[str, IO[bytes]] = {}

    def put(self, name: str, data: bytes | bytearray) -> None:
        self._files[name] = file = tempfile.TemporaryFile()  # noqa: SIM115 - closed when it is dropped
        file.write(data)
        file.flush()  # it is read by its number

    def read(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        if name not in self._files:
            raise ScratchGone(name)
        number = self._files[name].fileno()
        return os.pread(number, (os.fstat(number).st_size if end is None else end) - start, start)

    def drop(self, name: str) -> None:
        if name in self._files:
            self._files.pop(name).close()

    def __del__(self) -> None:
        for name in [*self._files]:  # a look that failed drops nothing
            self.drop(name)
