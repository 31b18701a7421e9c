"""Large drops, cut into spans that several workers submit at the same time: the same account, whatever happens."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from batchdrop import operate
from batchdrop.poll import BUSY
from batchdrop.words import BatchState
from tests.simulation.explore import pairs
from tests.simulation.faults import FEWEST, Choice, Plan
from tests.simulation.run import HOUR, Simulation, run
from tests.simulation.scenario import CSV, Scenario, cut, scenario
from tests.simulation.test_rows import ended, oneshot, places

REFUSED = ("outcome", "counts", "reject_reasons")
SENT = ("records", "bytes", "sha256")


def whole(chosen: Scenario) -> Scenario:
    """The same, submitted by one worker."""
    return replace(chosen, route={k: v for k, v in chosen.route.items() if k != "side_by_side"})


def two_spans() -> Scenario:
    """Two spans of one batch each: as short a way as there is."""
    two = replace(scenario("lookup"), files={"two.csv": b"id,name\n1,anna\n2,bad\n"}, records=2)
    return cut(two, "two-spans", 7)


def waited_for(simulation: Simulation, what: Callable[[], bool], most: float = HOUR) -> None:
    """Let it run until that is so."""
    simulation.kernel.run(simulation.kernel.now + most, what)
    assert what()


def states(simulation: Simulation) -> list[BatchState]:
    """Of the batches there are, in the drop's order."""
    return [batch.status for job in simulation.jobs() for batch in simulation.batches(job)]


def is_spread(simulation: Simulation) -> Callable[[], bool]:
    return lambda: any(job.spread for job in simulation.jobs())


# --- the way without faults ---


@pytest.mark.parametrize("name", ["spans", "spans-datagroup", "spans-sherpa"])
def test_a_drop_that_is_cut_comes_to_the_same_as_one_that_is_not(name: str) -> None:
    with Simulation(scenario(name)) as simulation:
        found = ended(simulation)
        assert simulation.job.spread > 1
        spans = {batch.span for batch in simulation.batches()}
    with Simulation(whole(scenario(name))) as simulation:
        one = ended(simulation)
        assert simulation.job.spread == 0
    assert spans == set(range(1, len(spans) + 1))
    assert {k: found[k] for k in REFUSED} == {k: one[k] for k in REFUSED}
    assert [reject["line"] for reject in found["rejects"]] == [reject["line"] for reject in one["rejects"]]


_PEOPLE = [{"id": str(n % 9), "name": "bad" if n in (4, 7) else f"n{n}"} for n in range(11)]  # 9 and 10 come again
_FORMS = {
    "people.csv": "id,name\n" + "".join(f"{p['id']},{p['name']}\n" for p in _PEOPLE),
    "people.ndjson": "".join(f"{json.dumps(p)}\n" for p in _PEOPLE),
    "people.json": json.dumps(_PEOPLE, indent=1),
}


@pytest.mark.parametrize("name", _FORMS)
def test_every_plain_format_is_cut_and_an_id_that_comes_again_in_another_span_is_refused(name: str) -> None:
    base = replace(scenario("spans"), files={name: _FORMS[name].encode()}, records=len(_PEOPLE))
    chosen = replace(base, route={**base.route, "input": {"format": "auto", "id": "id"}})
    with Simulation(chosen) as simulation:
        found, rejects = ended(simulation), rejects_of(simulation)
        assert simulation.job.spread > 2
    with Simulation(whole(chosen)) as simulation:
        one, rejects_of_one = ended(simulation), rejects_of(simulation)
    assert found["counts"] == one["counts"]
    assert found["counts"]["invalid"] == found["counts"]["rejected"] == 2
    assert sorted(rejects) == sorted(rejects_of_one)


def rejects_of(simulation: Simulation) -> list[bytes]:
    """The rows of the rejects file."""
    stored = simulation.objects.stored.items()
    (data,) = [versions[-1][1] for (_, key), versions in stored if "/rejects." in key]
    return (data or b"").splitlines()


