"""UTF-8 validity of a stream of blocks, with the place of the first fault."""

from __future__ import annotations

import codecs
from typing import NoReturn

from batchdrop.errors import DropRefused
from batchdrop.records.kernel import utf8_prefix

BOM = codecs.BOM_UTF8


class Utf8Check:
    """Feed it every block in order; raises `DropRefused("encoding")` at the first byte that is not UTF-8."""

    def __init__(self, offset: int = 0) -> None:
        self._held = b""
        self._offset = offset  # of the first byte held, or to come

    def feed(self, block: bytes) -> None:
        data = self._held + block if self._held else block
        used = utf8_prefix(data)
        if used < len(data):
            try:
                used += codecs.utf_8_decode(data[used:], "strict", False)[1]
            except UnicodeDecodeError as error:
                self._refuse(used + error.start)
        self._offset += used
        self._held = data[used:]

    def finish(self) -> None:
        if self._held:
            self._refuse(0)

    def _refuse(self, at: int) -> NoReturn:
        offset = self._offset + at
        raise DropRefused(
            "encoding",
            f"byte {offset} is not UTF-8; save the file as UTF-8, or name its encoding in input.encoding",
            offset=offset,
        )


class WasUtf8:
    """Whether a text that was converted from an encoding of one byte a character had been UTF-8 before, by its first
    block with accents. Text of such an encoding is never valid UTF-8 but by an odd chance."""

    def __init__(self, encoding: str) -> None:
        self._encoding = encoding
        self._held = b""  # of the stored bytes, the beginning of a character
        self.answer = False if encoding.startswith("utf") else None

    def feed(self, block: bytes) -> None:
        """The blocks of the converted text, in order."""
        if self.answer is not None or (block.isascii() and not self._held):
            return
        if block.startswith(BOM):  # it is UTF-8, and was not converted
            self.answer = False
            return
        try:
            stored = self._held + block.decode().encode(self._encoding)
            used = codecs.utf_8_decode(stored, "strict", False)[1]
        except UnicodeError:
            self.answer = False
            return
        self._held = stored[used:]
        if not stored[:used].isascii():
            self.answer = True
