"""The second net when there is too much for one sweep, and what a sweep costs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

import pytest

from batchdrop.job import Job
from tests.simulation import cloud
from tests.simulation.asl import Execution
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


def on_their_way(simulation: Simulation, number: int, *at: int) -> None:
    """So many jobs with a live execution, claimed at these times in turn."""
    for n in range(number):
        claimed = at[n % len(at)]
        job = Job(f"{n:032x}", "lookup", DROPS, f"k{n}", "v", claimed, claimed + int(24_000 * HOUR))
        simulation.world.ledger.claim(job)
        simulation.cloud.machine.executions[job.execution] = Execution(job.execution, {}, simulation.kernel.now)


def stranded(simulation: Simulation, at: int) -> str:
    """A job without an execution, claimed at that time, of a drop that is gone."""
    job = Job("f" * 32, "lookup", DROPS, "stranded", "v", at, at + int(1000 * HOUR))
    simulation.world.ledger.claim(job)
    return job.job_id


def has_another_run(simulation: Simulation, job_id: str) -> bool:
    job = simulation.world.ledger.job(job_id)
    return job is not None and job.run == 2


def test_a_stranded_job_is_found_behind_a_thousand_older_ones_that_are_well() -> None:
    with Simulation(scenario("lookup")) as simulation:
        now = int(simulation.kernel.now * 1000)
        on_their_way(simulation, 1100, now - 7_200_000, now - 7_200_001)
        job_id = stranded(simulation, now - 3_600_000)
        simulation.kernel.run(simulation.kernel.now + 0.5 * HOUR)
        assert has_another_run(simulation, job_id)
        assert simulation.world.metrics.counted["JobsOpen"] >= 1101


@pytest.mark.parametrize("is_newest", [True, False])
def test_it_is_found_by_the_sweeps_that_follow_where_one_has_no_time_for_all(is_newest: bool) -> None:
    with of_short_sweeps("lookup") as simulation:
        now = int(simulation.kernel.now * 1000)
        on_their_way(simulation, MANY, *range(now - 7_200_000, now - 7_200_000 + MANY))
        simulation.kernel.run(simulation.kernel.now + 0.5 * HOUR)  # some are looked at
        job_id = stranded(simulation, now + 1 if is_newest else now - 7_200_000)
        simulation.kernel.run(simulation.kernel.now + 3 * HOUR)
        assert has_another_run(simulation, job_id)


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
