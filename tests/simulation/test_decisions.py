"""A held job of which several batches are in doubt: the operator decides on one, and the others stay as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest
from msgspec.structs import replace

from batchdrop import operate
from batchdrop.job import Job
from batchdrop.ledger import Ledger, batch_key
from batchdrop.ports import Key
from batchdrop.words import BatchState
from tests.simulation.faults import Plan
from tests.simulation.run import HOUR, Simulation
from tests.simulation.scenario import scenario
from tests.simulation.test_finish import rejects
from tests.simulation.test_rows import ended, oneshot, places
from tests.simulation.test_spans import states, waited_for

HELD, DOUBTFUL = BatchState.HELD, BatchState.DOUBTFUL
SUCCEEDED, UNCONFIRMED = BatchState.SUCCEEDED, BatchState.UNCONFIRMED


def two_held(name: str = "hold") -> Simulation:
    """Two batches are taken by the vendor, and the answers are lost."""
    chosen = scenario(name)
    sent = places(chosen, "submit", "http POST /import")
    return Simulation(chosen, 0, Plan([(number, "reset_after") for number in sent]))


def decide(simulation: Simulation, decision: operate.Decision, batch: int, receipt: str = "") -> str:
    """How the job ends then."""
    simulation.watch.operated = True
    operate.resolve(simulation.world, simulation.job.job_id, decision, receipt, batch)
    simulation.drain()
    assert simulation.check() == []
    return str(simulation.report()["outcome"])


def receipt_of(simulation: Simulation, batch: int) -> str:
    return next(str(i["id"]) for i in oneshot(simulation).vendor.imports if i["tag"].endswith(f"-{batch}"))


@pytest.mark.parametrize("name", ["hold", "spans-hold"])
def test_each_batch_in_doubt_is_adopted_by_its_own_receipt_and_nothing_is_sent_again(name: str) -> None:
    with two_held(name) as simulation:
        assert ended(simulation)["outcome"] == "held"
        first, second, *rest = [batch.n for batch in simulation.batches()]
        sent = oneshot(simulation).commits
        assert decide(simulation, "adopt", second, receipt_of(simulation, second)) == "held"
        assert states(simulation) == [HELD, SUCCEEDED, *[SUCCEEDED for _ in rest]]
        assert [batch["n"] for batch in simulation.report()["batches"] if batch["state"] == "held"] == [first]
        assert decide(simulation, "adopt", first, receipt_of(simulation, first)).startswith("completed")
        assert set(states(simulation)) == {SUCCEEDED}
        assert simulation.report()["counts"]["unconfirmed"] == 0
        assert oneshot(simulation).commits == sent


def test_of_a_held_job_the_advice_says_what_the_destination_does_and_the_timeline_what_the_operator_did() -> None:
    chosen = scenario("sherpa")
    lost = Plan([(number, "reset_after") for number in places(chosen, "submit", "http POST")])
    with Simulation(chosen, 0, lost) as simulation:
        report = ended(simulation)
        assert "Sending it again is harmless" in report["reason"]
        assert "are imported twice" not in " ".join(report["what_next"])
        assert any("refused, not imported twice" in step for step in report["what_next"])
        assert "batch 1 held" in [moment["event"] for moment in report["timeline"]]
        decide(simulation, "resubmit", 0)
        events = [moment["event"] for moment in simulation.report()["timeline"]]
        held = events.index("held for an operator")
        assert events[held : held + 2] == ["held for an operator", "the operator decided: the job went on"]
        assert held < events.index("batch 1 submitted")


def test_of_a_vendor_that_may_import_twice_the_advice_says_so() -> None:
    with two_held() as simulation:
        assert any("the records are imported twice" in step for step in ended(simulation)["what_next"])


@pytest.mark.parametrize("execution", ["", "of the report before"], ids=["by hand", "late"])
def test_a_finish_that_comes_too_early_does_not_end_what_the_operator_had_go_on(execution: str) -> None:
    with two_held() as simulation:
        assert ended(simulation)["outcome"] == "held"
        oneshot(simulation).vendor.seconds = HOUR
        simulation.watch.operated = True
        job = simulation.job
        operate.resolve(simulation.world, job.job_id, "adopt", receipt_of(simulation, 1), 1)
        answers: list[Any] = []
        event = {"job_id": job.job_id, **({"execution": job.execution} if execution else {})}
        simulation.later(60, lambda: simulation.cloud.run("finish", event, lambda answer, _: answers.append(answer)))
        simulation.drain()
        assert simulation.check() == []
        assert [answer["next"] for answer in answers] == ["done" if execution else "wait"]
        assert simulation.report()["counts"]["accepted"] > 0


@pytest.mark.parametrize("name", ["hold", "spans-hold"])
def test_one_batch_is_sent_again_while_another_stays_held_and_is_not(name: str) -> None:
    with two_held(name) as simulation:
        ended(simulation)
        first, second, *_ = [batch.n for batch in simulation.batches()]
        sent = oneshot(simulation).commits
        assert decide(simulation, "resubmit", first) == "held"
        assert states(simulation)[:2] == [SUCCEEDED, HELD]
        assert oneshot(simulation).commits == sent + 1
        assert [batch.attempt for batch in simulation.batches()][:2] == [2, 1]
        assert decide(simulation, "abandon", second) != "held"
        assert states(simulation)[:2] == [SUCCEEDED, UNCONFIRMED]
        assert oneshot(simulation).commits == sent + 1


def test_one_receipt_for_several_batches_and_a_batch_that_is_not_in_doubt_are_refused_and_nothing_is_done() -> None:
    with two_held("spans-hold") as simulation:
        ended(simulation)
        before, job = simulation.batches(), simulation.job
        with pytest.raises(operate.CannotOperate, match=r"2 batches .* name one with --batch N \(100001, 200001\)"):
            operate.resolve(simulation.world, job.job_id, "adopt", "i1")
        with pytest.raises(operate.CannotOperate, match="batch 300001 is not in doubt; in doubt: 100001, 200001"):
            operate.resolve(simulation.world, job.job_id, "abandon", batch=300_001)
        assert (simulation.batches(), simulation.job) == (before, job)


def test_a_receipt_that_another_batch_of_the_job_has_or_had_is_adopted_by_none() -> None:
    with two_held() as simulation:
        ended(simulation)
        first, second = receipt_of(simulation, 1), receipt_of(simulation, 2)
        assert decide(simulation, "adopt", 1, first) == "held"
        before, job = simulation.batches(), simulation.job
        why = rf"id {first} is a receipt of batch 1 of this job: give that of batch 2"
        with pytest.raises(operate.CannotOperate, match=why):
            operate.resolve(simulation.world, job.job_id, "adopt", first)
        simulation.table.update(batch_key(job.job_id, 1), {"receipt": {"id": "i9"}, "orphans": [{"id": first}]})
        with pytest.raises(operate.CannotOperate, match=why):
            operate.resolve(simulation.world, job.job_id, "adopt", f'{{"id": "{first}"}}', 2)
        assert (simulation.batches()[1], simulation.job) == (before[1], job)
        simulation.table.update(batch_key(job.job_id, 1), {"receipt": {"id": first}}, remove=["orphans"])
        assert decide(simulation, "adopt", 2, second).startswith("completed")


def test_a_receipt_adopted_by_a_command_that_was_cut_off_is_adopted_by_the_same_command_given_again() -> None:
    with one_held() as simulation:
        ended(simulation)
        simulation.watch.operated = True
        receipt = receipt_of(simulation, 1)

        def cut_off(key: Key, _before: object, _after: object) -> None:
            if key.sk.startswith("batch#"):
                raise KeyboardInterrupt

        simulation.table.watchers.append(cut_off)
        with pytest.raises(KeyboardInterrupt):
            operate.resolve(simulation.world, simulation.job.job_id, "adopt", receipt, 1)
        simulation.table.watchers.remove(cut_off)
        assert simulation.batches()[0].receipt == {"id": receipt}
        assert decide(simulation, "adopt", 1, receipt) == "completed_with_rejects"


@pytest.mark.parametrize("batch", [0, 2])
def test_of_two_operators_who_decide_at_once_the_second_is_told_so(batch: int) -> None:
    with two_held() as simulation:
        ended(simulation)
        simulation.watch.operated = True
        job, first = simulation.job.job_id, receipt_of(simulation, 1)
        prolong = operate._prolong

        def meanwhile(*given: Any) -> None:
            with patch.object(operate, "_prolong", prolong):
                operate.resolve(simulation.world, job, "adopt", first, 1)
            simulation.kernel.now += 0.001
            prolong(*given)

        why = rf"^job {job}: somebody else decides on it at this very moment\. See `batchdrop show {job}`"
        with patch.object(operate, "_prolong", meanwhile), pytest.raises(operate.CannotOperate, match=why):
            operate.resolve(simulation.world, job, "abandon", batch=batch)
        simulation.drain()
        assert simulation.check() == []
        assert simulation.batches()[0].status is SUCCEEDED


def test_a_batch_in_doubt_at_the_deadline_is_looked_up_as_ever_once_another_is_decided_on() -> None:
    with two_held("spans") as simulation:
        simulation.drop()
        waited_for(simulation, lambda: states(simulation)[:2] == [DOUBTFUL] * 2)
        simulation.outage("http", 0.0, 7 * HOUR)
        simulation.drain(hours=12.0)
        assert simulation.report()["outcome"] == "held"
        first, second, *_ = simulation.batches()
        assert second.status is DOUBTFUL
        simulation.watch.operated = True
        operate.resolve(simulation.world, simulation.job.job_id, "abandon", batch=first.n)
        left = simulation.batches()[1]
        assert (left.status, left.doubt_at, left.collected_at) == (DOUBTFUL, second.doubt_at, 0)
        simulation.drain()
        assert simulation.check() == []
        assert states(simulation)[:2] == [UNCONFIRMED, SUCCEEDED]
        assert [batch.attempt for batch in simulation.batches()][:2] == [1, 1]


# --- a deployment that does not take the route for a while ---


def narrowed(simulation: Simulation) -> Callable[[], None]:
    """An update no longer allows the vendor's host; returns what restores it."""
    before = simulation.world.settings
    simulation.world.settings = replace(before, allow_insecure=())
    return lambda: setattr(simulation.world, "settings", before)