def test_batches_are_numbered_by_span_and_told_in_the_drops_order() -> None:
    with Simulation(scenario("spans")) as simulation:
        report = ended(simulation)
        assert [batch["n"] for batch in report["batches"]] == [100_001, 200_001, 300_001, 300_002]
        starts = [batch.start["offset"] for batch in simulation.batches()]
        assert starts == sorted(starts)


def _at_once(simulation: Simulation) -> int:
    """The most spans that were ever under a lease at one moment."""
    most = 0

    def look(*_: Any) -> None:
        nonlocal most
        now = simulation.kernel.now * 1000
        most = max(most, sum(int(str(i.get("lease_until", 0))) > now for k, i in items.items() if k.sk[:5] == "span#"))

    items = simulation.table.items
    simulation.table.watchers.append(look)
    ended(simulation)
    return most


def test_no_more_spans_are_submitted_at_a_time_than_the_route_says() -> None:
    chosen = scenario("spans")
    three = replace(chosen, route={**chosen.route, "side_by_side": {"above": 14, "workers": 3}})
    for each, workers in ((chosen, 2), (three, 3)):
        with Simulation(each) as simulation:
            assert _at_once(simulation) == workers


def test_each_worker_is_given_names_and_numbers_alone() -> None:
    with Simulation(scenario("spans")) as simulation:
        ended(simulation)
        given = [child.input for child in simulation.cloud.machine.children]
        assert [item["span"] for item in given] == [1, 2, 3]
        assert all(item.keys() == {"job_id", "lap", "span"} for item in given)


@pytest.mark.parametrize("option", [{"above": 14, "workers": 1}, {"above": len(CSV), "workers": 8}])
def test_a_drop_is_not_cut_for_one_worker_nor_below_the_threshold(option: dict[str, object]) -> None:
    chosen = replace(scenario("spans"), files={"people.csv": CSV})
    with Simulation(replace(chosen, route={**chosen.route, "side_by_side": option})) as simulation:
        ended(simulation)
        assert simulation.job.spread == 0
        assert simulation.cloud.machine.children == []


def test_spans_are_handed_out_soon_after_a_long_look_though_nobody_can_wake_the_workflow() -> None:
    chosen = scenario("spans-sherpa")
    patient = replace(chosen, route={**chosen.route, "poll": {"first": "15m", "factor": 1, "max": "15m"}})
    with _with(patient, [(places(patient, "submit", "objects.open")[0], "delay")]) as simulation:
        simulation.drop()
        waited_for(simulation, is_spread(simulation))
        spread_at = simulation.kernel.now
        waited_for(simulation, lambda: bool(simulation.cloud.machine.children))
        assert simulation.kernel.now - spread_at < BUSY + 5
        simulation.drain()
        assert simulation.check() == []


# --- faults ---


@pytest.mark.acceptance("D8")
@pytest.mark.parametrize("nth", [0, 1])
def test_a_span_that_is_given_to_two_workers_at_once_is_submitted_by_one(nth: int) -> None:
    chosen = two_spans()
    with _with(chosen, [(places(chosen, "workflow", "invoke submit")[nth], "twice")]) as simulation:
        ended(simulation)
        assert oneshot(simulation).commits == 2


def test_a_worker_that_died_keeps_no_other_span_from_being_submitted() -> None:
    """The lease of the dead one is waited for; by whom the others are submitted is soon settled."""
    chosen = scenario("spans")
    number = places(chosen, "submit", "http POST /import")[0]
    with Simulation(chosen, 0, Plan([(number, "crash_before")])) as simulation:
        simulation.drop()
        waited_for(simulation, lambda: states(simulation).count(BatchState.SUBMITTED) == 3, 120.0)
        simulation.drain()
        assert simulation.check() == []
        assert simulation.job.outcome == "completed_with_rejects"


