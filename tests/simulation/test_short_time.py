"""Submissions whose invocations have little time, or none."""

from __future__ import annotations

from unittest.mock import patch

import pytest

from tests.simulation import cloud
from tests.simulation.run import HOUR, Simulation
from tests.simulation.scenario import scenario
from tests.simulation.test_rows import ended


def invoked(simulation: Simulation) -> int:
    """How often the workflow had the submission gone on with."""
    return sum(operation == "invoke submit" for _, operation, _ in simulation.gate.trace.calls)


@pytest.mark.parametrize("seconds", [30.0, 60.0, 120.0])
@pytest.mark.parametrize("name", ["lookup", "ometria", "spans"])
def test_an_invocation_shorter_than_the_reserve_sends_all_the_same(name: str, seconds: float) -> None:
    with patch.dict(cloud.TIMEOUTS, submit=seconds), Simulation(scenario(name)) as simulation:
        assert simulation.world.settings.reserve >= seconds
        assert ended(simulation)["outcome"].startswith("completed")
        assert invoked(simulation) <= 5


def test_one_that_never_has_time_for_anything_is_tried_ever_more_seldom_until_it_has() -> None:
    with patch.dict(cloud.TIMEOUTS, submit=0.01), Simulation(scenario("lookup")) as simulation:
        simulation.drop()
        simulation.kernel.run(simulation.kernel.now + HOUR)
        assert simulation.vendor.commits == 0
        assert 5 < invoked(simulation) < 25
        cloud.TIMEOUTS["submit"] = 900.0
        simulation.drain()
        assert simulation.check() == []
        assert simulation.job.outcome == "completed_with_rejects"
