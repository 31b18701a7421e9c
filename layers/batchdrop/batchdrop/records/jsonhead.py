"""Finding the array in a JSON object, from the object's first bytes."""

from __future__ import annotations

import re

import msgspec

from batchdrop.errors import DropRefused

_TOKEN = re.compile(rb'"(?:[^"\\]++|\\[\s\S])*+"|[{}\[\],"]')


def find_array(head: bytes, key: str) -> int | None:
    """Where the elements of the array under a top-level key begin; None if `head` does not reach it."""
    depth = 0
    for token in _TOKEN.finditer(head):
        text = token.group()
        if text == b'"':
            return None  # the head ends within this string: what is in it tells nothing
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
