"""Clocks for the simulators: the real one, and one that a test moves."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch."""


class RealClock:
    def now(self) -> float:
        return time.time()


class ManualClock:
    """Stands still until `advance`; starts at the real time unless told otherwise."""

    def __init__(self, start: float | None = None) -> None:
        self._now = time.time() if start is None else start

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        self._now += seconds


def stage(elapsed: float, seconds: float, last: int) -> int:
    """Which of the stages 0..last is reached when each lasts so many seconds."""
    return last if seconds <= 0 else min(int(elapsed / seconds), last)