def test_an_execution_that_is_aborted_meanwhile_is_followed_by_another() -> None:
    with Simulation(scenario("spans")) as simulation:
        simulation.drop()
        waited_for(simulation, lambda: bool(simulation.cloud.machine.children))
        simulation.cloud.machine.abort(simulation.job.execution)
        assert {child.status for child in simulation.cloud.machine.children} == {"ABORTED"}
        simulation.drain()
        assert simulation.check() == []
        assert simulation.job.outcome == "completed_with_rejects"
        assert simulation.job.run == 2


def test_the_death_of_a_worker_s_own_execution_revives_no_job() -> None:
    """Should the rule ever tell of one: its name is no job's."""
    with Simulation(scenario("spans")) as simulation:
        ended(simulation)
        detail = {"name": "8d6f2a60-1c5e-4b7a-9a42-0e1f5c3b7d11", "status": "FAILED"}
        event = {"detail-type": "Step Functions Execution Status Change", "detail": detail}
        answers: list[Any] = []
        simulation.cloud.run("sweep", event, lambda result, _error: answers.append(result))
        simulation.kernel.run(simulation.kernel.now + 5.0)
        assert answers == [{"revived": False}]


def _with(chosen: Scenario, choices: list[Choice]) -> Simulation:
    return Simulation(chosen, 0, Plan(choices))


@pytest.mark.parametrize("nth", [0, 1])
def test_a_worker_that_comes_late_finds_the_job_ended_and_sends_nothing(nth: int) -> None:
    """It saw the job open, and takes its lease when the job was canceled and reported."""
    chosen = two_spans()
    invoked = places(chosen, "workflow", "invoke submit")[1]
    lost = run(chosen, 0, [(invoked, "reply_lost")]).calls
    leases = [n for n, call in enumerate(lost) if n > invoked and call[:2] == ("submit", "table.put_new")]
    with _with(chosen, [(invoked, "reply_lost"), (leases[nth], "delay")]) as simulation:
        simulation.drop()
        waited_for(simulation, lambda: len(simulation.cloud.machine.children) == 2)
        simulation.later(0.3, lambda: operate.cancel(simulation.world, simulation.job.job_id))
        simulation.drain()
        assert simulation.check() == []
        assert simulation.job.outcome == "canceled"
        assert oneshot(simulation).commits == 1


def _late_while_finishing(choices: list[Choice]) -> tuple[Simulation, list[tuple[str, str, str]]]:
    """A worker by hand just before the deadline, and the finish function just after, for a job without execution."""
    chosen = two_spans()
    with _with(replace(chosen, route={**chosen.route, "deadline": "2m"}), choices) as simulation:
        simulation.cloud.rule_works = False
        simulation.drop()
        waited_for(simulation, is_spread(simulation))
        simulation.cloud.machine.abort(simulation.job.execution)
        event = {"job_id": simulation.job.job_id}
        simulation.kernel.run(simulation.job.deadline_at / 1000 - 3.0)
        simulation.cloud.run("submit", {**event, "span": 1}, lambda _found, _error: None)
        simulation.later(5.0, lambda: simulation.cloud.run("finish", event, lambda _found, _error: None))
        simulation.drain()
        assert simulation.check() == []
    return simulation, simulation.gate.trace.calls


def test_a_worker_that_comes_late_waits_for_whoever_finishes_the_job() -> None:
    """It takes its lease when the other has seen that nobody has one, and writes the report."""
    _, calls = _late_while_finishing([])
    _claim, _content, lease, *_ = [n for n, call in enumerate(calls) if call[:2] == ("submit", "table.put_new")]
    _, calls = _late_while_finishing([(lease, "delay")])
    written = next(n for n, call in enumerate(calls) if call[:2] == ("finish", "objects.put"))
    simulation, _ = _late_while_finishing([(lease, "delay"), (written, "delay")])
    assert oneshot(simulation).commits == 0
    assert simulation.report()["counts"]["unprocessed"] == 2


