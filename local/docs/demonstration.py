"""What `make demo` ends with, as far as it is the same every time."""

from __future__ import annotations

from local.demo import CASES
from local.docs.markdown import table

_OUTCOMES = ("accepted", "rejected", "invalid", "unconfirmed")


def demo() -> str:
    """The demo's drops and how they end."""
    rows = (
        (
            *(case.file, f"`{case.route}`", case.destination, f"{case.counts.records:,}"),
            *(f"{getattr(case.counts, name):,}" for name in _OUTCOMES),
            f"`{case.outcome}`",
        )
        for case in CASES
    )
    return table(("drop", "route", "destination", "records", *_OUTCOMES, "outcome"), rows)
