"""A drop too large to be looked into in one invocation is looked into in several."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest

from batchdrop.records import expand, inspect
from local.simulators.clock import ManualClock
from local.simulators.datagroup import DataGroupSimulator
from tests.unit.destinations.sets_fixtures import Desk

DATA = b"id,name\n" + b"".join(b"%d,somebody\n" % n for n in range(2000))


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setattr(inspect, "LARGE", 0)
    monkeypatch.setattr(expand, "BLOCK", 1000)
    clock = ManualClock()
    with DataGroupSimulator(seconds_per_state=0.1, clock=clock) as simulator:
        example = simulator.example()
        yield Desk(simulator, clock, example["route"], example["secret"])


def test_each_invocation_goes_on_where_the_last_one_ended(desk: Desk) -> None:
    desk.asks = 2
    job = desk.drop({"a.csv": DATA}, ready=None)
    places = [desk.job(job).halt["at"]["offset"]]
    lap = 0
    while desk.job(job).halt:
        desk.step(job, lap)
        lap += 1
        places += [desk.job(job).halt["at"]["offset"]] if desk.job(job).halt else []
    report = desk.run(job)

    assert places == sorted(places)
    assert len(set(places)) > 1
    assert (report["outcome"], report["counts"]["records"]) == ("completed", 2000)
    assert report["drop"]["sha256"] == hashlib.sha256(DATA).hexdigest()
