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
    """A CSV row: the first line break that is not within quotes ends it. Only a quote that begins a cell opens any."""

    def __init__(self, quote: bytes, delimiter: bytes) -> None:
        self._quote, self._delimiter = quote, delimiter
        self._marks = re.compile(b"[\n%b]" % re.escape(quote + delimiter))
        self._in_quotes = False
        self._opens_at = 0  # a quote here opens; so does one right behind a closing one, as the two are one character

    def skip(self, data: bytes) -> int:
        for match in self._marks.finditer(data):
            at, mark = match.start(), match.group()
            if mark == self._quote:
                if self._in_quotes:
                    self._in_quotes, self._opens_at = False, at + 1
                else:
                    self._in_quotes = at == self._opens_at
            elif not self._in_quotes and mark == self._delimiter:
                self._opens_at = at + 1
            elif not self._in_quotes:
                return at + 1
        self._opens_at -= len(data)
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