def test_a_job_is_not_finished_while_a_span_of_it_is_submitted() -> None:
    _, calls = _late_while_finishing([])
    sent = next(n for n, call in enumerate(calls) if call[0] == "submit" and call[1].startswith("http POST /import"))
    simulation, _ = _late_while_finishing([(sent, "delay")])
    counts = simulation.report()["counts"]
    assert (counts["unprocessed"], counts["records"]) == (1, 2)


def test_a_worker_stops_between_two_batches_of_a_canceled_job() -> None:
    chosen = scenario("spans")
    last_but_one = next(n for n, call in enumerate(run(chosen).calls) if call[1].endswith("-300001"))
    with _with(chosen, [(last_but_one, "delay")]) as simulation:
        simulation.drop()
        waited_for(simulation, lambda: len(states(simulation)) == 3 and BatchState.SUBMITTING in states(simulation))
        operate.cancel(simulation.world, simulation.job.job_id)
        simulation.drain()
        assert simulation.check() == []
        assert [str(i["tag"]).partition("-")[2] for i in oneshot(simulation).vendor.imports][-1] == "300001"
        assert simulation.report()["counts"]["unprocessed"] == 1


def test_who_finishes_the_job_waits_for_whoever_submits_a_span() -> None:
    """Somebody calls the finish function by hand, while a worker is about to call the vendor."""
    chosen = two_spans()
    with _with(chosen, [(places(chosen, "submit", "http POST /import")[0], "delay")]) as simulation:
        simulation.drop()
        waited_for(simulation, lambda: BatchState.SUBMITTING in states(simulation))
        answers: list[Any] = []
        event = {"job_id": simulation.job.job_id}
        simulation.later(
            5.0, lambda: simulation.cloud.run("finish", event, lambda found, _error: answers.append(found))
        )
        simulation.drain()
        assert simulation.check() == []
        assert [(found["next"], found["outcome"]) for found in answers] == [("wait", "")]
        assert simulation.job.outcome == "completed_with_rejects"


def test_a_call_by_hand_that_names_no_span_goes_on_with_one() -> None:
    with Simulation(scenario("spans")) as simulation:
        simulation.cloud.rule_works = False
        simulation.drop()
        waited_for(simulation, is_spread(simulation))
        simulation.cloud.machine.abort(simulation.job.execution)
        event = {"job_id": simulation.job.job_id}
        simulation.cloud.run("submit", event, lambda _result, _error: None)
        simulation.kernel.run(simulation.kernel.now + 2.0)
        assert [batch.n for batch in simulation.batches()] == [100_001]
        simulation.drain()
        assert simulation.check() == []


# --- its end ---


def test_a_span_that_cannot_be_sent_ends_the_job_with_that_reason() -> None:
    chosen = two_spans()
    number = places(chosen, "submit", "http POST /import")[0]
    with _with(chosen, [(number, "expired")]) as simulation:
        simulation.drop()
        patience = simulation.kernel.now + HOUR
        simulation.drain()
        assert simulation.check() == []
        assert simulation.kernel.now < patience + 2 * HOUR
        assert simulation.job.outcome in ("completed_with_rejects", "failed")


def test_the_drop_s_loss_while_spans_are_submitted_is_told_and_every_record_counted() -> None:
    with Simulation(scenario("spans")) as simulation:
        simulation.drop()
        waited_for(simulation, is_spread(simulation))
        lost = next(place for place in simulation.objects.stored if place[0] == simulation.job.bucket)
        kept = simulation.objects.stored.pop(lost)
        waited_for(simulation, lambda: bool(simulation.job.failure))
        simulation.objects.stored[lost] = kept
        simulation.drain()
        assert simulation.check() == []
        report = simulation.report()
        assert (report["outcome"], report["failure"]["reason"]) == ("failed", "object_gone")
        assert report["counts"]["unprocessed"] == report["counts"]["records"] == 4


