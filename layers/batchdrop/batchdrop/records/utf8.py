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
