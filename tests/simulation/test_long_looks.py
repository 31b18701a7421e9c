"""A look that takes several invocations, whatever befalls them."""

from __future__ import annotations

import gzip
from dataclasses import replace

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


@pytest.mark.acceptance("B4")
@pytest.mark.parametrize(("packed", "seconds"), [(False, 20.0), (True, 20.0), (False, 110.0), (True, 60.0)])
def test_what_is_refused_at_the_end_of_a_long_look_ends_with_the_reason_and_its_records_counted(
    packed: bool, seconds: float
) -> None:
    """Where there is no time to count them all, the job ends all the same, and says so."""
    base = long_look(packed=False)
    data = base.files["people.csv"] + b"98,\xff\xfe\n" + b"99,zoe\n" * 20
    files = {"people.csv": gzip.compress(data, 1, mtime=0) if packed else data}
    with Simulation(replace(base, files=files, records=61, seconds_per_read=seconds)) as simulation:
        simulation.drop()
        simulation.drain()
        report = simulation.report()
    assert (report["outcome"], report["failure"]["reason"], report["failure"]["line"]) == ("failed", "encoding", 42)
    records = report["counts"]["records"]
    assert report["counts"]["invalid"] == records
    assert 38 <= records < 61 if seconds > 20 else records == 61
    assert [f"it may hold more than {records}" in w for w in report["warnings"]] == [True] * (records < 61)


@pytest.mark.parametrize("packed", [False, True])
def test_no_single_fault_makes_it_find_anything_else(packed: bool) -> None:
    outcomes = set()
    for _, choices, result in singles(long_look(packed), KINDS, FUNCTIONS):
        assert result.broken == [], choices
        outcomes.add(result.outcome)
    assert outcomes == {"completed_with_rejects"}
