"""Colours can be told apart, by the ratios of WCAG 2: 4.5 for text, 3 for what is drawn."""

from __future__ import annotations

import re

import pytest

from batchdrop.report.html import render
from tests.unit.report import samples

PAGE = render(samples.report()).decode()
THEMES = dict(zip(("light", "dark"), re.findall(r":root\{([^}]*)\}", PAGE), strict=False))
TEXTS = [
    ("ink", "bg"), ("ink", "card"), ("ink", "soft"), ("dim", "bg"), ("dim", "card"), ("link", "card"),
    ("good", "good-bg"), ("mixed", "mixed-bg"), ("bad", "bad-bg"),
]  # fmt: skip
AREAS = ("accepted", "invalid", "rejected", "unprocessed", "unconfirmed", "phase", "phase2", "wait")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_text_and_drawings_stand_out_from_what_is_behind_them(theme: str) -> None:
    colours = dict(re.findall(r"--([\w-]+):(#[0-9a-f]+)", THEMES[theme]))
    weak = [pair for pair in TEXTS if contrast(colours[pair[0]], colours[pair[1]]) < 4.5]
    weak += [(area, "card") for area in AREAS if contrast(colours[area], colours["card"]) < 3]
    assert weak == []


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    shares = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (s / 12.92 if s <= 0.03928 else float(((s + 0.055) / 1.055) ** 2.4) for s in shares)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