def one_held() -> Simulation:
    chosen = scenario("hold")
    return Simulation(chosen, 0, Plan([(places(chosen, "submit", "http POST /import")[0], "reset_after")]))


def test_a_job_held_without_its_route_ends_by_what_the_operator_decides_once_the_route_is_back() -> None:
    with one_held() as simulation:
        ended(simulation)
        simulation.watch.operated = True
        operate.resolve(simulation.world, simulation.job.job_id, "resubmit")
        rows = rejects(simulation)
        restore = narrowed(simulation)
        simulation.drain(hours=12)
        report = simulation.report()
        assert (report["outcome"], report["failure"]["reason"]) == ("held", "no_route")
        assert (report["rejects_file"], rejects(simulation)) == ("rejects.csv", rows)  # what was told before the update
        restore()
        assert decide(simulation, "adopt", 1, receipt_of(simulation, 1)) == "completed_with_rejects"
        assert simulation.report()["failure"] is None


def test_a_canceled_job_that_is_to_be_sent_again_waits_for_its_route() -> None:
    with one_held() as simulation:
        simulation.drop()
        waited_for(simulation, lambda: bool(simulation.jobs()) and bool(simulation.batches()))
        operate.cancel(simulation.world, simulation.job.job_id)
        simulation.drain()
        assert simulation.report()["outcome"] == "held"
        simulation.watch.operated = True
        operate.resolve(simulation.world, simulation.job.job_id, "resubmit")
        sent = oneshot(simulation).commits
        simulation.later(HOUR, narrowed(simulation))
        simulation.drain(hours=12)
        assert simulation.check() == []
        assert oneshot(simulation).commits == sent + 1
        assert simulation.report()["outcome"] != "held"


