"""A multipart/form-data body that is streamed: its length is known beforehand, its files are never held in memory.

`requests` builds such bodies in memory, even from a file on disk.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import BinaryIO, cast

Open = Callable[[], BinaryIO]
Field = tuple[str, str]  # name, value
File = tuple[str, str, str, int, Open]  # name, file name, content type, size, how to open it


def multipart(fields: Sequence[Field], files: Sequence[File], *, seed: str = "") -> tuple[str, int, BinaryIO]:
    """(content type, length, body) of a form with these fields, then these files.

    The same arguments make the same bytes: the boundary is derived from them and from `seed`. Give the payload's
    SHA-256 as seed, and nobody can put the boundary into the payload. Each call makes a fresh body; a file is opened
    when its turn comes, and reading raises OSError where it is not of the size announced.
    """
    boundary = "batchdrop-" + sha256(repr((fields, [file[:4] for file in files], seed)).encode()).hexdigest()[:40]
    parts: list[tuple[int, Open]] = []
    for name, value in fields:
        parts.append(_held(f'--{boundary}\r\nContent-Disposition: form-data; name="{_quote(name)}"\r\n\r\n{value}\r\n'))
    for name, filename, content_type, size, open_file in files:
        disposition = f'form-data; name="{_quote(name)}"; filename="{_quote(filename)}"'
        head = f"--{boundary}\r\nContent-Disposition: {disposition}\r\nContent-Type: {content_type}\r\n\r\n"
        parts += [_held(head), (size, open_file), _held("\r\n")]
    parts.append(_held(f"--{boundary}--\r\n"))
    body = io.BufferedReader(_Chain(parts), 65_536)
    return f"multipart/form-data; boundary={boundary}", sum(size for size, _ in parts), body


def _held(text: str) -> tuple[int, Open]:
    data = text.encode()
    return len(data), lambda: io.BytesIO(data)


def _quote(name: str) -> str:
    """A name inside quotes, as browsers write it (WHATWG HTML, multipart/form-data encoding algorithm)."""
    return name.replace('"', "%22").replace("\r", "%0D").replace("\n", "%0A")


class _Chain(io.RawIOBase):
    """Several streams as one, each opened when the one before has ended, each checked for its size."""

    def __init__(self, parts: Sequence[tuple[int, Open]]) -> None:
        self._parts = iter(parts)
        self._current: BinaryIO = io.BytesIO()
        self._left = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        room = cast(memoryview, buffer)
        while True:
            block = self._current.read(len(room))
            if block:
                break
            if not self._next():
                return 0
        self._left -= len(block)
        if self._left < 0:
            raise OSError("a file of the form is longer than announced")
        room[: len(block)] = block
        return len(block)

    def close(self) -> None:
        self._current.close()
        super().close()

    def _next(self) -> bool:
        if self._left:
            raise OSError("a file of the form is shorter than announced")
        self._current.close()
        self._current = io.BytesIO()  # after the last part: reading on finds the end again
        part = next(self._parts, None)
        if part is not None:
            self._left, opened = part
            self._current = opened()
        return part is not None
