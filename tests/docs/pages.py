"""The documentation as the tests see it: pages, fenced blocks, links, and the commands in them."""

from __future__ import annotations

import re
import shlex
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPO = Path(__file__).parents[2]
PAGES = [REPO / "README.md", REPO / "CHANGELOG.md", *sorted((REPO / "docs").rglob("*.md"))]
SHELL = ("console", "sh", "bash")
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_HEREDOC = re.compile(r"<<'?(\w+)'?\n.*?^\1$", re.MULTILINE | re.DOTALL)
_INNER = re.compile(r"\$\(([^()]*)\)")
_REDIRECT = re.compile(r"\d?>{1,2}\s*\S+")


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page."""

    page: Path
    language: str
    text: str
    line: int

    def __str__(self) -> str:
        return f"{self.page.relative_to(REPO)}:{self.line}"


def blocks(*languages: str) -> list[Block]:
    """All blocks of these languages."""
    return [block for page in PAGES for block in blocks_of(page) if block.language in languages]


def blocks_of(page: Path) -> Iterator[Block]:
    text = page.read_text("utf-8")
    for found in _FENCE.finditer(text):
        yield Block(page, found[2], textwrap.dedent(found[3]), text.count("\n", 0, found.start()) + 1)


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    return _FENCE.sub("", page.read_text("utf-8"))


def commands(text: str) -> Iterator[list[str]]:
    """The commands of a shell block as words: those in `$(…)`, behind pipes and `&&` too. Comments are dropped."""
    plain = _HEREDOC.sub("", text).replace("\\\n", " ")
    for line in plain.splitlines():
        for part in [*_INNER.findall(line), _INNER.sub("inner", line)]:
            yield from _simple(part)


def _simple(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(_REDIRECT.sub("", line), posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word and set(word) <= set("|&;<>"):
            if words:
                yield words
            words = []
        elif words or not re.fullmatch(r"\w+=.*", word):  # `name=value` before a command
            words.append(word)


def anchors(page: Path) -> set[str]:
    """The fragments that lead to a heading of this page, as GitHub makes them."""
    headings = re.findall(r"^#+ +(.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
