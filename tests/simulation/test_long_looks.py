"""A look that takes several invocations, whatever befalls them."""

from __future__ import annotations

import pytest

from tests.simulation.cloud import RESULTS
from tests.simulation.explore import singles
from tests.simulation.run import Simulation
from tests.simulation.scenario import long_look

FUNCTIONS = ("submit",)
KINDS = {"read": ("crash_before", "error_before"), "write": ("crash_after", "error_before", "error_after", "zombie")}


@pytest.mark.parametrize("packed", [False, True])
def test_a_look_goes_on_in_the_next_invocation_and_leaves_nothing_behind(packed: bool) -> None:
    with Simulation(long_look(packed)) as simulation:
        simulation.drop()
        simulation.drain()
        assert simulation.check() == []
        halted = [o for f, o, _ in simulation.gate.trace.calls if f == "submit" and o == "objects.put"]
        report = simulation.report()
        work = [ref.key for ref in simulation.objects.list(RESULTS, "work/")]
    assert len(halted) > 5
    assert report["counts"] == {**report["counts"], "records": 40, "accepted": 38, "invalid": 2}
    assert work == []


@pytest.mark.parametrize("packed", [False, True])
def test_no_single_fault_makes_it_find_anything_else(packed: bool) -> None:
    outcomes = set()
    for _, choices, result in singles(long_look(packed), KINDS, FUNCTIONS):
        assert result.broken == [], choices
        outcomes.add(result.outcome)
    assert outcomes == {"completed_with_rejects"}
