"""Several jobs at once: loads in order, a limit to what is under way, and a circuit that opens and closes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from random import Random

import pytest

from batchdrop import operate
from batchdrop.circuit import OPENS_AT
from tests.simulation.cloud import DROPS
from tests.simulation.faults import FEWEST, Plan, RandomPlan
from tests.simulation.run import DAY, HOUR, Simulation, run
from tests.simulation.scenario import Scenario, one_batch, scenario
from tests.simulation.test_retention import forget
from tests.simulation.test_rows import place, places
from tests.simulation.test_spans import whole


def ordered(type_: str = "full") -> Scenario:
    """Each file replaces what was loaded before, or (`delta`) changes it."""
    chosen = one_batch("lookup")
    return replace(chosen, account={**chosen.account, "type": type_})


def _twice(simulation: Simulation) -> None:
    """Two versions of one key, dropped a second apart."""
    simulation.drop()
    simulation.later(1.0, simulation.drop)


def _by_version(simulation: Simulation) -> list[str]:
    return [job.outcome for job in sorted(simulation.jobs(), key=simulation.watch.place_of)]


@pytest.mark.acceptance("A3")
@pytest.mark.parametrize(("type_", "reason"), [("full", "superseded"), ("delta", "out_of_order")])
def test_an_older_version_whose_event_comes_late_is_never_sent(type_: str, reason: str) -> None:
    with Simulation(ordered(type_)) as simulation:
        key = simulation.drop(events=0)
        simulation.drop()
        simulation.cloud.tell(key, simulation.objects.stored[DROPS, key][0][0], 20, sequencer="0" * 16, delay=300.0)
        simulation.drain()
        assert simulation.check() == []
        assert _by_version(simulation) == ["failed", "completed_with_rejects"]
        (older,) = [job for job in simulation.jobs() if job.outcome == "failed"]
        assert simulation.report(older)["failure"]["reason"] == reason
        assert simulation.vendor.commits == 1


@pytest.mark.acceptance("A3")
def test_so_is_one_that_only_the_sweep_finds() -> None:
    with Simulation(ordered()) as simulation:
        simulation.drop(events=0)
        simulation.drop()
        simulation.drain()
        assert simulation.check() == []
        assert _by_version(simulation) == ["failed", "completed_with_rejects"]


@pytest.mark.acceptance("A3")
@pytest.mark.parametrize("type_", ["full", "delta"])
@pytest.mark.parametrize("seed", range(15))
def test_two_versions_at_once_are_submitted_in_order_or_the_older_not_at_all(seed: int, type_: str) -> None:
    with Simulation(ordered(type_), seed) as simulation:
        simulation.drop(events=2)
        simulation.drop(events=2)
        simulation.drain()
        assert simulation.check() == []
        assert _by_version(simulation)[1] == "completed_with_rejects"


@pytest.mark.acceptance("A3")
@pytest.mark.parametrize("type_", ["full", "delta"])
def test_no_fault_brings_loads_out_of_order(type_: str) -> None:
    for number, (function, _, sort) in enumerate(run(ordered(type_), 0, (), _twice).calls):
        for kind in FEWEST.get(sort, ()) if function == "submit" else ():
            result = run(ordered(type_), 0, [(number, kind)], _twice)
            assert result.broken == [], (number, kind)


@pytest.mark.acceptance("A3")
@pytest.mark.parametrize("type_", ["delta", "none"])
def test_all_loads_that_replace_nothing_go_to_the_vendor(type_: str) -> None:
    with Simulation(ordered(type_)) as simulation:
        _twice(simulation)
        simulation.drain()
        assert simulation.check() == []
        assert _by_version(simulation) == ["completed_with_rejects"] * 2


def _limited(limit: int) -> Scenario:
    chosen = one_batch("lookup")
    return replace(chosen, route={**chosen.route, "max_in_flight": limit, "deadline": "20h"})


def _drop_several(simulation: Simulation, count: int) -> None:
    for n in range(count):
        simulation.drop(name=f"{n}.csv", data=b"id,name\n%d,ann\n" % n, records=1)


@pytest.mark.acceptance("H6")
@pytest.mark.parametrize("limit", [1, 2])
def test_no_more_jobs_of_an_account_are_under_way_than_its_route_allows(limit: int) -> None:
    with Simulation(_limited(limit)) as simulation:
        simulation.watch.in_flight_limit = limit
        _drop_several(simulation, 5)
        simulation.drain(hours=20)
        assert simulation.check() == []
        assert {job.outcome for job in simulation.jobs()} == {"completed"}


@pytest.mark.acceptance("H6")
def test_who_waits_for_a_place_is_served_in_order() -> None:
    with Simulation(_limited(1)) as simulation:
        for n in range(6):
            data = b"id,name\n%d,ann\n" % n
            simulation.later(n * 5.0, partial(simulation.drop, name=f"{n}.csv", data=data, records=1))
        simulation.kernel.run(simulation.kernel.now + 60.0)
        simulation.drain(hours=20)
        assert simulation.check() == []
        served = [job_id for _, job_id, _ in simulation.watch.commit_times]
        came = [job.job_id for job in sorted(simulation.jobs(), key=lambda job: job.created_at)]
        assert served == came


@pytest.mark.acceptance("H6")
@pytest.mark.parametrize("seed", range(25))
def test_a_place_is_not_lost_when_its_holder_dies(seed: int) -> None:
    with Simulation(_limited(1), seed, RandomPlan(Random(seed), 5, 150)) as simulation:
        simulation.watch.in_flight_limit = 1
        _drop_several(simulation, 3)
        simulation.drain(hours=20)
        assert simulation.check() == []
        assert {job.outcome for job in simulation.jobs()} <= {"completed", "failed"}
        last = max(job.closed_at - job.created_at for job in simulation.jobs()) / 1000
        assert last < 5 * HOUR


@pytest.mark.acceptance("H6")
def test_a_place_whose_holder_died_after_its_report_is_free() -> None:
    chosen = _limited(1)
    with Simulation(chosen) as calm:
        _drop_several(calm, 2)
        calm.drain()
        trace = calm.gate.trace.calls
    closing = next(n for n, c in enumerate(trace) if c[:2] == ("finish", "events.publish")) + 1
    with Simulation(chosen, 0, Plan([(closing, "crash_after")])) as simulation:
        _drop_several(simulation, 2)
        simulation.drain()
        assert simulation.check() == []
        assert max(job.closed_at - job.created_at for job in simulation.jobs()) / 1000 < HOUR


@pytest.mark.acceptance("D14")
def test_while_a_vendor_is_away_its_jobs_wait_and_only_one_tries_now_and_then() -> None:
    with Simulation(one_batch("lookup")) as simulation:
        _drop_several(simulation, 20)
        simulation.outage("http", 0.0, 2 * HOUR)
        simulation.kernel.run(simulation.kernel.now + 2 * HOUR)
        calls = [operation for _, operation, _ in simulation.gate.trace.calls if operation.startswith("http")]
        assert OPENS_AT <= len(calls) <= 20 + 2 * 60 / 15 + 6  # those on their way, then one at a time
        assert not any(job.is_closed for job in simulation.jobs())
        simulation.drain(hours=6)
        assert simulation.check() == []
        assert {job.outcome for job in simulation.jobs()} == {"completed"}
        assert simulation.world.metrics.counted["CircuitsOpen"] >= 1


@pytest.mark.acceptance("D14")
@pytest.mark.parametrize(("outage", "longest"), [(30.0, 300), (90.0, 500)])
def test_calls_under_way_when_the_circuit_opens_keep_it_open_no_longer(outage: float, longest: int) -> None:
    with Simulation(one_batch("lookup")) as simulation:
        _drop_several(simulation, 20)
        simulation.outage("http", 0.0, outage)
        simulation.drain()
        assert simulation.check() == []
        assert max(job.closed_at - job.created_at for job in simulation.jobs()) / 1000 < longest


@pytest.mark.acceptance("D14")
def test_a_circuit_whose_opener_died_before_it_said_for_how_long_is_tried() -> None:
    chosen = one_batch("lookup")

    def away(simulation: Simulation) -> None:
        _drop_several(simulation, OPENS_AT)
        simulation.outage("http", 0.0, 60.0)

    calls = run(chosen, 0, (), away).calls
    updates = [
        n for n, (function, operation, _) in enumerate(calls) if (function, operation) == ("submit", "table.update")
    ]
    for number in updates:
        result = run(chosen, 0, [(number, "crash_after")], away)
        assert (result.broken, set(result.outcomes)) == ([], {"completed"}), number


@pytest.mark.acceptance("D14", "H2")
def test_refused_credentials_open_the_circuit_before_they_lock_the_account() -> None:
    with Simulation(scenario("datagroup")) as simulation:
        simulation.secrets["vendor-main"]["password"] = "outdated"
        for n in range(12):
            data = b"id,name\n%d,ann\n" % n
            simulation.later(n * 20.0, partial(simulation.drop, name=f"{n}.csv", data=data, records=1))
        simulation.kernel.run(simulation.kernel.now + 300.0)
        calls = [operation for _, operation, _ in simulation.gate.trace.calls if operation.endswith("/auth")]
        assert len(calls) <= 10
        simulation.secrets["vendor-main"]["password"] = "datagroup-password"
        simulation.drain()
        assert simulation.check() == []
        outcomes = [job.outcome for job in simulation.jobs()]
        assert outcomes.count("completed") >= 8


@pytest.mark.acceptance("H6")
@pytest.mark.parametrize("is_cut", [True, False])
def test_a_held_job_gave_its_place_back_and_waits_for_one_when_it_is_to_send_again(is_cut: bool) -> None:
    chosen = scenario("spans-hold")
    chosen = replace(chosen, route={**chosen.route, "max_in_flight": 1})
    chosen = chosen if is_cut else whole(chosen)
    first_call = next(n for n, call in enumerate(run(chosen).calls) if call[1].startswith("http POST /import"))
    with Simulation(chosen, 0, Plan([(first_call, "reset_after")])) as simulation:
        simulation.watch.in_flight_limit = 1
        simulation.drop()
        simulation.drain()
        (held,) = simulation.jobs()
        assert (held.outcome, bool(held.spread)) == ("held", is_cut)
        simulation.watch.operated = True
        simulation.drop(name="other.csv", data=chosen.files["people.csv"].replace(b"anna", b"hanna"), records=4)
        sent = len(simulation.watch.commit_times)
        simulation.kernel.run(simulation.kernel.now + HOUR, lambda: len(simulation.watch.commit_times) > sent)
        operate.resolve(simulation.world, held.job_id, "resubmit")
        simulation.drain()
        assert simulation.check() == []
        assert {job.outcome for job in simulation.jobs()} == {"completed_with_rejects"}


def held_in_order(type_: str) -> Simulation:
    """The vendor takes the load of a file, and the answer is lost."""
    base = one_batch("hold")
    chosen = replace(base, account={**base.account, "type": type_})
    return Simulation(chosen, 0, Plan([(place(chosen, "submit", "http POST /import"), "reset_after")]))


@pytest.mark.parametrize("type_", ["full", "delta"])
def test_a_held_load_is_not_sent_again_once_a_newer_one_is_loaded_but_ends_as_the_operator_decides(type_: str) -> None:
    with held_in_order(type_) as simulation:
        simulation.watch.operated = True
        key = simulation.drop()
        simulation.drain()
        (older,) = simulation.jobs()
        assert older.outcome == "held"
        assert any("as long as no newer version" in step for step in simulation.report(older)["what_next"])
        simulation.cloud.put(key, b"id,name\n1,new\n")
        simulation.kernel.run(simulation.kernel.now + HOUR)
        (newer,) = [job for job in simulation.jobs() if job.job_id != older.job_id]
        assert operate.overtaken_by(simulation.world, older) == newer.job_id
        before, sent = simulation.table.items.copy(), simulation.vendor.commits
        why = rf"a newer version of this file is loaded by job {newer.job_id}.*--abandon"
        with pytest.raises(operate.CannotOperate, match=why):
            operate.resolve(simulation.world, older.job_id, "resubmit")
        assert simulation.table.items == before
        operate.resolve(simulation.world, older.job_id, "abandon")
        simulation.kernel.run(simulation.kernel.now + HOUR)
        outcomes = {job.job_id: job.outcome for job in simulation.jobs()}
        assert outcomes[older.job_id] != "held"
        assert simulation.vendor.commits == sent


def test_a_held_load_is_sent_again_where_none_is_newer() -> None:
    with held_in_order("delta") as simulation:
        simulation.watch.operated = True
        simulation.drop()
        simulation.drain()
        operate.resolve(simulation.world, simulation.job.job_id, "resubmit")
        simulation.drain()
        assert simulation.job.outcome == "completed_with_rejects"
        assert simulation.vendor.commits == 2


def test_that_a_newer_one_is_loaded_is_known_as_long_as_the_held_one_is() -> None:
    """Of two batches one is decided on late, and keeps the job; the newer load is more than 400 days old in the end."""
    base = scenario("hold")
    chosen = replace(base, account={**base.account, "type": "delta"})
    sent = places(chosen, "submit", "http POST /import")
    with Simulation(chosen, 0, Plan([(number, "reset_after") for number in sent])) as simulation:
        simulation.watch.operated = True
        key = simulation.drop()
        simulation.drain()
        (older,) = simulation.jobs()
        simulation.cloud.put(key, b"id,name\n1,new\n")
        simulation.kernel.run(simulation.kernel.now + HOUR)
        simulation.kernel.now += 350 * DAY
        operate.resolve(simulation.world, older.job_id, "abandon", batch=1)
        simulation.kernel.run(simulation.kernel.now + HOUR)
        simulation.kernel.now += 100 * DAY
        forget(simulation)
        with pytest.raises(operate.CannotOperate, match="a newer version of this file is loaded"):
            operate.resolve(simulation.world, older.job_id, "resubmit")
