"""Durations as people write them in a route: `30s`, `15m`, `24h`, `7d`, `1h30m`."""

from __future__ import annotations

import re

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_TEXT = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?[smhd])+")
# The same as a JSON Schema has it, before spaces are taken out and letters made small.
PATTERN = r"(?: *[0-9][0-9 ]*(?:\. *[0-9][0-9 ]*)?[smhdSMHD])+ *"
_PART = re.compile(r"([0-9]+(?:\.[0-9]+)?)([smhd])")


def seconds(value: object) -> float:
    """`"1h30m"` → 5400.0; a bare number is seconds. Raises ValueError with an example of what is right."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    text = str(value).replace(" ", "").lower()
    if not _TEXT.fullmatch(text):
        raise ValueError('not a duration: write it like "30s", "15m", "24h" or "7d"')
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))


def text(seconds: float) -> str:
    """Seconds as one writes them in a route, in the largest unit that makes them whole: `30d`, `90m`, `0s`."""
    unit, length = next(((u, n) for u, n in reversed(_UNITS.items()) if seconds and not seconds % n), ("s", 1))
    return f"{seconds / length:g}{unit}"
