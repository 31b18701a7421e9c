"""What may befall a drop before anything is sent: sets of any size, re-runs, events and workers that come late."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from typing import Any
from unittest.mock import patch

import pytest

from batchdrop import operate
from batchdrop.job import Job
from batchdrop.ledger import Ledger
from tests.simulation.cloud import DROPS
from tests.simulation.faults import Plan
from tests.simulation.run import HOUR, Simulation
from tests.simulation.scenario import scenario
from tests.simulation.test_rows import ended, oneshot, places


def calls(simulation: Simulation, operation: str) -> int:
    return sum(name == operation for _, name, _ in simulation.gate.trace.calls)


def put_set(simulation: Simulation, names: list[str]) -> None:
    """A set of empty arrays, under a route that takes sets."""
    place = f"drops/{simulation.scenario.name}/big/"
    for name in names:
        simulation.objects.put(DROPS, place + name, b"[{}]")
    simulation.cloud.put(f"{place}_READY", b"")
    simulation.expected[f"{place}_READY"] = 0


def refused(simulation: Simulation) -> dict[str, Any]:
    """The report of a drop that cannot be used."""
    simulation.drain(1)
    assert simulation.check() == []
    report = simulation.report()
    assert report["outcome"] == "failed"
    return report


def test_a_set_of_too_many_files_is_refused_without_a_look_at_each() -> None:
    with Simulation(scenario("ometria")) as simulation:
        put_set(simulation, [f"f{n}.json" for n in range(2000)])
        report = refused(simulation)
        assert "1 to 500 files" in report["reason"]
        assert "several sets" in report["reason"]
        assert calls(simulation, "objects.head") < 10


@pytest.mark.parametrize("length", [20, 119, 190])
def test_a_set_of_as_many_files_as_may_be_fits_into_the_ledger_whatever_their_names(length: int) -> None:
    files = {f"{'p' * (length - 9)}{n:04d}.json": b'[{"url":"https://example.org/1"}]' for n in range(499)}
    chosen = scenario("haplo")
    files |= {"control.json": chosen.files["control.json"], "_READY": b""}
    with Simulation(replace(chosen, files=files, records=499)) as simulation:
        assert ended(simulation)["outcome"] == "handed_over"


def test_a_set_whose_names_do_not_fit_into_the_ledger_is_refused_and_told_why() -> None:
    with Simulation(scenario("ometria")) as simulation:
        put_set(simulation, [f"{'p' * 380}{n}.json" for n in range(500)])
        report = refused(simulation)
        assert "at most 100,000 can be kept" in report["reason"]
        assert simulation.cloud.dead_letters == []


def test_a_set_whose_columns_do_not_fit_into_the_ledger_is_refused_and_told_why() -> None:
    names = [sha256(b"%d" % n).hexdigest() for n in range(16_000)]
    headers = [",".join(names[400 * n : 400 * n + 400]).encode() for n in range(40)]
    files = {f"f{n}.csv": header + b"\n1" + b"," * 399 + b"\n" for n, header in enumerate(headers)}
    with Simulation(replace(scenario("ometria"), files=files | {"_READY": b""}, records=0)) as simulation:
        report = ended(simulation)
        assert report["outcome"] == "failed"
        assert "of its 40 files" in report["reason"]
        assert "several smaller sets" in report["reason"]


def test_a_set_whose_files_were_deleted_since_is_run_again_with_the_versions_it_had() -> None:
    with Simulation(scenario("ometria")) as simulation:
        ended(simulation)
        old = simulation.job
        for member in old.members:
            simulation.objects.delete(DROPS, f"{old.drop.key.rpartition('/')[0]}/{member['name']}")
        simulation.watch.operated = True
        again = operate.rerun(simulation.world, old.job_id)
        simulation.drain()
        assert simulation.check() == []
        with pytest.raises(operate.CannotOperate, match=f"run again before, as job {again.job_id}: rerun that one"):
            operate.rerun(simulation.world, old.job_id)
        first, second = simulation.report(old), simulation.report(again)
        assert second["outcome"] == "completed"
        assert second["counts"] == first["counts"]
        assert second["drop"]["size"] == first["drop"]["size"]


@pytest.mark.parametrize(
    ("before", "now", "why"),
    [
        ("haplo", "lookup", r"a set, but route haplo \(oneshot\) takes single files now: drop each of its files"),
        ("ometria", "lookup", r"a set, but route ometria \(oneshot\) takes single files now"),
        ("lookup", "haplo", r"a single file, but route lookup \(haplo\) takes sets only: drop a folder"),
    ],
)
@pytest.mark.parametrize("only_rejected", [True, False])
def test_a_drop_is_not_run_again_by_a_route_that_takes_drops_of_another_kind_now(
    before: str, now: str, why: str, only_rejected: bool
) -> None:
    old, new = scenario(before), scenario(now)
    with Simulation(old) as simulation:
        simulation.watch.operated = True
        simulation.drop()
        simulation.drain()
        simulation.routes[old.name] = new.whole_route()
        simulation.secrets["vendor-main"] = dict(new.secret)
        items, objects = simulation.table.items.copy(), simulation.objects.stored.copy()
        if only_rejected and before != "lookup":
            why = "went as a set, whose rejects file holds"
        with pytest.raises(operate.CannotOperate, match=why):
            operate.rerun(simulation.world, simulation.job.job_id, only_rejected=only_rejected)
        assert (simulation.table.items, simulation.objects.stored) == (items, objects)


def test_a_set_is_run_again_by_a_route_that_takes_other_sets_now() -> None:
    old, new = scenario("ometria"), scenario("haplo")
    with Simulation(old) as simulation:
        simulation.watch.operated = True
        simulation.drop()
        simulation.drain()
        simulation.routes[old.name] = new.whole_route()
        again = operate.rerun(simulation.world, simulation.job.job_id)
        simulation.kernel.run(simulation.kernel.now + 9 * HOUR)
        assert "control.json" in simulation.report(again)["reason"]


def test_a_late_event_of_an_earlier_run_starts_no_second_execution_beside_the_live_one() -> None:
    chosen = scenario("hold")
    lost = places(chosen, "submit", "http POST /import")[0]
    with Simulation(chosen, 0, Plan([(lost, "reset_after")])) as simulation:
        simulation.cloud.rule_works = False
        ended(simulation)
        died = simulation.job.execution
        simulation.watch.operated, oneshot(simulation).vendor.never = True, True
        operate.resolve(simulation.world, simulation.job.job_id, "resubmit")
        simulation.kernel.run(simulation.kernel.now + 10)
        event = {"detail-type": "Step Functions Execution Status Change", "detail": {"name": died, "status": "FAILED"}}
        answers: list[Any] = []
        simulation.cloud.run("sweep", event, lambda result, _error: answers.append(result))
        simulation.kernel.run(simulation.kernel.now + 60)
        assert answers == [{"revived": False}]
        running = [e.name for e in simulation.cloud.machine.executions.values() if e.status == "RUNNING"]
        assert running == [simulation.job.execution]


def late_for_the_lease(simulation: Simulation, happens: Callable[[], None]) -> Any:
    """The first worker to ask for the lease gets it after another one gave up, and after something else happened."""
    acquire = Ledger.acquire
    asked: list[str] = []

    def late(ledger: Ledger, job: Job, owner: str, until: int) -> Job | None:
        if not asked:
            asked.append(owner)
            while not simulation.job.packaged_at:
                simulation.kernel.sleep(0.05)
            happens()
        return acquire(ledger, job, owner, until)

    return patch.object(Ledger, "acquire", late)


def test_a_worker_that_read_the_job_before_another_gave_up_sends_nothing() -> None:
    chosen = scenario("lookup")
    limited = places(chosen, "submit", "http POST /import")[0]
    with Simulation(chosen, 0, Plan([(limited, "limited")])) as simulation:
        secret = simulation.secrets["vendor-main"]
        right = dict(secret)
        with late_for_the_lease(simulation, lambda: secret.update(right)):
            simulation.drop()
            simulation.kernel.run(simulation.kernel.now + HOUR, lambda: any(j.not_before for j in simulation.jobs()))
            secret.clear()
            wakes = simulation.job.not_before / 1000
            simulation.kernel.run(wakes + 2)
            simulation.cloud.run("submit", {"job_id": simulation.job.job_id}, lambda _result, _error: None)
            simulation.drain()
        report = simulation.report()
        assert report["failure"]["reason"] == "secret"
        assert report["counts"]["accepted"] == 0
        assert oneshot(simulation).vendor.imports == []


def test_a_rerun_whose_answer_was_lost_is_told_as_done_and_a_second_one_starts_what_the_first_could_not() -> None:
    with Simulation(scenario("ometria")) as simulation:
        ended(simulation)
        simulation.watch.operated = True
        old, claim = simulation.job.job_id, Ledger.claim
        with patch.object(Ledger, "claim", lambda ledger, job: (claim(ledger, job), claim(ledger, job))[1]):
            again = operate.rerun(simulation.world, old)
        simulation.kernel.run(simulation.kernel.now + 1)
        with patch.object(type(simulation.world.workflow), "start") as start, pytest.raises(operate.CannotOperate):
            operate.rerun(simulation.world, old)
        start.assert_called_once_with(again.execution, again.job_id)
        simulation.drain()
        once_more = operate.rerun(simulation.world, again.job_id)
        assert (once_more.revision, once_more.previous) == (3, again.job_id)
