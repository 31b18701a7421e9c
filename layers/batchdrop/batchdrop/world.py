"""Everything the use cases need from outside, in one place. `wiring.py` makes the real one, the simulation its own."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct

from batchdrop.ledger import Ledger
from batchdrop.ports import Clock, Events, Http, Log, Metrics, Objects, Rng, Routes, Secrets, Workflow


class Settings(Struct, frozen=True):
    """What the deployment fixes. Times in seconds."""

    stack: str
    drop_bucket: str
    results_bucket: str
    notification_url: str = ""  # base of the callback URLs; empty: no callbacks
    allow_insecure: tuple[str, ...] = ()
    lease_margin: float = 60.0  # added to an invocation's own end: after that its worker is certainly dead
    reserve: float = 120.0  # seconds an invocation keeps back to finish what it has begun, at the most: `runs_short`
    quiet_period: float = 120.0
    sweep_age: float = 900.0  # an object or a job is left alone so long before the sweep looks at it
    overlap: bool = False  # package the next batch, in a thread of its own, while one is being uploaded


class World(Protocol):
    @property
    def settings(self) -> Settings: ...
    @property
    def ledger(self) -> Ledger: ...
    @property
    def objects(self) -> Objects: ...
    @property
    def routes(self) -> Routes: ...
    @property
    def secrets(self) -> Secrets: ...
    @property
    def workflow(self) -> Workflow: ...
    @property
    def http(self) -> Http: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def rng(self) -> Rng: ...
    @property
    def events(self) -> Events: ...
    @property
    def metrics(self) -> Metrics: ...
    @property
    def log(self) -> Log: ...


class OutOfTime(Exception):
    """This invocation is about to end: go on in the next."""


MOST_KEPT_BACK = 0.4  # of an invocation's whole time: one that kept back more would be left with too little to begin


class Invocation(Protocol):
    """The one call of a function in which all this happens."""

    @property
    def whole(self) -> float:
        """The seconds it had when it began."""

    @property
    def owner(self) -> str:
        """Unique per invocation: the name under which it holds a job's lease."""

    def time_left(self) -> float:
        """Seconds until the platform ends it."""


def runs_short(settings: Settings, invocation: Invocation, part: float = 1.0) -> bool:
    """Whether an invocation has come to what it keeps back, or to this part of it: it should begin nothing more."""
    kept_back = min(settings.reserve, invocation.whole * MOST_KEPT_BACK)
    return invocation.time_left() < kept_back * part
