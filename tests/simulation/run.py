"""One run: a scenario, a seed, a plan of faults and of adversities; then heal, drain, and look."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import Any, Self
from unittest.mock import patch

from batchdrop import capability, operate
from batchdrop.destinations import datagroup
from batchdrop.job import Batch, Job
from batchdrop.world import Settings
from tests.simulation.cloud import DROPS, RESULTS, Cloud
from tests.simulation.faults import Choice, Outage, Plan
from tests.simulation.invariants import Watch
from tests.simulation.kernel import START, Kernel
from tests.simulation.memory import MemoryObjects, MemoryTable
from tests.simulation.oneshot import registered
from tests.simulation.scenario import Scenario
from tests.simulation.vendors import PlainVendor, SimulatedHttp, SimulatorVendor, Vendor, steadied
from tests.simulation.world import (
    Gate,
    GatedObjects,
    GatedTable,
    GatedWorkflow,
    SimulatedRoutes,
    SimulatedSecrets,
    SimulatedWorld,
)

HOUR, DAY = 3600.0, 86400.0
KEYS = {"current": "k1", "k1": "canary-notification-key"}


class Simulation:
    """A simulated deployment with one route; a context manager."""

    def __init__(self, scenario: Scenario, seed: int = 0, plan: Plan | None = None) -> None:
        self.scenario, self.seed = scenario, seed
        self.kernel = kernel = Kernel(seed)
        self.gate = Gate(kernel, plan or Plan())
        self.table = MemoryTable(lambda: kernel.now, lambda: kernel.rng.uniform(0.0, 3.0))
        self.objects = MemoryObjects(lambda: kernel.now)
        self.cloud = Cloud(kernel, self.gate, self.table, self.objects)
        self.watch = Watch(kernel, self.table, self.cloud)
        self.secrets = {"vendor-main": dict(scenario.secret), capability.SECRET: dict(KEYS)}
        self.routes = {scenario.name: scenario.whole_route()}
        self.expected: dict[str, int] = {}
        self._patches = ExitStack()

    def __enter__(self) -> Self:
        enter = self._patches.enter_context
        enter(registered())
        for steadying in steadied(Random(self.seed), self.objects.signed):
            enter(steadying)
        for attribute, value in self.scenario.limits.items():
            enter(patch(attribute, value))
        enter(patch("batchdrop.operate._decision", self.watch.deciding(operate._decision)))
        for page in ("render", "render_index"):  # pure functions, a third of a run's time
            enter(patch(f"batchdrop.report.publish.{page}", lambda *_: b"<html>"))
        datagroup._tokens.clear()
        self.vendor = self._vendor()
        self.world = self.cloud.world = self._world()
        self.kernel.after(SWEEP_PHASE, self.cloud.sweep_on)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.kernel.close()
        self._patches.close()

    def _vendor(self) -> Vendor:
        if self.scenario.destination == "oneshot":
            return PlainVendor(self.kernel, self.cloud.call_back)
        return SimulatorVendor(self.kernel, self.scenario.destination, self.cloud.call_back, **self.scenario.vendor)

    def _world(self) -> SimulatedWorld:
        gate = self.gate
        http = SimulatedHttp(gate, [self.vendor], self.watch)
        settings = Settings("sim", DROPS, RESULTS, "https://hooks.example", ("127.0.0.1",))
        return SimulatedWorld(
            gate,
            GatedTable(gate, self.table),
            GatedObjects(gate, self.objects, self.scenario.seconds_per_read, self.scenario.seconds_to_finish),
            GatedWorkflow(gate, self.cloud.machine),
            http,
            SimulatedSecrets(gate, self.secrets),
            SimulatedRoutes(gate, self.routes),
            settings,
        )

    # --- what happens to it ---

    def drop(self, *, events: int = 1, name: str = "", data: bytes = b"", records: int | None = None) -> str:
        """Drop the scenario's files, or one other; returns the key that makes the job."""
        key = ""
        for each, content in {name: data}.items() if name else self.scenario.files.items():
            key = f"drops/{self.scenario.name}/{self.scenario.folder}{each}"
            self.cloud.put(key, content, events=events)
        self.expected[key] = self.scenario.records if records is None else records
        return key

    def outage(self, service: str, begins: float, seconds: float) -> None:
        at = self.kernel.now + begins
        self.gate.outages.append(Outage(service, at, at + seconds))

    def token(self, job_id: str, *, expires: float | None = None, key: str = KEYS["k1"]) -> str:
        at = int(self.kernel.now + DAY if expires is None else expires)
        return capability.issue({"current": "k1", "k1": key}, job_id, at)

    def later(self, seconds: float, what: Callable[[], Any]) -> None:
        self.kernel.after(seconds, what)

    # --- letting it happen ---

    def drain(self, hours: float = 8.0) -> None:
        """Let it run until every drop has its report (or the time is up), and a little longer."""
        self.kernel.run(self.kernel.now + hours * HOUR, self.is_at_rest)
        self.kernel.run(self.kernel.now + TAIL)

    def is_at_rest(self) -> bool:
        jobs = [i for k, i in self.table.items.items() if k.sk == "job"]
        if len({i["key"] for i in jobs}) < len(self.expected) or not all(i.get("closed_at") for i in jobs):
            return False
        return all(e.status != "RUNNING" for e in self.cloud.machine.executions.values())

    def check(self) -> list[str]:
        """What did not hold."""
        self.watch.at_rest(self.expected)
        return [*self.watch.broken, *self.gate.denied]

    # --- looking at it ---

    def jobs(self) -> list[Job]:
        return [Job.from_item(i) for k, i in self.table.items.items() if k.sk == "job"]

    @property
    def job(self) -> Job:
        (job,) = self.jobs()
        return job

    def batches(self, job: Job | None = None) -> list[Batch]:
        return [Batch.from_item(i) for i in self.table.query(f"job#{(job or self.job).job_id}", "batch#")]

    def report(self, job: Job | None = None) -> dict[str, Any]:
        return dict(json.loads(self._report((job or self.job).job_id)))

    def _report(self, job_id: str) -> bytes:
        for (_, key), versions in self.objects.stored.items():
            if job_id in key and key.endswith("/report.json"):
                data = versions[-1][1]
                assert data is not None
                return data
        raise AssertionError(f"job {job_id} has no report")


SWEEP_PHASE = 400.0  # seconds until the first sweep
TAIL = 1900.0  # seconds after the last report in which nothing more may happen


@dataclass(slots=True)
class Result:
    """How one run ended."""

    broken: list[str]
    calls: list[tuple[str, str, str]]
    outcomes: list[str]
    seconds: float
    log: list[str] = field(default_factory=list)

    @property
    def outcome(self) -> str:
        return ",".join(self.outcomes)


def run(
    scenario: Scenario,
    seed: int = 0,
    choices: Sequence[Choice] | Plan = (),
    adversity: Callable[[Simulation], None] | None = None,
) -> Result:
    """Drop once, let the faults strike, heal, drain, and check everything."""
    plan = choices if isinstance(choices, Plan) else Plan(choices)
    with Simulation(scenario, seed, plan) as simulation:
        if adversity is not None:
            adversity(simulation)
        else:
            simulation.drop()
        simulation.drain()
        broken = simulation.check()
        outcomes = [job.outcome for job in simulation.jobs()]
        return Result(
            broken, simulation.gate.trace.calls, outcomes, simulation.kernel.now - START, simulation.world.log.lines
        )
