"""Finding the end of a record too big to be held, piece by piece."""

from __future__ import annotations

import re
from typing import Protocol


class Skipper(Protocol):
    def skip(self, data: bytes) -> int:
        """Where the next record begins in this piece, -1 if not in it."""


class LineSkipper:
    """A line of NDJSON."""

    def skip(self, data: bytes) -> int:
        end = data.find(b"\n")
        return end + 1 if end >= 0 else -1


class RowSkipper:
    """A CSV row: a line break ends it where the quotes before it are even."""

    def __init__(self, quote: bytes) -> None:
        self._quote, self._odd = quote, 0

    def skip(self, data: bytes) -> int:
        at = 0
        while (end := data.find(b"\n", at) + 1) > 0:
            self._odd ^= data.count(self._quote, at, end) & 1
            if not self._odd:
                return end
            at = end
        self._odd ^= data.count(self._quote, at) & 1
        return -1


class ElementSkipper:
    """An element of a JSON array, by its strings and brackets."""

    _MARKS = re.compile(rb'[\\"{}\[\],]')

    def __init__(self) -> None:
        self._depth = 0
        self._in_text = False
        self._escaped_to = 0  # the byte before this place is escaped

    def skip(self, data: bytes) -> int:
        """Where the next element begins, or the array's end is."""
        for match in self._MARKS.finditer(data):
            at, mark = match.start(), match.group()
            if at < self._escaped_to:
                continue
            if self._in_text:
                if mark == b"\\":
                    self._escaped_to = at + 2
                elif mark == b'"':
                    self._in_text = False
            elif mark == b'"':
                self._in_text = True
            elif mark in b"{[":
                self._depth += 1
            elif self._depth == 0 and mark in b",]":
                return at + (mark == b",")
            elif mark in b"}]":
                self._depth -= 1
        self._escaped_to = max(0, self._escaped_to - len(data))
        return -1
