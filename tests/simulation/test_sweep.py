"""The second net when there is too much for one sweep, and what a sweep costs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from tests.simulation import cloud
from tests.simulation.cloud import DROPS
from tests.simulation.run import HOUR, Simulation
from tests.simulation.scenario import scenario
from tests.simulation.test_rows import ended

MANY = 150  # more drops than one such sweep can look at


@contextmanager
def of_short_sweeps(name: str) -> Iterator[Simulation]:
    """A sweep has a second and a half; half a second later it is gone for certain."""
    with (
        patch.dict(cloud.TIMEOUTS, sweep=1.5),
        Simulation(scenario(name)) as simulation,
        patch.object(simulation.kernel.rng, "choice", lambda choices: choices[0]),
    ):
        yield simulation


def drop_unheard(simulation: Simulation) -> None:
    for n in range(MANY):
        simulation.drop(events=0, name=f"{n:03d}.csv", data=b"id,name\n%d,ann\n" % n, records=1)


def swept(simulation: Simulation, operation: str) -> int:
    """How often sweeps made such a call."""
    return sum(call[:2] == ("sweep", operation) for call in simulation.gate.trace.calls)


def test_what_a_sweep_does_not_reach_is_reached_by_those_that_follow() -> None:
    with of_short_sweeps("lookup") as simulation:
        drop_unheard(simulation)
        simulation.drain()
        assert simulation.check() == []
        assert len(simulation.jobs()) == MANY
        assert swept(simulation, "objects.versions") > 3


def test_a_job_without_an_execution_is_revived_however_many_drops_there_are() -> None:
    with of_short_sweeps("lookup") as simulation:
        simulation.cloud.rule_works = False
        simulation.drop(name="zz.csv", data=b"id,name\n1,ann\n", records=1)
        simulation.kernel.run(simulation.kernel.now + 5, lambda: bool(simulation.jobs()))
        job = simulation.job
        simulation.cloud.machine.abort(job.execution)
        drop_unheard(simulation)
        simulation.kernel.run(simulation.kernel.now + HOUR)
        now = next(each for each in simulation.jobs() if each.job_id == job.job_id)
        assert (now.run, now.outcome) == (2, "completed")


def test_the_files_of_sets_cost_a_sweep_no_call() -> None:
    with Simulation(scenario("ometria")) as simulation:
        for n in range(400):
            simulation.objects.put(DROPS, f"drops/ometria/unfinished/f{n}.json", b"[{}]")
        ended(simulation)
        simulation.kernel.run(simulation.kernel.now + 3 * HOUR)
        sweeps = swept(simulation, "objects.versions")
        assert sweeps > 10
        assert swept(simulation, "routes.get") <= sweeps
        assert swept(simulation, "table.get") <= 3 * sweeps


def test_a_route_that_broke_makes_no_drops_of_the_files_of_a_set_that_is_done() -> None:
    with Simulation(scenario("ometria")) as simulation:
        ended(simulation)
        marker = simulation.job.key
        simulation.objects.put(DROPS, f"{marker.removesuffix('_READY')}more/f.json", b"[{}]")
        simulation.routes["ometria"] = {"destination": "nobody"}
        simulation.objects.put(DROPS, "drops/ometria/alone.json", b"[{}]")  # its event is lost
        simulation.kernel.run(simulation.kernel.now + 3 * HOUR)
        outcomes = {job.key: job.outcome for job in simulation.jobs()}
        assert outcomes == {marker: "completed", "drops/ometria/alone.json": "failed"}
