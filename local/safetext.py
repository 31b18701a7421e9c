"""Text of other people's, such as names of files and words of vendors, made safe to print.

A terminal obeys control characters, and reorders text at direction marks.
"""

from __future__ import annotations

import re

# C0 but for line feed and tab, DEL and C1; marks of direction; half a character.
_UNSAFE = re.compile("[\\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str) -> str:
    """The text with what a terminal would obey written out, such as `\\x1b`."""
    return _UNSAFE.sub(lambda found: _written(found[0]), text)


def one_line(text: str) -> str:
    """The same, without line breaks: white space of any kind becomes one space."""
    return printable(" ".join(text.split()))


def in_json(text: str) -> str:
    """JSON whose strings hold no such character as it is, but its escape; the values stay the same."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _written(character: str) -> str:
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
