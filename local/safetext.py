"""Text of other people's, such as names of files and words of vendors, made safe to print.

A terminal obeys control characters, and reorders text at direction marks. They are shown as on the report's page.
"""

from __future__ import annotations

import json

from batchdrop.report.markup import UNSEEN


def printable(text: str) -> str:
    """The text, lines and tabs kept, with what a terminal would obey written out, such as `⟨U+001B⟩`."""
    return UNSEEN.sub(lambda found: found[0] if found[0] in "\n\t" else f"⟨U+{ord(found[0]):04X}⟩", text)


def one_line(text: str) -> str:
    """The same, without line breaks: white space of any kind becomes one space."""
    return printable(" ".join(text.split()))


def in_json(text: str) -> str:
    """JSON whose strings hold no such character as it is, but its escape; the values stay the same."""
    return UNSEEN.sub(lambda found: found[0] if found[0] in "\n\t" else json.dumps(found[0])[1:-1], text)