def test_that_a_batch_has_no_lines_as_its_drop_was_gone_is_in_the_report_of_the_decision_too() -> None:
    with one_held() as simulation:
        simulation.drop()
        waited_for(simulation, lambda: bool(simulation.jobs()) and states(simulation) == [HELD, SUCCEEDED])
        job = simulation.job
        del simulation.objects.stored[job.bucket, job.key]
        simulation.drain()
        warning = "batch 2: the drop is gone, so its rejects have no lines"
        assert warning in simulation.report()["warnings"]
        simulation.watch.operated = True
        operate.resolve(simulation.world, job.job_id, "abandon")
        simulation.drain()
        assert warning in simulation.report()["warnings"]


def test_a_job_that_a_version_before_held_keeps_its_rejects_through_an_update() -> None:
    with one_held() as simulation:
        ended(simulation)
        rows = rejects(simulation)
        for key, item in simulation.table.items.items():
            if key.sk.startswith("batch#"):
                item.pop("part", None)  # that version did not say so
        assert decide(simulation, "abandon", 1) != "held"
        report = simulation.report()
        assert report["counts"]["rejected"] == len(report["rejects"]) == 1
        assert rejects(simulation) == rows


# --- operators whose clocks are wrong ---


def by_a_clock(simulation: Simulation, skew: float, what: Callable[[], object]) -> None:
    simulation.world.clock.skew = skew
    what()
    simulation.world.clock.skew = 0.0


