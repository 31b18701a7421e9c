"""Durations as people write them."""

from __future__ import annotations

import pytest

from batchdrop import duration
from batchdrop.duration import seconds


@pytest.mark.parametrize(
    ("text", "value"),
    [("30s", 30), ("15m", 900), ("24h", 86400), ("7d", 604800), ("1h30m", 5400), ("1.5h", 5400), (" 2 M ", 120),
     (45, 45), (0, 0), (0.5, 0.5), ("0s", 0)],
)  # fmt: skip
def test_a_duration_is_read(text: object, value: float) -> None:
    assert seconds(text) == value


@pytest.mark.parametrize(
    "text", ["", "s", ".5s", "soon", "30", "30 seconds", "-5s", "1h-5m", "5w", "1e3s", None, True, [], "٣s"]
)
def test_anything_else_is_refused_with_an_example(text: object) -> None:
    with pytest.raises(ValueError, match="write it like"):
        seconds(text)


@pytest.mark.parametrize("text", ["30d", "24h", "90m", "61s", "0.5s", "0s"])
def test_a_duration_is_written_as_it_is_read(text: str) -> None:
    assert duration.text(seconds(text)) == ("1d" if text == "24h" else text)
