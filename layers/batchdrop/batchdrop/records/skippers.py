"""Finding the end of a record too big to be held, piece by piece."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Protocol


class Broken(Exception):
    """The record is one that nobody can read: where it ends is not to be told."""


class Skipper(Protocol):
    @property
    def is_open(self) -> bool:
        """Whether what was passed last cannot be a record's end, even at that of the file."""

    def skip(self, data: bytes) -> int:
        """Where the next record begins in this piece, -1 if not in it. Raises `Broken` where the kernel stops so."""


class LineSkipper:
    """A line of NDJSON."""

    is_open = False

    def skip(self, data: bytes) -> int:
        end = data.find(b"\n")
        return end + 1 if end >= 0 else -1


class _At(Enum):
    """Where in a row."""

    CELL = auto()  # a cell begins: only a quote here opens any
    BARE = auto()
    QUOTED = auto()
    CLOSED = auto()  # behind a quote that closes, or is the first of two that are one character
    RETURN = auto()  # behind a carriage return after it


class RowSkipper:
    """A CSV row: the first line break that is not within quotes ends it. No text may follow a closing quote."""

    def __init__(self, quote: bytes, delimiter: bytes) -> None:
        self._quote, self._delimiter = quote, delimiter
        # The row's end, or a delimiter before a quote: other bare cells are passed in one go.
        self._ends = re.compile(rb"\n|%b(?=%b|\Z)" % (re.escape(delimiter), re.escape(quote)))
        self._at = _At.CELL

    @property
    def is_open(self) -> bool:
        return self._at is _At.QUOTED

    def skip(self, data: bytes) -> int:
        place = self._next(data, 0)
        while place >= 0:
            mark = data[place : place + 1]
            if mark == b"\n" and self._at is not _At.QUOTED:
                return place + 1
            self._at = self._after(mark)
            place = self._next(data, place + 1)
        return -1

    def _next(self, data: bytes, place: int) -> int:
        """The next byte that tells anything, -1 if none does."""
        if self._at is _At.QUOTED:
            return data.find(self._quote, place)
        if place == len(data):
            return -1
        if self._at is _At.CELL and not data.startswith(self._quote, place):
            self._at = _At.BARE
        if self._at is _At.BARE:
            end = self._ends.search(data, place)
            return end.start() if end else -1
        return place

    def _after(self, mark: bytes) -> _At:
        """Where that byte, which does not end the row, leads."""
        if self._at is _At.QUOTED:
            return _At.CLOSED
        if self._at is not _At.RETURN:
            if mark == self._quote:
                return _At.QUOTED
            if mark == self._delimiter:
                return _At.CELL
            if mark == b"\r":
                return _At.RETURN
        raise Broken


class ElementSkipper:
    """An element of a JSON array, by its strings and brackets."""

    is_open = False  # where the file ends, the array has none: that is told anyway
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
                self._read_text(at, mark)
            elif mark == b'"':
                self._in_text = True
            elif mark in b"{[":
                self._depth += 1
            elif self._depth == 0 and mark in b",]":
                return at + (mark == b",")
            elif mark in b"}]":
                if self._depth == 0:
                    raise Broken  # it closes nothing
                self._depth -= 1
        self._escaped_to = max(0, self._escaped_to - len(data))
        return -1

    def _read_text(self, at: int, mark: bytes) -> None:
        if mark == b"\\":
            self._escaped_to = at + 2
        elif mark == b'"':
            self._in_text = False
