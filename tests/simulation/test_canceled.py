"""A job is canceled while nobody knows whether a batch arrived: that is found out all the same, and nothing is sent."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from batchdrop import operate
from batchdrop.errors import Ambiguous, AuthExpired, RateLimited
from batchdrop.ledger import batch_key
from batchdrop.ports import Item, Key, Request
from batchdrop.words import BatchState, Counts
from tests.simulation.faults import TELLING, Plan
from tests.simulation.run import HOUR, Simulation
from tests.simulation.scenario import cut, one_batch, scenario
from tests.simulation.test_decisions import decide, narrowed, receipt_of, two_held
from tests.simulation.test_rows import ended, oneshot, places, strict
from tests.simulation.test_spans import states, waited_for
from tests.simulation.test_true_outcomes import before_each, canceled_when

DOUBTFUL, HELD, SUBMITTING = BatchState.DOUBTFUL, BatchState.HELD, BatchState.SUBMITTING
SUCCEEDED = BatchState.SUCCEEDED
COUNTS = Counts().as_dict()


def in_doubt(name: str, fault: str, nth: int = 0) -> Simulation:
    """A simulation in which the answer of the nth submission is lost."""
    chosen = scenario(name)
    return Simulation(chosen, 0, Plan([(places(chosen, "submit", "http POST /import")[nth], fault)]))


def is_unanswered(simulation: Simulation) -> bool:
    return bool(simulation.jobs()) and any(batch.is_unanswered for batch in simulation.batches())


@pytest.mark.acceptance("D2", "D3")
@pytest.mark.parametrize("fault", ["reset_after", "crash_after", "late", "unreadable"])
@pytest.mark.parametrize("name", ["lookup", "spans"])
def test_what_arrived_is_adopted_and_ends_as_the_vendor_says(name: str, fault: str) -> None:
    with in_doubt(name, fault) as simulation:
        report = canceled_when(simulation, lambda: is_unanswered(simulation))
        first = report["batches"][0]
        assert (first["state"], first["attempts"]) == ("succeeded", 1)
        assert any("batch" in w and "found at the vendor and adopted" in w for w in report["warnings"])
        assert report["counts"]["unconfirmed"] == 0
        assert report["outcome"] == ("canceled" if report["counts"]["unprocessed"] else "completed_with_rejects")


@pytest.mark.acceptance("D1")
@pytest.mark.parametrize("name", ["lookup", "spans"])
def test_what_did_not_arrive_is_not_sent_again_and_counts_as_never_sent(name: str) -> None:
    with in_doubt(name, "crash_before") as simulation:
        report = canceled_when(simulation, lambda: is_unanswered(simulation))
        assert report["outcome"] == "canceled"
        first = report["batches"][0]
        assert first["counts"]["unprocessed"] == first["records"]
        assert "it did not arrive, and the job was canceled" in first["message"]
        assert not any(i["tag"].endswith(f"-{first['n']}") for i in oneshot(simulation).vendor.imports)


@pytest.mark.parametrize("name", ["hold", "resubmit", "spans-hold"])
def test_what_cannot_be_looked_up_is_held_and_not_sent_again_whatever_the_route_says(name: str) -> None:
    with in_doubt(name, "reset_before") as simulation:
        report = canceled_when(simulation, lambda: is_unanswered(simulation))
        assert (report["outcome"], report["batches"][0]["state"]) == ("held", "held")
        assert report["reason"].endswith("this vendor cannot be asked")
        assert not report["batches"][0]["flagged"]


def test_a_cancel_while_another_batch_is_sent_leaves_the_first_ones_doubt_to_be_looked_up() -> None:
    rows = b"id,name\n" + b"".join(b"%d,anna\n" % n for n in range(9))
    chosen = replace(scenario("lookup"), files={"people.csv": rows}, records=9)
    first, second, *_ = places(chosen, "submit", "http POST /import")
    with Simulation(chosen, 0, Plan([(first, "reset_after"), (second, "delay")])) as simulation:
        report = canceled_when(simulation, lambda: states(simulation) == [DOUBTFUL, SUBMITTING])
        assert report["outcome"] == "canceled"
        assert (report["failure"]["reason"], report["counts"]["unconfirmed"]) == ("canceled", 0)
        assert states(simulation) == [SUCCEEDED, SUCCEEDED]


@pytest.mark.parametrize(
    ("name", "nth", "counts"),
    [
        ("lookup", 0, {"accepted": 2, "unprocessed": 2}),
        ("spans", 2, {"accepted": 2, "rejected": 1, "unprocessed": 1}),
    ],
)
def test_what_is_in_doubt_is_looked_up_without_the_drop_and_no_span_else_is_taken_up(
    name: str, nth: int, counts: dict[str, int]
) -> None:
    with in_doubt(name, "crash_after", nth) as simulation:
        simulation.drop()
        waited_for(simulation, lambda: len(states(simulation)) > nth and is_unanswered(simulation))
        job = simulation.job
        operate.cancel(simulation.world, job.job_id)
        del simulation.objects.stored[job.bucket, job.key]
        begun = len(simulation.gate.trace.calls)
        simulation.drain()
        assert simulation.check() == []
        report = simulation.report()
        assert report["outcome"] == "canceled"
        assert report["counts"] == COUNTS | {"records": 4} | counts
        assert any("found at the vendor" in warning for warning in report["warnings"])
        invoked = [call for call in simulation.gate.trace.calls[begun:] if call[1] == "invoke submit"]
        assert 0 < len(invoked) < 6


@pytest.mark.acceptance("G5")
@pytest.mark.parametrize(("fault", "sent"), [("crash_after", 6), ("crash_before", 4)])
def test_what_was_never_sent_of_a_drop_that_is_gone_is_counted_by_the_look_into_it(fault: str, sent: int) -> None:
    rows = b"id,name\n" + b"".join(b"%d,anna\n" % n for n in range(30))
    chosen = replace(scenario("lookup"), files={"people.csv": rows}, records=30)
    third = places(chosen, "submit", "http POST /import")[2]
    with Simulation(chosen, 0, Plan([(third, fault)])) as simulation:
        simulation.drop()
        waited_for(simulation, lambda: len(states(simulation)) > 2 and is_unanswered(simulation))
        job = simulation.job
        operate.cancel(simulation.world, job.job_id)
        del simulation.objects.stored[job.bucket, job.key]
        simulation.drain()
        assert simulation.check() == []
        report = simulation.report()
        assert (report["outcome"], report["reason"]) == ("canceled", "canceled on request")
        assert report["counts"] == COUNTS | {"records": 30, "accepted": sent, "unprocessed": 30 - sent}
        assert any("counted, but not in the rejects file" in warning for warning in report["warnings"])
        assert f"{30 - sent} records were never sent and are not in the rejects file." in report["what_next"][-1]
        assert "`batchdrop rerun" not in "".join(report["what_next"])
        with pytest.raises(operate.CannotOperate, match="is empty"):
            operate.rerun(simulation.world, job.job_id, only_rejected=True)


def test_a_span_that_gave_up_is_not_waited_for() -> None:
    rows = b"id,name\n" + b"".join(b"%02d,somebody\n" % n for n in range(60))
    chosen = replace(scenario("lookup"), files={"people.csv": rows}, records=60)
    with Simulation(cut(chosen, "five", len(rows) // 5)) as simulation:

        def refuse(request: Request) -> None:
            if "-100001" in request.url:
                raise Ambiguous("no answer")
            if "-100002" in request.url:
                raise AuthExpired("answered 401", status=401)

        before_each(simulation, refuse)
        report = canceled_when(simulation, lambda: bool(simulation.jobs()) and _gave_up(simulation))
        assert (report["outcome"], states(simulation)[0]) == ("held", DOUBTFUL)
        assert simulation.job.closed_at < simulation.job.cancel_at + 1000 * HOUR


def _gave_up(simulation: Simulation) -> bool:
    return any(span.failure for span in simulation.world.ledger.spans(simulation.job.job_id).values())


def test_the_vendor_is_asked_at_once_to_stop_what_it_has_whatever_is_in_doubt() -> None:
    chosen = scenario("sherpa")
    second = places(chosen, "submit", "http POST /v2/recomm/products/items/batch")[1]
    with Simulation(chosen, 0, Plan([(second, "reset_after")])) as simulation:
        report = canceled_when(simulation, lambda: DOUBTFUL in states(simulation))
        assert [batch["state"] for batch in report["batches"]] == ["canceled", "held"]
        assert report["outcome"] == "held"
        assert "its file has been withdrawn" in report["batches"][1]["message"]


def test_a_vendor_that_only_a_second_call_would_tell_by_gets_none() -> None:
    chosen = scenario("haplo")
    call = places(chosen, "submit", "http POST /api/haplo-data-import-batch/schedule")[0]
    with Simulation(chosen, 0, Plan([(call, "reset_before")])) as simulation:
        report = canceled_when(simulation, lambda: is_unanswered(simulation))
        assert (report["outcome"], report["counts"]["unconfirmed"]) == ("held", 3)
        assert "only scheduling it again would tell" in report["reason"]
        assert strict(simulation).commits == []
        decide(simulation, "resubmit", 1)
        assert len(strict(simulation).commits) == 1


def test_a_vendor_that_is_away_is_asked_until_the_deadline_and_no_longer() -> None:
    with in_doubt("lookup", "reset_after") as simulation:
        simulation.drop()
        waited_for(simulation, lambda: DOUBTFUL in states(simulation))
        simulation.outage("http", 0.0, 7 * HOUR)
        operate.cancel(simulation.world, simulation.job.job_id)
        simulation.drain(hours=12)
        assert simulation.check() == []
        report = simulation.report()
        assert (report["outcome"], report["failure"]["reason"]) == ("held", "canceled")
        assert simulation.job.closed_at >= simulation.job.deadline_at
        assert decide(simulation, "adopt", 1, receipt_of(simulation, 1)) == "canceled"


def test_a_finish_that_comes_too_early_does_not_hold_what_is_still_looked_up() -> None:
    chosen = one_batch("lookup")
    sent = places(chosen, "submit", "http POST /import")[0]
    with Simulation(chosen, 0, Plan([(sent, "reset_after")])) as simulation:
        answers: list[Any] = []
        simulation.drop()
        waited_for(simulation, lambda: DOUBTFUL in states(simulation))
        operate.cancel(simulation.world, simulation.job.job_id)
        event = {"job_id": simulation.job.job_id}
        simulation.later(60, lambda: simulation.cloud.run("finish", event, lambda found, _: answers.append(found)))
        simulation.drain()
        assert simulation.check() == []
        assert [answer["next"] for answer in answers] == ["wait"]
        assert simulation.report()["counts"]["unconfirmed"] == 0


def test_what_was_held_for_want_of_a_valid_route_is_looked_up_once_another_batch_is_decided_on() -> None:
    """It is not sent, though, as the operator decided on the other one alone."""
    with two_held("lookup") as simulation:
        simulation.drop()
        waited_for(simulation, lambda: states(simulation) == [DOUBTFUL] * 2)
        restore = narrowed(simulation)
        operate.cancel(simulation.world, simulation.job.job_id)
        simulation.drain()
        restore()
        assert states(simulation) == [DOUBTFUL] * 2
        sent = oneshot(simulation).commits
        assert decide(simulation, "resubmit", 2) == "completed_with_rejects"
        assert states(simulation) == [SUCCEEDED, SUCCEEDED]
        assert [batch.attempt for batch in simulation.batches()] == [1, 2]
        assert oneshot(simulation).commits == sent + 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_cancel_while_what_is_in_doubt_is_taken_up_is_heeded_before_the_next_call(method: str) -> None:
    """During the first look-up, or while the first batch is sent again: all after it is only asked about."""
    rows = b"id,name\n" + b"".join(b"%d,anna\n" % n for n in range(9))
    chosen = replace(scenario("lookup"), files={"people.csv": rows}, records=9)
    sent = places(chosen, "submit", "http POST /import")
    with Simulation(chosen, 0, Plan([(n, "reset_before") for n in sent])) as simulation:
        calls: list[str] = []

        def cancel(request: Request) -> None:
            calls.append(request.method)
            if "GET" in calls and request.method == method and not simulation.job.cancel_at:
                calls.clear()
                operate.cancel(simulation.world, simulation.job.job_id)

        before_each(simulation, cancel)
        report = ended(simulation)
        assert "POST" not in calls
        assert report["outcome"] == "canceled"
        assert oneshot(simulation).commits == (method == "POST")
        assert len(sent) > 3


def test_a_vendor_that_only_a_second_call_would_tell_by_gets_none_after_a_cancel_just_before_it() -> None:
    chosen = scenario("haplo")
    call = places(chosen, "submit", "http POST /api/haplo-data-import-batch/schedule")[0]
    with Simulation(chosen, 0, Plan([(call, "reset_before")])) as simulation:

        def cancel(key: Key, before: Item | None, after: Item) -> None:
            """As soon as another invocation has taken the batch over."""
            is_taken_over = bool(before) and (before or {}).get("owner") != after.get("owner")
            if key.sk.startswith("batch#") and is_taken_over and not simulation.job.cancel_at:
                operate.cancel(simulation.world, simulation.job.job_id)

        simulation.table.watchers.append(cancel)
        report = ended(simulation)
        assert simulation.job.cancel_at
        assert (report["outcome"], strict(simulation).commits) == ("held", [])


@pytest.mark.parametrize("is_canceled", [True, False])
def test_a_look_up_without_an_answer_keeps_no_other_from_being_made(is_canceled: bool) -> None:
    with two_held("lookup") as simulation:

        def refuse(request: Request) -> None:
            if request.url.endswith("-1") and "/arrived/" in request.url:
                raise Ambiguous("answered 500", status=500)

        before_each(simulation, refuse)
        simulation.drop()
        waited_for(simulation, lambda: states(simulation) == [DOUBTFUL] * 2)
        if is_canceled:
            operate.cancel(simulation.world, simulation.job.job_id)
        simulation.drain()
        assert simulation.check() == []
        assert states(simulation) == [DOUBTFUL, SUCCEEDED if is_canceled else BatchState.SUBMITTED]
        assert "batch 2: found at the vendor and adopted" in simulation.report()["warnings"]
        assert oneshot(simulation).commits == 2


def test_a_vendor_that_wants_to_be_asked_later_is_asked_about_nothing_else_until_then() -> None:
    with two_held("lookup") as simulation:
        asked: list[float] = []

        def refuse(request: Request) -> None:
            if "/arrived/" in request.url:
                asked.append(simulation.kernel.now)
                if len(asked) == 1:
                    raise RateLimited("answered 429", after=600.0)

        before_each(simulation, refuse)
        canceled_when(simulation, lambda: states(simulation) == [DOUBTFUL] * 2)
        assert len(asked) == 3
        assert asked[1] >= asked[0] + 600


@pytest.mark.parametrize(("after", "most"), [(HOUR, 1), (None, 4)], ids=["Retry-After", "the route's pace"])
def test_while_one_batch_is_looked_up_another_is_asked_about_when_the_vendor_and_the_route_say(
    after: float | None, most: int
) -> None:
    with in_doubt("lookup", "reset_after", 1) as simulation:
        asked: list[float] = []

        def refuse(request: Request) -> None:
            if "/arrived/" in request.url and (not asked or simulation.kernel.now < asked[0] + HOUR / 2):
                raise RateLimited("answered 429", after=5.0)
            if "/status/" in request.url:
                asked.append(simulation.kernel.now)
                if len(asked) == 1 and after:
                    raise RateLimited("answered 429", after=after)
                oneshot(simulation).vendor.never = simulation.kernel.now < asked[0] + HOUR / 2

        before_each(simulation, refuse)
        report = canceled_when(simulation, lambda: DOUBTFUL in states(simulation))
        assert sum(at < asked[0] + HOUR / 2 for at in asked) <= most
        assert not after or asked[1] >= asked[0] + after
        assert report["outcome"] == "completed_with_rejects"


def test_what_the_policy_was_about_to_send_again_is_not_sent_for_a_decision_on_another_batch() -> None:
    with two_held("resubmit") as simulation:
        busy = _busy_for(simulation, 1)
        simulation.drop()
        waited_for(simulation, lambda: bool(busy) and "429" in simulation.batches()[0].message)
        operate.cancel(simulation.world, simulation.job.job_id)
        simulation.drain()
        assert simulation.report()["outcome"] == "held"
        assert simulation.batches()[0].flagged
        _decided_one_by_one(simulation)


@pytest.mark.parametrize("is_tried", [True, False])
def test_a_decision_that_was_canceled_itself_is_not_carried_out_for_one_on_another_batch(is_tried: bool) -> None:
    with two_held("hold") as simulation:
        ended(simulation)
        busy = _busy_for(simulation, 1)
        simulation.watch.operated = True
        operate.resolve(simulation.world, simulation.job.job_id, "resubmit", batch=1)
        if is_tried:
            waited_for(simulation, lambda: bool(busy) and "429" in simulation.batches()[0].message)
        operate.cancel(simulation.world, simulation.job.job_id)
        simulation.drain()
        assert simulation.report()["outcome"] == "held"
        _decided_one_by_one(simulation)


def test_a_decision_of_the_version_before_is_asked_for_once_more_as_nobody_can_tell_it_from_the_policy() -> None:
    with two_held("resubmit") as simulation:
        canceled_when(simulation, lambda: states(simulation) == [DOUBTFUL] * 2)
        job, sent = simulation.job, oneshot(simulation).commits
        simulation.watch.operated = True
        operate.resolve(simulation.world, job.job_id, "resubmit", batch=1)
        simulation.table.update(batch_key(job.job_id, 1), {}, remove=("decided_after",))
        simulation.drain()
        assert simulation.check() == []
        assert (simulation.report()["outcome"], oneshot(simulation).commits) == ("held", sent)
        decide(simulation, "resubmit", 1)
        assert oneshot(simulation).commits == sent + 1


def _busy_for(simulation: Simulation, batch: int) -> list[str]:
    """The vendor wants what it already has of this batch later; which calls it said so to."""
    told: list[str] = []

    def refuse(request: Request) -> None:
        had = any(request.url.endswith(i["tag"]) for i in oneshot(simulation).vendor.imports)
        if request.method == "POST" and request.url.endswith(f"-{batch}") and had and not told:
            told.append(request.url)
            raise RateLimited("answered 429", after=600.0)

    before_each(simulation, refuse)
    return told


def _decided_one_by_one(simulation: Simulation) -> None:
    """Held after a cancel: each decision sends one batch, and no other."""
    sent = [batch.attempt for batch in simulation.batches()]
    assert decide(simulation, "resubmit", 2) == "held"
    assert [batch.attempt for batch in simulation.batches()] == [sent[0], sent[1] + 1]
    assert [i["tag"][-1] for i in oneshot(simulation).vendor.imports] == ["1", "2", "2"]
    assert decide(simulation, "resubmit", 1) != "held"
    assert [i["tag"][-1] for i in oneshot(simulation).vendor.imports] == ["1", "2", "2", "1"]


@pytest.mark.acceptance("D1", "D2", "D8", "D9")
@pytest.mark.parametrize("fault", ["reset_after", "crash_before"])
def test_whatever_fails_once_more_while_it_is_looked_up_nothing_is_lost_guessed_or_sent(fault: str) -> None:
    chosen = one_batch("lookup")
    sent = places(chosen, "submit", "http POST /import")[0]
    expected = {"canceled"} if fault == "crash_before" else {"completed_with_rejects"}

    def canceled(*more: tuple[int, str]) -> Simulation:
        with Simulation(chosen, 0, Plan([(sent, fault), *more])) as simulation:
            canceled_when(simulation, lambda: is_unanswered(simulation))
        return simulation

    count = 0
    for number, (function, _, sort) in enumerate(canceled().gate.trace.calls):
        for kind in TELLING[sort] if number > sent and function in ("submit", "poll", "workflow", "finish") else ():
            simulation = canceled((number, kind))
            assert simulation.job.outcome in expected, (number, kind)
            count += 1
    assert count > 50
