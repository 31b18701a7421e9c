"""Finding where the elements of a JSON array end, by its structure alone."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from batchdrop.errors import DropRefused

_TOKEN = re.compile(rb'"(?:[^"\\]++|\\[\s\S])*+"|[{}\[\],"]')
_COMMA = re.compile(rb"[ \t\r\n]*+,")
_GUESSES = 8  # then the elements are walked; more would be quadratic in one huge nested record

_array = msgspec.json.Decoder(list[msgspec.Raw])


class ArrayCutter:
    """Finds the end of the last complete element in a buffer that begins at one.

    A comma after a `}` is only guessed to end an element; the prefix decodes as an array if and only if it does,
    since cut anywhere else it is unbalanced. When no guess holds, the elements are walked token by token.
    """

    def __init__(self) -> None:
        self.closed: int | None = None  # where the array's `]` was met
        self.raws: list[msgspec.Raw] | None = None  # the elements of the last cut, when a guess held

    def cut(self, data: bytes) -> int:
        """The end of the last element that is followed by a comma or by the end of the array, 0 if there is none."""
        end = self._guess(data)
        return end or self._walk(data)

    def _guess(self, data: bytes) -> int:
        self.raws = None
        brace = len(data)
        for _ in range(_GUESSES):
            brace = data.rfind(b"}", 0, brace)
            if brace < 0:
                return 0
            if comma := _COMMA.match(data, brace + 1):
                try:
                    self.raws = _array.decode(b"[%b]" % data[: brace + 1])
                except (msgspec.DecodeError, RecursionError):
                    continue
                return comma.end()
        return 0

    def _walk(self, data: bytes) -> int:
        end = 0
        for _, stop, closed in elements(data):
            if closed:
                self.closed = stop
                return stop
            end = stop + 1
        return end


def elements(data: bytes) -> Iterator[tuple[int, int, bool]]:
    """Start and end of each complete element, and whether the array is closed after it. Raises `DropRefused`."""
    start = depth = 0
    for token in _TOKEN.finditer(data):
        mark = data[token.start()]
        if mark in b"{[":
            depth += 1
        elif mark in b"}]":
            if depth == 0:
                if mark == ord("}"):
                    raise DropRefused("json", "a } closes nothing")
                yield start, token.start(), True
                return
            depth -= 1
        elif mark == ord(",") and depth == 0:
            yield start, token.start(), False
            start = token.end()
        elif mark == ord('"') and token.end() - token.start() == 1:
            return  # a string that goes on beyond the buffer


def find_array(head: bytes, key: str) -> int | None:
    """Where the elements of the array under a top-level key begin; None if `head` does not reach it."""
    depth = 0
    for token in _TOKEN.finditer(head):
        text = token.group()
        if depth == 1 and len(text) > 1 and (value := re.compile(rb"\s*:\s*").match(head, token.end())):
            if _decode_text(text) == key and value.end() < len(head):
                if head[value.end()] != ord("["):
                    raise DropRefused("format", f"'{key}' is not an array")
                return value.end() + 1
        elif text in b"{[":
            depth += 1
        elif text in b"}]":
            depth -= 1
            if depth == 0:
                raise DropRefused("format", f"the JSON object has no array under '{key}'")
    return None


def _decode_text(token: bytes) -> str | None:
    try:
        return msgspec.json.decode(token, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


class Skipper:
    """Finds the end of an element too big to hold, piece by piece."""

    _MARKS = re.compile(rb'[\\"{}\[\],]')

    def __init__(self) -> None:
        self._depth = 0
        self._in_text = False
        self._escaped_to = 0  # the byte before this place is escaped

    def skip(self, data: bytes) -> int:
        """Where the next element begins (or the array ends) in this piece, -1 if not in it."""
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
