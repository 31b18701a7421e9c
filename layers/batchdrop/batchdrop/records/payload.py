"""The bytes of one batch: in memory while small, in a temporary file above that."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Callable
from typing import BinaryIO, cast

from batchdrop.records.spec import OutputFormat


class Payload:
    """A finished batch. `open` can be called again and again; `close` frees the memory or the file."""

    def __init__(self, size: int, sha256: str, data: bytearray | None, file: BinaryIO | None) -> None:
        self.size, self.sha256 = size, sha256
        self._data, self._file = data, file

    def open(self) -> BinaryIO:
        """A fresh seekable stream of the bytes."""
        return cast(BinaryIO, io.BufferedReader(_Window(self._read_into, self.size)))

    def close(self) -> None:
        self._data = None
        if self._file:
            self._file.close()

    __del__ = close  # a batch that is never sent must not leave its file open

    def _read_into(self, buffer: memoryview, at: int) -> int:
        data: bytes | memoryview
        if self._data is not None:
            data = memoryview(self._data)[at : at + len(buffer)]
        elif self._file is not None:
            data = os.pread(self._file.fileno(), len(buffer), at)
        else:
            raise ValueError("the payload is closed")
        buffer[: len(data)] = data
        return len(data)


class PayloadBuilder:
    """Collects encoded records into a payload of the wanted format."""

    def __init__(self, format_: OutputFormat, head: bytes, spool_bytes: int) -> None:
        self._array = format_ == "json_array"
        self._spool_bytes = spool_bytes
        self._data: bytearray | None = bytearray()
        self._file: BinaryIO | None = None
        self._digest = hashlib.sha256()
        self.size = 0
        self._write(b"[" if self._array else head)

    def add(self, body: bytes | memoryview) -> None:
        """`body` is one or more records, each with what ends it: a comma for an array, else a line feed."""
        if self._array:
            if self.size > 1:
                self._write(b",")
            body = body[:-1]
        self._write(body)

    def finish(self) -> Payload:
        if self._array:
            self._write(b"]")
        if self._file:
            self._file.flush()  # it is read by its number
        return Payload(self.size, self._digest.hexdigest(), self._data, self._file)

    def _write(self, data: bytes | memoryview) -> None:
        self._digest.update(data)
        self.size += len(data)
        if self._data is not None and self.size > self._spool_bytes:
            self._file = cast(BinaryIO, tempfile.TemporaryFile())  # noqa: SIM115 - closed by the payload
            self._file.write(self._data)
            self._data = None
        if self._file:
            self._file.write(data)
        elif self._data is not None:
            self._data += data


class _Window(io.RawIOBase):
    """Bytes that can be read at any place, as a stream."""

    def __init__(self, read_into: Callable[[memoryview, int], int], size: int) -> None:
        self._read_into, self._size, self._at = read_into, size, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(0, base + offset)
        return self._at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        count = self._read_into(memoryview(buffer), self._at)
        self._at += count
        return count