@pytest.mark.parametrize("after", [0.0, 0.2, 0.4, 1.0])
def test_a_canceled_job_sends_no_more_of_any_span_and_tells_what_was_not_sent(after: float) -> None:
    with Simulation(scenario("spans")) as simulation:
        simulation.drop()
        waited_for(simulation, is_spread(simulation))
        simulation.later(after, lambda: operate.cancel(simulation.world, simulation.job.job_id))
        simulation.drain()
        assert simulation.check() == []
        report = simulation.report()
        assert report["counts"]["records"] == 4
        if report["counts"]["unprocessed"]:
            assert report["outcome"] == "canceled"


def test_what_is_left_at_the_deadline_is_told_and_the_job_timed_out() -> None:
    with Simulation(scenario("spans")) as simulation:
        simulation.drop()
        waited_for(simulation, is_spread(simulation))
        simulation.outage("http", 0.0, 20 * HOUR)
        simulation.drain(hours=12.0)
        assert simulation.check() == []
        report = simulation.report()
        assert report["outcome"] == "timed_out"
        assert report["counts"]["unprocessed"] == 4


@pytest.mark.parametrize("decision", ["resubmit", "adopt", "abandon"])
def test_a_held_job_goes_on_as_the_operator_decides(decision: Any) -> None:
    chosen = scenario("spans-hold")
    number = places(chosen, "submit", "http POST /import")[0]
    with _with(chosen, [(number, "reset_after")]) as simulation:
        assert ended(simulation)["outcome"] == "held"
        simulation.watch.operated = True
        receipt = str(oneshot(simulation).vendor.imports[0]["id"]) if decision == "adopt" else ""
        operate.resolve(simulation.world, simulation.job.job_id, decision, receipt)
        simulation.drain()
        assert simulation.check() == []
        held = BatchState.UNCONFIRMED if decision == "abandon" else BatchState.SUCCEEDED
        assert sorted(states(simulation)) == sorted([held, *[BatchState.SUCCEEDED] * 3])
        assert oneshot(simulation).commits == 4 + (decision == "resubmit")


def test_what_an_earlier_report_called_unsent_is_no_longer_among_the_rejects_once_it_is_sent() -> None:
    chosen = scenario("spans-hold")
    number = places(chosen, "submit", "http POST /import")[0]
    with _with(chosen, [(number, "reset_before")]) as simulation:
        simulation.drop()
        waited_for(simulation, lambda: BatchState.DOUBTFUL in states(simulation))
        simulation.outage("http", 0.0, 7 * HOUR)
        simulation.drain(hours=12.0)
        before = simulation.report()
        assert before["outcome"] == "held"
        simulation.watch.operated = True
        operate.resolve(simulation.world, simulation.job.job_id, "resubmit")
        simulation.drain()
        assert simulation.check() == []
        counts = simulation.report()["counts"]
        assert counts["unprocessed"] == 0
        told = sum(reason["count"] for reason in simulation.report()["reject_reasons"])
        assert told == counts["rejected"] + counts["invalid"]


def test_nobody_looks_more_often_than_once_in_a_while_for_a_worker_that_may_still_submit() -> None:
    chosen = two_spans()
    invoked = places(chosen, "workflow", "invoke submit")[0]
    late = run(chosen, 0, [(invoked, "reply_lost")]).calls
    asleep = next(n for n, c in enumerate(late) if n > invoked and c[0] == "submit" and c[1].startswith("http POST"))
    with _with(chosen, [(invoked, "reply_lost"), (asleep, "delay")]) as simulation:
        ended(simulation)
        polls = sum(operation == "invoke poll" for _, operation, _ in simulation.gate.trace.calls)
        assert oneshot(simulation).commits == 2
        assert polls < 12 + 400 / BUSY


@pytest.mark.acceptance("D1", "D2", "D3", "D7", "D8", "D9")
def test_no_pair_of_faults_on_the_way_of_two_spans_loses_anything_or_sends_it_twice_in_silence() -> None:
    """From where the spans are handed out; what comes before is as it is for a drop that is not cut."""
    chosen, count = two_spans(), 0
    for _, choices, result in pairs(chosen, FEWEST, start=places(chosen, "workflow", "invoke submit")[0]):
        assert result.broken == [], choices
        count += 1
    assert count > 200
