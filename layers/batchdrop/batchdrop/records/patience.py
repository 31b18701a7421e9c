"""When the time of a look is up."""

from __future__ import annotations

from collections.abc import Callable


def has_time(check: Callable[[], None]) -> bool:
    """Whether `check` lets go on: for what is better done in part than not at all."""
    try:
        check()
    except Exception:  # noqa: BLE001 - the caller's own kind of it
        return False
    return True


class Patience:
    """Call it often: it calls `check`, which raises when time is up; but not before something has been got done.

    Else a look with little time in each of its goes would be put down where it was taken up, without end.
    """

    def __init__(self, check: Callable[[], None], moved: Callable[[], bool]) -> None:
        self._check, self._moved = check, moved
        self._is_over = False

    def __call__(self) -> None:
        self._is_over = self._is_over or self._moved()
        if self._is_over:
            self._check()

    def step(self) -> None:
        """Something was got done."""
        self._is_over = True
        self._check()
