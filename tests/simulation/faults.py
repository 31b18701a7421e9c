"""What can go wrong at a port call, and the plans that say where it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

READ = ("crash_before", "error_before", "delay")
WRITE = ("crash_before", "crash_after", "error_before", "error_after", "repeat", "delay", "zombie")
HTTP = (
    "crash_before",
    "crash_after",
    "refused",  # no connection: provably not sent
    "reset_before",  # no answer, and nothing was done
    "reset_after",  # no answer, and it was done
    "late",  # no answer, and it is done a minute from now
    "unreadable",  # done, and 200 with a page of HTML
    "limited",  # 429 with Retry-After
    "expired",  # 401
    "delay",
    "zombie",
)
INVOKE = ("not_started", "reply_lost", "twice")
KINDS: Mapping[str, tuple[str, ...]] = {"read": READ, "write": WRITE, "http": HTTP, "invoke": INVOKE}

# For pairs: kinds that differ in what they leave behind. (A crash before one call is a crash after the one before it.)
TELLING: Mapping[str, tuple[str, ...]] = {
    "read": (),
    "write": ("crash_after", "error_before", "error_after"),
    "http": ("crash_before", "crash_after", "reset_before", "reset_after", "late"),
    "invoke": ("reply_lost", "twice"),
}

# Still fewer, for pairs within the tests. (An error after a write leaves what a crash after it leaves, less the lease;
# a crash before a call, what the crash after the intent leaves.)
FEWEST: Mapping[str, tuple[str, ...]] = {
    "write": ("crash_after", "error_before"),
    "http": ("crash_after", "reset_before", "reset_after", "late"),
}

# For every run of the tests: without the kinds that another kind at a neighbouring call already stands for.
FEWER: Mapping[str, tuple[str, ...]] = {
    "read": ("error_before",),
    "write": ("crash_after", "error_before", "error_after", "repeat", "zombie"),
    "http": HTTP,
    "invoke": INVOKE,
}

Choice = tuple[int, str]


class Plan:
    """Faults at chosen calls: `(number of the call, kind)`."""

    def __init__(self, choices: Sequence[Choice] = ()) -> None:
        self._left = dict(choices)

    def fault(self, number: int, sort: str) -> str:
        kind = self._left.pop(number, "")
        return kind if kind in KINDS[sort] else ""


class RandomPlan(Plan):
    """So many faults at calls drawn from the first `calls`; what was chosen is in `chosen`, for a replay."""

    def __init__(self, rng: Random, faults: int, calls: int) -> None:
        super().__init__()
        self._rng = rng
        self._at = set(rng.sample(range(calls), min(faults, calls)))
        self.chosen: list[Choice] = []

    def fault(self, number: int, sort: str) -> str:
        if number not in self._at:
            return ""
        kind = self._rng.choice(KINDS[sort])
        self.chosen.append((number, kind))
        return kind


@dataclass(slots=True)
class Outage:
    """Nothing of a service answers for a while. `service` is the beginning of a call's name, e.g. `table`."""

    service: str
    begins: float
    ends: float


@dataclass(slots=True)
class Trace:
    """The port calls of a run, in order."""

    calls: list[tuple[str, str, str]] = field(default_factory=list)  # function, operation, sort

    def add(self, function: str, operation: str, sort: str) -> int:
        self.calls.append((function, operation, sort))
        return len(self.calls) - 1
