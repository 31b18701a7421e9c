"""Where the bytes of a drop come from."""

from __future__ import annotations

import io
from pathlib import Path
from typing import BinaryIO, Protocol, cast


class Source(Protocol):
    """A file that can be opened at any byte. `name` is its key or file name, `size` its stored size."""

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> int: ...

    def open(self, start: int = 0, end: int | None = None) -> BinaryIO:
        """A stream of the bytes `start..end` (end exclusive; None: to the end). Need not be seekable."""


class FileSource:
    """A local file."""

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def size(self) -> int:
        return self.path.stat().st_size

    def open(self, start: int = 0, end: int | None = None) -> BinaryIO:
        stream = self.path.open("rb", buffering=0)
        stream.seek(start)
        return stream if end is None else cast(BinaryIO, _Limited(stream, end - start))


class BytesSource:
    """Bytes in memory."""

    def __init__(self, name: str, data: bytes) -> None:
        self._name, self._data = name, data

    @property
    def name(self) -> str:
        return self._name

    @property
    def size(self) -> int:
        return len(self._data)

    def open(self, start: int = 0, end: int | None = None) -> BinaryIO:
        return io.BytesIO(self._data[start:end])


class _Limited(io.RawIOBase):
    """The first `limit` bytes of a stream."""

    def __init__(self, stream: io.RawIOBase, limit: int) -> None:
        self._stream, self._left = stream, limit

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._stream.read(wanted) or b""
        self._left -= len(data)
        return data

    def close(self) -> None:
        self._stream.close()
        super().close()
