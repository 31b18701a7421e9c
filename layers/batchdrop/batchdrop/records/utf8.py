"""UTF-8 validity of a stream of blocks, with the place of the first fault."""

from __future__ import annotations

import codecs

from batchdrop.errors import DropRefused


class Utf8Check:
    """Feed it every block in order; raises `DropRefused("encoding")` at the first byte that is not UTF-8."""

    def __init__(self) -> None:
        self._held = b""
        self._offset = 0  # of the first byte held, or to come
        self._line = 1

    def feed(self, block: bytes) -> None:
        data = self._held + block if self._held else block
        if data.isascii():
            used = len(data)
        else:
            try:
                _, used = codecs.utf_8_decode(data, "strict", False)
            except UnicodeDecodeError as error:
                self._refuse(data, error.start)
        self._line += data.count(b"\n", 0, used)
        self._offset += used
        self._held = data[used:]

    def finish(self) -> None:
        if self._held:
            self._refuse(self._held, 0)

    def _refuse(self, data: bytes, at: int) -> None:
        line = self._line + data.count(b"\n", 0, at)
        offset = self._offset + at
        raise DropRefused(
            "encoding", f"byte {offset} (line {line}) is not UTF-8; save the file as UTF-8", line=line, offset=offset
        )
