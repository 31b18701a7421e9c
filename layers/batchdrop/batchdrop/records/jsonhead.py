"""Finding the array in a JSON object, from the object's first bytes."""

from __future__ import annotations

import re

import msgspec

from batchdrop.errors import DropRefused

_TOKEN = re.compile(rb'"(?:[^"\\]++|\\[\s\S])*+"|[{}\[\]"]')
_COLON = re.compile(rb"\s*(:\s*)?")


class ArrayFinder:
    """Finds where the elements of the array under a top-level key begin, in a head that grows from call to call."""

    def __init__(self, key: str) -> None:
        self._key = key
        self._depth = 0
        self.at = 0  # what is before is done with

    def find(self, head: bytes) -> int | None:
        """None if the head does not reach it. Raises `DropRefused` where there is none."""
        for token in _TOKEN.finditer(head, self.at):
            mark = token.group()
            if mark in b"{[":
                self._depth += 1
            elif mark in b"}]":
                self._depth -= 1
                if self._depth == 0:
                    raise DropRefused("format", f"the JSON object has no array under '{self._key}'")
            elif mark == b'"':
                return None  # the head ends within this string: what is in it tells nothing
            elif self._depth == 1 and (colon := _COLON.match(head, token.end())):
                if colon.end() == len(head):
                    return None  # whether it is a key, or what its value is, is yet to come
                if colon.group(1) and decode_text(mark) == self._key:
                    return self._begun(head, colon.end())
            self.at = token.end()
        return None

    def _begun(self, head: bytes, value: int) -> int:
        if head[value] != ord("["):
            raise DropRefused("format", f"'{self._key}' is not an array")
        return value + 1


def decode_text(token: bytes) -> str | None:
    """The text that stands in quotes; None where it is none."""
    try:
        return msgspec.json.decode(token, type=str)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
