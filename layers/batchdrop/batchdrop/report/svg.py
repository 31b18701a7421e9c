"""The drawings all pages share: bars of shares, swatches, and patterns that tell areas apart without colour."""

from __future__ import annotations

from collections.abc import Sequence

from batchdrop.report.markup import Html, el, join

# What lies over the colour of an area; areas not named here are plain.
_PATTERNS = {
    "invalid": el("path", d="M0 8 8 0", class_="hatch"),
    "rejected": el("path", d="M0 8 8 0M0 0 8 8", class_="hatch"),
    "unprocessed": el("circle", cx=4, cy=4, r=1.6, class_="dots"),
    "unconfirmed": el("path", d="M0 4H8", class_="hatch"),
    "packaging": el("path", d="M0 8 8 0", class_="hatch"),
    "collection": el("circle", cx=4, cy=4, r=1.6, class_="dots"),
    "mixed": el("path", d="M0 8 8 0", class_="hatch"),
    "bad": el("path", d="M0 8 8 0M0 0 8 8", class_="hatch"),
    "open": el("circle", cx=4, cy=4, r=1.6, class_="dots"),
}


def patterns() -> Html:
    """The definitions that `area` refers to; once on a page."""
    shapes = [
        el("pattern", shape, id=f"p-{name}", width=8, height=8, patternUnits="userSpaceOnUse")
        for name, shape in _PATTERNS.items()
    ]
    return el("svg", el("defs", *shapes), width=0, height=0, aria_hidden="true", focusable="false")


def area(name: str, x: str, y: float, width: str, height: str, note: str | None = None) -> Html:
    """A rectangle in the colour and the pattern of `name`; `note` shows when pointed at."""
    place = {"x": x, "y": y, "width": width, "height": height}
    over = el("rect", **place, fill=f"url(#p-{name})") if name in _PATTERNS else None
    return el("g", el("title", note) if note else None, el("rect", **place, class_=name), over)


def percent(value: float) -> str:
    return f"{round(100 * value, 3):g}%"


def swatch(name: str) -> Html:
    return el("svg", area(name, "0", 0, "100%", "100%"), class_="swatch", aria_hidden="true")


def shares_bar(parts: Sequence[tuple[str, int]], described: str) -> Html:
    """One bar divided as the numbers are; a part that is not zero is never too thin to see."""
    total = sum(count for _, count in parts)
    shown = [(name, count, max(count / total, 0.006)) for name, count in parts if count] if total else []
    scale = sum(width for _, _, width in shown) or 1
    areas, x = [], 0.0
    for name, count, width in shown:
        areas.append(area(name, percent(x / scale), 0, percent(width / scale), "100%", f"{count:,} {name}"))
        x += width
    track = el("rect", width="100%", height="100%", class_="track")
    return el("svg", track, *areas, role="img", aria_label=described, class_="bar")


def mini_bar(name: str, part: int, whole: int) -> Html:
    """A thin bar beside a number that says the same."""
    width = percent(max(part / whole, 0.01) if whole and part else 0)
    track = el("rect", width="100%", height="100%", class_="track")
    return el("svg", track, area(name, "0", 0, width, "100%"), class_="mini", aria_hidden="true")


def legend(entries: Sequence[tuple[str, str]]) -> Html:
    """What each area means; it repeats no number, so it may be hidden from nobody."""
    return el("ul", *(el("li", swatch(name), words) for name, words in entries), class_="legend")


def text_at(x: str, y: float, words: str, anchor: str = "middle") -> Html:
    return el("text", join(words), x=x, y=y, text_anchor=anchor)
