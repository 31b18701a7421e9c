"""No link leads nowhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, REPO, anchors, prose

_LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    broken = [link for link in _LINK.findall(prose(page)) if not _leads_somewhere(page, link)]
    assert broken == []


def _leads_somewhere(page: Path, link: str) -> bool:
    if re.match(r"https?://", link):
        return True
    path, _, fragment = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    inside = target.is_relative_to(REPO) and target.exists()
    return inside and (not fragment or target.suffix != ".md" or fragment in anchors(target))


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen: set[Path] = set()
    waiting = [REPO / "README.md"]
    while waiting:
        page = waiting.pop()
        seen.add(page)
        links = (link.partition("#")[0] for link in _LINK.findall(prose(page)) if "://" not in link)
        waiting += [t for link in links if (t := (page.parent / link).resolve()) in PAGES and t not in seen]
    assert [page.name for page in PAGES if page not in seen] == []
