"""A page taken apart by a parser that knows nothing of how it was made."""

from __future__ import annotations

from collections import defaultdict
from html.parser import HTMLParser

_VOID = {"meta", "br"}


class Parsed(HTMLParser):
    """`tags` in order, `numbers` by where they say they come from, `links`, and the text in reading order."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, dict[str, str | None]]] = []
        self.numbers: dict[str, list[tuple[str, str]]] = defaultdict(list)
        self.links: list[str] = []
        self.words: list[str] = []
        self.style = ""
        self._open: list[str] = []
        self._at: tuple[str, str] | None = None
        self.feed(page.decode())
        self.close()
        assert self._open == [], "an element was not closed"

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        self.attributes.append((tag, found))
        if tag not in _VOID:
            self._open.append(tag)
        if tag == "data":
            self._at = (found["data-at"] or "", found["value"] or "")
        if tag == "a":
            self.links.append(found["href"] or "")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        if tag == "data":
            self._at = None

    def handle_data(self, data: str) -> None:
        if self._open[-1:] == ["style"]:
            self.style += data
            return
        self.words.append(data)
        if self._at:
            self.numbers[self._at[0]].append((self._at[1], data))
