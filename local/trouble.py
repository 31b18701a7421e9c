"""The one error the local programs raise on purpose."""

from __future__ import annotations


class Trouble(Exception):
    """Something the user can mend. The text says what is wrong and what to do; `code` is the exit status."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message)
        self.code = code
