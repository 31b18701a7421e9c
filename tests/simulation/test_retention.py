"""How long the ledger keeps what it knows, and what happens when it has forgotten."""

from __future__ import annotations

from dataclasses import replace

import pytest

from batchdrop.ports import Key
from tests.simulation.run import DAY, HOUR, Simulation
from tests.simulation.scenario import NAMES, scenario
from tests.simulation.test_decisions import decide, two_held
from tests.simulation.test_rows import ended


def expiries(simulation: Simulation) -> dict[Key, float]:
    """In how many days each item goes."""
    items = simulation.table.items.items()
    return {key: (int(str(item["expires_at"])) - simulation.kernel.now) / DAY for key, item in items}


def forget(simulation: Simulation) -> None:
    """What DynamoDB does with what has expired."""
    for key in [key for key, days in expiries(simulation).items() if days <= 0]:
        del simulation.table.items[key]


@pytest.mark.parametrize("name", NAMES)
def test_all_a_job_leaves_in_the_ledger_goes_after_400_days_and_the_job_first(name: str) -> None:
    chosen = scenario(name)
    with Simulation(replace(chosen, route={**chosen.route, "max_in_flight": 1})) as simulation:
        ended(simulation)
        left = expiries(simulation)
        job = left[Key(f"job#{simulation.job.job_id}", "job")]
    assert {round(days) for days in left.values()} == {400}
    assert all(days >= job - 1 / DAY for key, days in left.items() if key.pk.startswith("job#"))


def test_so_do_what_was_never_sent_and_the_circuit_that_opened() -> None:
    with Simulation(scenario("spans")) as simulation:
        simulation.drop()
        simulation.outage("http", 0.0, 7 * HOUR)
        simulation.drain(hours=12.0)
        assert simulation.report()["outcome"] == "timed_out"
        left = expiries(simulation)
    assert {"rest", "circuit"} <= {key.sk.partition("#")[0] for key in left}
    assert {round(days) for days in left.values()} == {400}


def test_a_job_that_goes_on_shortly_before_it_goes_keeps_all_its_batches_until_the_next_decision() -> None:
    with two_held("spans-hold") as simulation:
        ended(simulation)
        first, second, *_ = [batch.n for batch in simulation.batches()]
        simulation.kernel.now += 350 * DAY
        assert decide(simulation, "abandon", first) == "held"
        simulation.kernel.now += 100 * DAY
        forget(simulation)
        assert decide(simulation, "abandon", second) != "held"
        report = simulation.report()
        assert [batch["state"] for batch in report["batches"]][:3] == ["unconfirmed", "unconfirmed", "succeeded"]
        assert report["counts"]["records"] == simulation.scenario.records


def test_one_with_time_enough_costs_a_decision_no_writes_of_that_kind() -> None:
    with two_held() as simulation:
        ended(simulation)
        before = expiries(simulation)
        decide(simulation, "abandon", 1)
        after = expiries(simulation)
    assert all(after[key] < days for key, days in before.items() if key.pk.startswith("job#"))
