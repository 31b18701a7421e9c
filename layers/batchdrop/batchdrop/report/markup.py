"""Building HTML. The one place where text is escaped: whatever is not `Html` already is made harmless here."""

from __future__ import annotations

import re
from html import escape

_VOID = {"br", "meta"}

# Characters that would reorder, hide or break the text around them, or cannot be written as UTF-8: shown by name.
UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff"
    "\U000e0000-\U000e007f]"
)
_LINE_SIGNS = {"\n": "↵", "\t": "⇥"}
# A pile of combining marks is drawn over the lines around it; no script needs more than a few.
_MARK = "[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]"
_PILE = re.compile(f"({_MARK}{{3}}){_MARK}+")


class Html(str):
    """Text that is markup already."""

    __slots__ = ()


def visible(text: str, limit: int = 500) -> str:
    """The text as it can be shown safely: clipped, and with control characters and the like made visible."""
    shown = _PILE.sub(r"\1", UNSEEN.sub(_name, text[:limit]))
    return shown if len(text) <= limit else f"{shown}… (clipped: {len(text):,} characters)"


def _name(match: re.Match[str]) -> str:
    return _LINE_SIGNS.get(match.group()) or f"⟨U+{ord(match.group()):04X}⟩"


def join(*children: object) -> Html:
    """The children one after the other; any that is not `Html` is escaped, None is left out."""
    return Html("".join(_safe(child) for child in children if child is not None))


def _safe(child: object) -> str:
    return child if isinstance(child, Html) else escape(visible(str(child), 20_000), quote=True)


def el(name: str, /, *children: object, **attributes: object) -> Html:
    """An element. `class_` and `data_at` become `class` and `data-at`; an attribute of None is left out."""
    head = "".join(_attribute(key, value) for key, value in attributes.items() if value is not None)
    if name in _VOID:
        return Html(f"<{name}{head}>")
    return Html(f"<{name}{head}>{join(*children)}</{name}>")


def _attribute(key: str, value: object) -> str:
    return f' {key.rstrip("_").replace("_", "-")}="{escape(visible(str(value), 20_000), quote=True)}"'


def foreign(text: str, limit: int = 500) -> Html:
    """Text from a file, a user or a vendor: clipped, and kept from reordering what stands beside it."""
    return el("bdi", visible(text, limit))


def code_spans(text: str) -> Html:
    """A sentence of ours in which commands stand in `backticks`."""
    parts = visible(text, 2_000).split("`")
    return join(*(el("code", part) if index % 2 else part for index, part in enumerate(parts)))


def number(value: int, at: str) -> Html:
    """A number of the report; `at` names where in the document it stands, so that anybody can compare."""
    return el("data", f"{value:,}", value=value, data_at=at)


def name_number(value: int, at: str) -> Html:
    """A number that names something, such as a line of the file: written so that a search for it finds it."""
    return el("data", f"{value}", value=value, data_at=at)