@pytest.mark.parametrize("skew", [0.0, 24 * HOUR, -24 * HOUR])
def test_a_job_canceled_by_a_wrong_clock_is_sent_again_when_an_operator_says_so(skew: float) -> None:
    with one_held() as simulation:
        simulation.drop()
        waited_for(simulation, lambda: bool(simulation.jobs()) and bool(simulation.batches()))
        job = simulation.job.job_id
        by_a_clock(simulation, skew, lambda: operate.cancel(simulation.world, job))
        simulation.drain()
        assert simulation.report()["outcome"] == "held"
        sent = oneshot(simulation).commits
        assert decide(simulation, "resubmit", 1) != "held"
        assert oneshot(simulation).commits == sent + 1


@pytest.mark.parametrize("skew", [0.0, 24 * HOUR, -24 * HOUR])
def test_a_resolved_job_is_canceled_by_whatever_clock(skew: float) -> None:
    with one_held() as simulation:
        ended(simulation)
        simulation.watch.operated = True
        job, sent = simulation.job.job_id, oneshot(simulation).commits
        by_a_clock(simulation, 48 * HOUR, lambda: operate.resolve(simulation.world, job, "resubmit"))
        by_a_clock(simulation, skew, lambda: operate.cancel(simulation.world, job))
        assert simulation.job.stops
        simulation.drain(hours=80)
        assert oneshot(simulation).commits == sent


@pytest.mark.parametrize("skew", [0.0, 24 * HOUR])
def test_a_cancel_by_a_wrong_clock_has_the_vendor_asked_no_more_often_and_its_callback_heeded(skew: float) -> None:
    with Simulation(scenario("lookup")) as simulation:
        simulation.watch.operated = True
        oneshot(simulation).vendor.seconds = 4 * HOUR
        simulation.drop()
        simulation.drain(hours=0.1)
        by_a_clock(simulation, skew, lambda: operate.cancel(simulation.world, simulation.job.job_id))
        simulation.drain()
        assert simulation.check() == []
        assert simulation.job.callback_at
        assert simulation.job.outcome.startswith("completed")
        assert sum(operation == "invoke poll" for _, operation, _ in simulation.gate.trace.calls) < 40


def test_an_operator_who_is_late_leaves_the_report_that_stands() -> None:
    with two_held() as simulation:
        ended(simulation)
        job, batches = simulation.job, simulation.batches()
        assert decide(simulation, "abandon", 0) == "failed"
        with (
            patch.object(operate, "find", lambda *_: job),
            patch.object(Ledger, "batches", lambda *_: batches),
            pytest.raises(operate.CannotOperate, match="somebody else decides on it"),
        ):
            operate.resolve(simulation.world, job.job_id, "abandon")
        assert simulation.report()["outcome"] == "failed"


def test_a_decision_whose_last_write_is_repeated_as_its_answer_was_lost_is_nobody_elses() -> None:
    reopen = Ledger.reopen

    def twice(*given: Any) -> Job:
        reopen(*given)
        return reopen(*given)

    with two_held() as simulation:
        ended(simulation)
        with patch.object(Ledger, "reopen", twice):
            assert decide(simulation, "abandon", 0) == "failed"
