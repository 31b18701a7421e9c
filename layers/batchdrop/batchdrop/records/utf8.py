"""UTF-8 validity of a stream of blocks, with the place of the first fault."""

from __future__ import annotations

import codecs
from contextlib import suppress
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


def was_utf8(text: bytes, encoding: str) -> bool:
    """Whether a text that was converted from an encoding of one byte a character, had been UTF-8 with accents before.

    Text of such an encoding is never valid UTF-8 but by an odd chance.
    """
    if encoding.startswith("utf") or text.startswith(BOM):
        return False
    with suppress(UnicodeError):  # it has characters of its encoding, or those are no UTF-8
        stored = text.decode().encode(encoding)
        codecs.utf_8_decode(stored, "strict", False)  # it may end within a character
        return not stored.isascii()
    return False
