"""Links to the files beside the page. None can leave the page's own folder or name a scheme."""

from __future__ import annotations

from urllib.parse import quote

from batchdrop.report.markup import Html, el, foreign


def link(path: str, words: Html | str | None = None) -> Html:
    """A link to a file below the page; plain text where the path would lead elsewhere."""
    shown = words or foreign(path, 200)
    if not path or ".." in path.split("/"):
        return el("span", shown)
    return el("a", shown, href="./" + quote(path.encode("utf-8", "replace")))
