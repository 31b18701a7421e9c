"""A whole job in one process: the library's own submit, poll and finish, with the real HTTP client, on a vendor's
simulator. Only the stores are in memory, and the clock is moved by hand."""

from __future__ import annotations

import io
import json
import math
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from batchdrop.arrive import arrive, resume
from batchdrop.drop import Drop, job_id
from batchdrop.finish import finish
from batchdrop.http import Client
from batchdrop.job import Batch, Job
from batchdrop.ledger import Ledger
from batchdrop.poll import what_next
from batchdrop.ports import ObjectRef
from batchdrop.route import Route, read_route
from batchdrop.session import open_session
from batchdrop.world import Settings
from local.simulators.clock import ManualClock
from local.simulators.mediarithmics import MediarithmicsSimulator
from local.simulators.server import Simulator
from tests.simulation.memory import MemoryObjects, MemoryTable

LOOPBACK = ("127.0.0.1:*", "127.0.0.1", "localhost")


class Rng:
    """No chance in it."""

    def __init__(self) -> None:
        self.count = 0

    def token(self) -> str:
        self.count += 1
        return f"00000000-0000-4000-8000-{self.count:012d}"

    def uniform(self, low: float, high: float) -> float:
        return high


@dataclass
class Recorder:
    """Events, metrics and log, kept for assertions."""

    events: list[Mapping[str, object]] = field(default_factory=list)
    counted: dict[str, int] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def publish(self, kind: str, detail: Mapping[str, object]) -> None:
        self.events.append({"kind": kind, **detail})

    def count(self, name: str, value: int = 1) -> None:
        self.counted[name] = self.counted.get(name, 0) + value

    def info(self, message: str, **fields: object) -> None:
        self.lines.append(f"{message} {fields}")

    warning = info
    exception = info

    # the supervisor is the test itself
    def start(self, name: str, job_id: str) -> None: ...

    def wake(self, token: str) -> bool:
        return True

    def is_running(self, name: str) -> bool:
        return True


@dataclass
class Call:
    """One invocation of a function."""

    owner: str
    asks: int | None = None  # how often it finds that there is time
    whole: float = 900.0

    def time_left(self) -> float:
        if self.asks is None:
            return 900.0
        self.asks -= 1
        return 900.0 if self.asks >= 0 else 10.0


class Desk:
    """One stack with one route to one simulator."""

    def __init__(self, simulator: Simulator[Any], clock: ManualClock, raw: Mapping[str, Any], secret: Any) -> None:
        self.simulator, self.clock = simulator, clock
        self.raw: dict[str, Any] = json.loads(json.dumps(raw))
        self.secret: dict[str, str] = dict(secret)
        self.settings = Settings("test", "drops", "results", allow_insecure=LOOPBACK, quiet_period=60.0)
        self.table = MemoryTable(clock.now, lambda: 0.0)
        self.ledger = Ledger(self.table, clock)
        self.objects = MemoryObjects(clock.now)
        self.http = Client(allow_insecure=LOOPBACK, remaining=lambda: math.inf, now=clock.now)
        self.rng = Rng()
        self.metrics = self.events = self.log = self.workflow = Recorder()
        self.routes = self.secrets = self
        self.asks: int | None = None  # of the time, after which each invocation must stop
        self._owners = 0

    def get(self, name: str, *, fresh: bool = False) -> Any:
        """The route by its name `r`, or the secret by any other."""
        return self.raw if name == "r" else self.secret

    @property
    def route(self) -> Route:
        return read_route("r", self.raw, LOOPBACK)

    def invocation(self) -> Call:
        self._owners += 1
        return Call(f"owner-{self._owners}", self.asks)

    # --- what a user does ---

    def drop(self, files: Mapping[str, bytes], *, ready: bytes | None = b"", folder: str = "set") -> str:
        """Put files; with `ready` they are a set closed by that marker. Returns the job's id."""
        place = "drops/r/" if ready is None else f"drops/r/{folder}/"
        for name, data in files.items():
            self.objects.put("drops", place + name, data)
        key = place + ("_READY" if ready is not None else next(iter(files)))
        if ready is not None:
            self.objects.put("drops", key, ready)
        version = self.objects.stored["drops", key][-1]
        drop = Drop("drops", key, version[0], len(version[1] or b""))
        arrive(self, self.invocation(), drop)
        return job_id("drops", key, version[0])

    def job(self, job: str) -> Job:
        found = self.ledger.job(job)
        assert found is not None
        return found

    def batches(self, job: str) -> list[Batch]:
        return self.ledger.batches(job)

    def session(self, job: str) -> Any:
        return open_session(self, self.job(job), self.route)

    def step(self, job: str, lap: int) -> str:
        """What the workflow does in one lap."""
        answer = what_next(self, self.invocation(), job, lap)
        if answer.next == "submit":
            resume(self, self.invocation(), job)
        elif answer.next == "finish":
            return finish(self, self.invocation(), job).next
        self.clock.advance(max(1, answer.seconds))
        return answer.next

    def run(self, job: str, laps: int = 400) -> dict[str, Any]:
        """Let the workflow run to its end; returns the report."""
        for lap in range(laps):
            if self.step(job, lap) == "done":
                return self.report(job)
        raise AssertionError(f"not done after {laps} laps: {self.job(job)} {self.batches(job)}")

    def report(self, job: str) -> dict[str, Any]:
        text = self.objects._bytes(self._ref(self.job(job).report_key))[1]
        return dict(json.loads(text))

    def result(self, job: str, name: str) -> bytes:
        """A file of the job's folder in the results bucket."""
        folder = self.job(job).report_key.removesuffix("report.json")
        return self.objects._bytes(self._ref(folder + name))[1]

    def rejects(self, job: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.result(job, "rejects.ndjson").splitlines()]

    def _ref(self, key: str) -> ObjectRef:
        return ObjectRef("results", key)


def ready_zip(files: Mapping[str, bytes]) -> bytes:
    """A ZIP as a user would make it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def unzipped(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


@contextmanager
def mediarithmics_desk(**changes: object) -> Iterator[Desk]:
    """A desk for the simulator's example route with these changes."""
    clock = ManualClock()
    with MediarithmicsSimulator(clock=clock) as simulator:
        example = simulator.example()
        yield Desk(simulator, clock, {**example["route"], **changes}, example["secret"])
