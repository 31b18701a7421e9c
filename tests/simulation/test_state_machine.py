"""Anybody may do anything at any time: Hypothesis looks for an order of events that breaks a law."""

from __future__ import annotations

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from batchdrop.drop import job_id
from tests.simulation.cloud import DROPS
from tests.simulation.faults import Plan
from tests.simulation.run import KEYS, Simulation
from tests.simulation.scenario import NAMES, scenario

KIND = st.sampled_from(
    ["crash_before", "crash_after", "error_before", "error_after", "repeat", "zombie", "reset_after", "late", "refused"]
)


class NextCall(Plan):
    """A fault for the call after so many others, put in while it runs."""

    def __init__(self) -> None:
        super().__init__()
        self.after, self.kind = 0, ""

    def fault(self, number: int, sort: str) -> str:
        if not self.kind:
            return ""
        self.after -= 1
        if self.after > 0:
            return ""
        self._left[number], self.kind = self.kind, ""
        return super().fault(number, sort)


class Deployment(RuleBasedStateMachine):
    """A deployment with one route, and everything that can happen to it."""

    simulation: Simulation | None = None

    @initialize(name=st.sampled_from(NAMES), seed=st.integers(0, 1000))
    def begin(self, name: str, seed: int) -> None:
        self.plan = NextCall()
        self.simulation = Simulation(scenario(name), seed, self.plan).__enter__()
        self.dropped: list[tuple[str, str, int]] = []

    @property
    def sim(self) -> Simulation:
        assert self.simulation is not None
        return self.simulation

    @precondition(lambda self: len(self.dropped) < 2)
    @rule(events=st.integers(0, 3))
    def drop(self, events: int) -> None:
        key = self.sim.drop(events=events)
        version, data, _ = self.sim.objects.stored[DROPS, key][-1]
        self.dropped.append((key, version, len(data or b"")))

    @precondition(lambda self: self.dropped)
    @rule(which=st.integers(0, 1), delay=st.floats(0, 3000))
    def redeliver(self, which: int, delay: float) -> None:
        self.sim.cloud.tell(*self.dropped[which % len(self.dropped)], delay=delay)

    @rule(kind=KIND, after=st.integers(1, 12))
    def break_something(self, kind: str, after: int) -> None:
        self.plan.after, self.plan.kind = after, kind

    @rule(seconds=st.sampled_from([0.05, 0.3, 1.0, 30.0, 130.0, 1000.0]))
    def wait(self, seconds: float) -> None:
        self.sim.kernel.run(self.sim.kernel.now + seconds)

    @precondition(lambda self: self.dropped)
    @rule(which=st.integers(0, 1), genuine=st.booleans())
    def call_back(self, which: int, genuine: bool) -> None:
        key, version, _ = self.dropped[which % len(self.dropped)]
        token = self.sim.token(job_id(DROPS, key, version), key=KEYS["k1"] if genuine else "guessed")
        self.sim.cloud.call_back(f"https://hooks.example/notifications/{token}")

    @rule()
    def abort(self) -> None:
        for name in list(self.sim.cloud.machine.executions):
            self.sim.cloud.machine.abort(name)

    @rule()
    def redrive(self) -> None:
        for name in list(self.sim.cloud.machine.executions):
            self.sim.cloud.machine.redrive(name)
        self.sim.cloud.redrive_dead_letters()

    @rule(service=st.sampled_from(["table", "objects", "secrets", "workflow"]), seconds=st.floats(1, 1000))
    def outage(self, service: str, seconds: float) -> None:
        self.sim.outage(service, 0.0, seconds)

    @rule()
    def sweep(self) -> None:
        self.sim.cloud.sweep()

    @invariant()
    def holds(self) -> None:
        assert self.simulation is None or self.simulation.watch.broken == []

    def teardown(self) -> None:
        if self.simulation is None:
            return
        try:
            self.plan.kind = ""
            self.sim.drain(hours=10)
            assert self.sim.check() == []
        finally:
            self.simulation.__exit__(None, None, None)


TestDeployment = Deployment.TestCase
TestDeployment.settings = settings(
    max_examples=40,
    stateful_step_count=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
