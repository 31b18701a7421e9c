"""Single faults of the acceptance table, one by one, with what a user would see."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any, BinaryIO
from unittest.mock import patch

import pytest

from batchdrop.arrive import claim_lost
from batchdrop.drop import Drop
from batchdrop.errors import ObjectRefused
from batchdrop.poll import READ_LAG
from batchdrop.ports import Key, ObjectRef
from batchdrop.words import BatchState
from tests.simulation import cloud
from tests.simulation.cloud import DROPS
from tests.simulation.faults import Plan
from tests.simulation.run import DAY, HOUR, Simulation, run
from tests.simulation.scenario import NAMES, Scenario, scenario
from tests.simulation.vendors import PlainVendor, SimulatorVendor

TOKEN_PATH = "https://hooks.example/notifications/"


def places(chosen: Scenario, function: str, operation: str) -> list[int]:
    """The numbers of such calls in the run without faults."""
    return [n for n, (f, o, _) in enumerate(run(chosen).calls) if f == function and o.startswith(operation)]


def place(chosen: Scenario, function: str, operation: str, nth: int = 0) -> int:
    """The number of the nth such call."""
    return places(chosen, function, operation)[nth]


def faulty(name: str, function: str, operation: str, kind: str, nth: int = 0) -> Simulation:
    chosen = scenario(name)
    return Simulation(chosen, 0, Plan([(place(chosen, function, operation, nth), kind)]))


def ended(simulation: Simulation) -> dict[str, Any]:
    """Drop, drain, check; the report."""
    simulation.drop()
    simulation.drain()
    assert simulation.check() == []
    return simulation.report()


def oneshot(simulation: Simulation) -> PlainVendor:
    assert isinstance(simulation.vendor, PlainVendor)
    return simulation.vendor


def strict(simulation: Simulation) -> Any:
    assert isinstance(simulation.vendor, SimulatorVendor)
    return simulation.vendor.simulator


# --- arrival ---


@pytest.mark.acceptance("A1")
@pytest.mark.parametrize("name", NAMES)
def test_an_event_delivered_five_times_at_once_makes_one_job_one_execution_and_one_report(name: str) -> None:
    with Simulation(scenario(name)) as simulation:
        simulation.drop(events=5)
        simulation.drain()
        assert simulation.check() == []
        assert len(simulation.jobs()) == len(simulation.cloud.machine.executions) == 1
        assert all(len(attempts) == 1 for attempts in simulation.watch.commits.values())


@pytest.mark.acceptance("A2", "A12")
def test_an_event_that_comes_again_after_months_is_still_recognised() -> None:
    with Simulation(scenario("lookup")) as simulation:
        key = simulation.drop()
        version = simulation.objects.stored[DROPS, key][-1][0]
        for days in (1, 14, 100, 390):
            simulation.cloud.tell(key, version, 40, delay=days * DAY)
        with patch.object(cloud, "SWEEP_EVERY", 30 * DAY):
            simulation.drain()
            simulation.kernel.run(simulation.kernel.now + 400 * DAY)
        assert simulation.check() == []
        assert len(simulation.jobs()) == len(simulation.cloud.machine.executions) == 1
        expires = simulation.table.items[Key(f"job#{simulation.job.job_id}", "job")]["expires_at"]
        assert int(str(expires)) > simulation.job.created_at / 1000 + 399 * DAY


@pytest.mark.acceptance("A4")
def test_a_drop_whose_event_is_lost_is_found_by_the_sweep() -> None:
    with Simulation(scenario("lookup")) as simulation:
        simulation.drop(events=0)
        simulation.drain()
        assert simulation.check() == []
        assert simulation.job.outcome == "completed_with_rejects"
        assert simulation.world.metrics.counted["DropsWithoutJob"] == 1


@pytest.mark.acceptance("A4")
def test_so_is_one_that_was_overwritten_before_anybody_looked() -> None:
    with Simulation(scenario("lookup")) as simulation:
        simulation.drop(events=0)
        simulation.drop(events=0)
        simulation.drain()
        assert simulation.check() == []
        assert len(simulation.jobs()) == 2


@pytest.mark.acceptance("A10")
@pytest.mark.parametrize("kind", ["crash_after", "error_after"])
def test_a_job_whose_worker_died_before_its_execution_began_is_started_by_the_sweep(kind: str) -> None:
    with faulty("lookup", "submit", "table.put_new", kind) as simulation:
        report = ended(simulation)
        assert report["outcome"] == "completed_with_rejects"
        assert simulation.kernel.now < simulation.job.created_at / 1000 + 2 * HOUR


@pytest.mark.acceptance("A11")
@pytest.mark.parametrize("kind", ["repeat", "error_after", "crash_after"])
def test_starting_an_execution_twice_starts_one(kind: str) -> None:
    with faulty("lookup", "submit", "workflow.start", kind) as simulation:
        ended(simulation)
        assert list(simulation.cloud.machine.executions) == [simulation.job.job_id]


def test_the_execution_runs_before_anything_is_sent() -> None:
    calls = [operation for function, operation, _ in run(scenario("lookup")).calls if function == "submit"]
    assert calls.index("workflow.start") < next(n for n, c in enumerate(calls) if c.startswith("http"))


@pytest.mark.acceptance("A15")
@pytest.mark.parametrize(("policy", "outcome"), [("process", "completed_with_rejects"), ("skip", "failed")])
def test_the_same_bytes_under_another_key_are_told_and_skipped_where_the_route_says_so(
    policy: str, outcome: str
) -> None:
    chosen = scenario("lookup")
    with Simulation(replace(chosen, route={**chosen.route, "on_duplicate_content": policy})) as simulation:
        simulation.drop()
        simulation.drain()
        simulation.drop(name="again.csv", data=chosen.files["people.csv"])
        simulation.drain()
        assert simulation.check() == []
        first, second = sorted(simulation.jobs(), key=lambda job: job.created_at)
        assert simulation.report(second)["duplicate_content_of"] == first.job_id
        assert simulation.report(first)["duplicate_content_of"] is None
        assert second.outcome == outcome
        advice = " ".join(simulation.report(second)["what_next"])
        assert ("`on_duplicate_content: skip` it would be skipped again" in advice) == (policy == "skip")


# --- packaging and uploading ---


@pytest.mark.acceptance("C2")
@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "late"])
def test_an_upload_that_breaks_off_is_looked_up_and_adopted_or_sent_again(kind: str) -> None:
    with faulty("datagroup", "submit", "http PUT /uploads", kind) as simulation:
        report = ended(simulation)
        assert report["outcome"] == "completed"
        assert report["batches"][0]["attempts"] == (2 if kind == "reset_before" else 1)


@pytest.mark.acceptance("C5")
def test_an_upload_url_that_has_run_out_is_replaced_and_its_batch_file_listed_as_left_behind() -> None:
    with Simulation(scenario("datagroup")) as simulation:
        strict(simulation).fault("expired_url", "upload")
        report = ended(simulation)
        assert report["outcome"] == "completed"
        assert len(report["batches"][0]["orphans"]) == 1
        assert len(strict(simulation).calls("upload")) == 3  # the dead URL is tried once


@pytest.mark.acceptance("C8")
def test_a_worker_near_its_end_stops_between_batches_and_the_next_goes_on() -> None:
    chosen = scenario("lookup")
    slow = replace(chosen, account={**chosen.account, "max_bytes": 25})
    hurried = patch.dict(cloud.TIMEOUTS, submit=120.15), patch("batchdrop.world.MOST_KEPT_BACK", 1.0)
    with hurried[0], hurried[1], Simulation(slow) as simulation:
        report = ended(simulation)
        assert report["outcome"] == "completed_with_rejects"
        assert len(report["batches"]) == 4
        assert {len(attempts) for attempts in simulation.watch.commits.values()} == {1}
        assert len([t for t in simulation.kernel.tasks if t.name == "submit" and not t.dead]) > 1


# --- submitting ---


@pytest.mark.acceptance("D1")
def test_a_worker_that_died_before_the_call_leads_to_a_second_attempt_recorded_before_it_is_made() -> None:
    with faulty("lookup", "submit", "http POST /import", "crash_before") as simulation:
        report = ended(simulation)
        assert report["outcome"] == "completed_with_rejects"
        assert [batch["attempts"] for batch in report["batches"]] == [2, 1]
        assert oneshot(simulation).commits == 2


@pytest.mark.acceptance("D1")
@pytest.mark.parametrize("kind", ["crash_before", "crash_after"])
def test_a_first_batch_that_a_dead_worker_may_have_begun_counts_that_attempt(kind: str) -> None:
    with faulty("datagroup", "submit", "http POST /v3/async/append/email/job/", kind) as simulation:
        report = ended(simulation)
        assert report["outcome"] == "completed"
        assert [batch["attempts"] for batch in report["batches"]] == [2, 1]


@pytest.mark.acceptance("D1")
def test_a_report_tells_of_a_batch_that_was_begun_and_never_came_to_anything() -> None:
    with faulty("datagroup", "submit", "http POST /v3/async/append/email/job/", "crash_after") as simulation:
        simulation.drop()
        simulation.kernel.run(simulation.kernel.now + 60)
        (job,) = simulation.jobs()
        simulation.world.ledger.change(job, {"cancel_at": 1}, {})
        simulation.drain()
        report = simulation.report()
        assert (report["outcome"], report["batches"]) == ("canceled", [])
        assert any("may have been begun" in warning for warning in report["warnings"])


@pytest.mark.acceptance("D1")
def test_a_report_tells_of_no_batch_where_none_was_begun() -> None:
    with Simulation(scenario("datagroup")) as simulation:
        simulation.drop()
        simulation.kernel.run(simulation.kernel.now + DAY, lambda: bool(simulation.jobs()))
        (job,) = simulation.jobs()
        simulation.world.ledger.change(job, {"cancel_at": 1}, {})
        simulation.drain()
        assert simulation.report()["batches"] == []
        assert simulation.report()["warnings"] == []
        assert "prepared" in simulation.jobs()[0].receipt


@pytest.mark.acceptance("D2", "D11")
@pytest.mark.parametrize(
    ("function", "operation", "kind"),
    [
        ("submit", "http POST /import", "crash_after"),
        ("submit", "http POST /import", "zombie"),
    ],
)
@pytest.mark.parametrize("name", ["lookup", "hold", "resubmit"])
def test_what_the_vendor_took_before_the_worker_died_is_adopted_held_or_flagged(
    name: str, function: str, operation: str, kind: str
) -> None:
    with faulty(name, function, operation, kind) as simulation:
        report = ended(simulation)
        first = report["batches"][0]
        if name == "hold":
            assert (report["outcome"], first["state"]) == ("held", "held")
            assert first["sha256"]
            assert first["message"]
        else:
            assert report["outcome"] == "completed_with_rejects"
        if name == "lookup" and kind == "crash_after":
            assert first["attempts"] == 1
            assert oneshot(simulation).commits == 2
        if name == "resubmit":
            assert first["flagged"]
            assert any("possible_duplicate" in warning for warning in report["warnings"])


@pytest.mark.acceptance("D3")
@pytest.mark.parametrize("kind", ["reset_before", "reset_after", "late"])
def test_a_call_without_an_answer_is_not_repeated_by_anyone_before_the_vendor_is_asked(kind: str) -> None:
    with faulty("lookup", "submit", "http POST /import", kind) as simulation:
        ended(simulation)
        calls = [o for f, o, _ in simulation.gate.trace.calls if o.startswith("http") and o.endswith("-1")]
        assert [c.split("/")[1] for c in calls][:2] == ["import", "arrived"]
        assert oneshot(simulation).commits == 2


@pytest.mark.acceptance("D4")
@pytest.mark.parametrize("kind", ["refused", "limited", "expired"])
@pytest.mark.parametrize("name", ["lookup", "hold"])
def test_a_call_that_was_provably_not_taken_is_made_again(name: str, kind: str) -> None:
    with faulty(name, "submit", "http POST /import", kind) as simulation:
        report = ended(simulation)
        assert report["outcome"] == "completed_with_rejects"
        assert not report["batches"][0]["flagged"]


@pytest.mark.acceptance("D4")
def test_a_vendors_retry_after_is_waited_for_by_the_workflow() -> None:
    with faulty("lookup", "submit", "http POST /import", "limited") as simulation:
        report = ended(simulation)
        first, second = (batch["submitted_at"] for batch in report["batches"])
        began = simulation.job.created_at / 1000
        assert first >= _iso(began + 20)
        assert second >= first


def _iso(seconds: float) -> str:
    from batchdrop.places import iso

    return iso(int(seconds * 1000)) or ""


@pytest.mark.acceptance("D6")
def test_an_answer_that_cannot_be_read_is_a_doubt_and_not_a_failure() -> None:
    with faulty("lookup", "submit", "http POST /import", "unreadable") as simulation:
        report = ended(simulation)
        assert report["outcome"] == "completed_with_rejects"
        assert oneshot(simulation).commits == 2
        assert simulation.world.metrics.counted["DoubtfulCalls"] == 1


@pytest.mark.acceptance("D7")
@pytest.mark.parametrize("kind", ["twice", "reply_lost"])
def test_a_submission_that_the_workflow_starts_twice_goes_through_the_ledger(kind: str) -> None:
    chosen = scenario("lookup")
    # The first worker dies, so that the workflow has to start another.
    dies = (place(chosen, "submit", "http POST /import"), "crash_before")
    calls = run(chosen, 0, [dies]).calls
    again = next(n for n, (f, o, _) in enumerate(calls) if f == "workflow" and o == "invoke submit")
    result = run(chosen, 0, [dies, (again, kind)])
    assert result.broken == []
    assert result.outcome == "completed_with_rejects"


@pytest.mark.acceptance("D7")
def test_redriving_an_execution_submits_nothing_again() -> None:
    with Simulation(scenario("lookup")) as simulation:
        simulation.drop()
        simulation.later(2.0, lambda: simulation.cloud.machine.abort(simulation.job.job_id))
        simulation.later(60.0, lambda: simulation.cloud.machine.redrive(simulation.job.job_id))
        simulation.drain()
        assert simulation.check() == []
        assert oneshot(simulation).commits == 2


@pytest.mark.acceptance("D8")
@pytest.mark.parametrize("kind", ["delay", "zombie"])
@pytest.mark.parametrize("operation", ["table", "http"])
def test_a_worker_that_is_slow_or_outlives_its_lease_never_meets_another(operation: str, kind: str) -> None:
    chosen = scenario("lookup")
    for number in places(chosen, "submit", operation):
        result = run(chosen, 0, [(number, kind)])
        assert (result.broken, result.outcome) == ([], "completed_with_rejects"), number


@pytest.mark.acceptance("D9")
@pytest.mark.parametrize("operation", ["table.put_new", "table.update"])
@pytest.mark.parametrize("nth", range(3))
def test_a_write_repeated_by_the_sdk_is_known_as_our_own(operation: str, nth: int) -> None:
    with faulty("lookup", "submit", operation, "repeat", nth) as simulation:
        report = ended(simulation)
        assert report["outcome"] == "completed_with_rejects"
        assert [batch["attempts"] for batch in report["batches"]] == [1, 1]
        assert simulation.job.closed_at / 1000 < simulation.job.created_at / 1000 + 600


@pytest.mark.acceptance("D9")
def test_so_are_the_writes_of_a_second_attempt() -> None:
    chosen = scenario("lookup")
    refused = (place(chosen, "submit", "http POST /import"), "refused")
    calls = run(chosen, 0, [refused]).calls
    writes = [n for n, (f, o, _) in enumerate(calls) if f == "submit" and o == "table.update" and n > refused[0]]
    for number in writes:
        with Simulation(chosen, 0, Plan([refused, (number, "repeat")])) as simulation:
            report = ended(simulation)
            assert [batch["attempts"] for batch in report["batches"]] == [2, 1]
            assert (simulation.job.closed_at - simulation.job.created_at) / 1000 < 600, number


@pytest.mark.acceptance("D10")
@pytest.mark.parametrize("name", NAMES)
def test_while_the_ledger_is_away_no_vendor_is_called(name: str) -> None:
    with Simulation(scenario(name)) as simulation:
        simulation.drop()
        simulation.outage("table", 0.0, 1500.0)
        simulation.kernel.run(simulation.kernel.now + 1400)
        assert not [o for _, o, _ in simulation.gate.trace.calls if o.startswith("http")]
        simulation.drain()
        assert simulation.check() == []


@pytest.mark.acceptance("D13")
def test_rows_that_are_there_already_after_a_resubmission_are_not_failures() -> None:
    chosen = scenario("sherpa")
    again = replace(chosen, route={**chosen.route, "on_doubt": "resubmit"})
    number = place(again, "submit", "http POST /v2/recomm/products/items/batch")
    with Simulation(again, 0, Plan([(number, "reset_after")])) as simulation:
        simulation.vendor.simulator.options.seconds_per_state = 1.0  # type: ignore[attr-defined]
        report = ended(simulation)
        assert report["counts"]["rejected"] == 0
        assert report["counts"]["unconfirmed"] == 2
        assert {reject["code"] for reject in report["rejects"]} == {"already_present"}


@pytest.mark.acceptance("D15")
def test_what_was_begun_at_the_vendor_and_given_up_is_listed_and_counted() -> None:
    with Simulation(scenario("datagroup")) as simulation:
        strict(simulation).fault("expired_url", "upload")
        strict(simulation).fault("never", "upload")
        simulation.drop()
        simulation.kernel.run(simulation.kernel.now + HOUR)
        assert simulation.world.metrics.counted["VendorOrphans"] >= 1
        assert [len(batch.orphans) for batch in simulation.batches()] == [1, 0]


# --- waiting ---


@pytest.mark.acceptance("E2")
@pytest.mark.parametrize(("lag", "outcome"), [(READ_LAG - 120.0, "completed_with_rejects"), (6 * HOUR, "failed")])
def test_a_vendor_that_does_not_know_its_batch_yet_is_given_some_minutes(lag: float, outcome: str) -> None:
    with Simulation(scenario("lookup")) as simulation:
        oneshot(simulation).vendor.lag = lag
        assert ended(simulation)["outcome"] == outcome


@pytest.mark.acceptance("E5")
def test_a_batch_that_has_ended_stays_so_whatever_the_vendor_says_later() -> None:
    with Simulation(scenario("lookup")) as simulation:
        simulation.drop()
        simulation.kernel.run(
            simulation.kernel.now + 200.0,
            lambda: any(i.get("state") == BatchState.SUCCEEDED for i in simulation.table.items.values()),
        )
        oneshot(simulation).vendor.seconds = 1e9  # running again
        simulation.kernel.run(simulation.kernel.now + 100.0)
        states = {batch.state for batch in simulation.batches()}
        assert "succeeded" in states
        oneshot(simulation).vendor.seconds = 0.0
        simulation.drain()
        assert simulation.check() == []


@pytest.mark.acceptance("E6")
def test_a_vendor_that_never_finishes_ends_in_a_report_that_names_its_receipts() -> None:
    with Simulation(scenario("lookup")) as simulation:
        oneshot(simulation).vendor.never = True
        report = ended(simulation)
        assert report["outcome"] == "timed_out"
        assert report["counts"]["unconfirmed"] == 4
        assert [batch["receipt"]["id"] for batch in report["batches"]] == ["i1", "i2"]


@pytest.mark.acceptance("E8")
@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("after", [0.9, 3.0, 50.0, 150.0])
def test_a_job_whose_execution_was_aborted_still_ends_in_its_report(told: bool, after: float) -> None:
    with Simulation(scenario("lookup")) as simulation:
        simulation.cloud.rule_works = told
        simulation.drop()
        simulation.later(after + 1.5, lambda: simulation.cloud.machine.abort(simulation.job.job_id))
        simulation.drain()
        assert simulation.check() == []
        assert simulation.job.outcome == "completed_with_rejects"


# --- callbacks ---


@pytest.mark.acceptance("F2")
def test_a_callback_is_a_hint_and_ends_nothing() -> None:
    with Simulation(scenario("lookup")) as simulation:
        simulation.drop()
        simulation.kernel.run(simulation.kernel.now + 20.0)
        simulation.cloud.call_back(TOKEN_PATH + simulation.token(simulation.job.job_id))
        simulation.kernel.run(simulation.kernel.now + 20.0)
        assert simulation.cloud.answers == [202]
        assert {batch.state for batch in simulation.batches()} == {"submitted"}
        simulation.drain()
        assert simulation.check() == []


@pytest.mark.acceptance("F3")
def test_a_callback_replayed_hundreds_of_times_wakes_the_job_at_most_once_in_half_a_minute() -> None:
    with Simulation(scenario("lookup")) as simulation:
        oneshot(simulation).vendor.seconds = 400.0
        simulation.drop()
        simulation.kernel.run(simulation.kernel.now + 20.0)
        token = simulation.token(simulation.job.job_id)
        for n in range(600):
            simulation.later(n * 0.5, lambda: simulation.cloud.call_back(TOKEN_PATH + token))
        simulation.kernel.run(simulation.kernel.now + 300.0)
        calls = [operation for _, operation, _ in simulation.gate.trace.calls]
        assert set(simulation.cloud.answers) == {202}
        assert calls.count("workflow.wake") <= 300 / 30 + 1
        assert calls.count("http GET /status/i1") <= 2 * 300 / 30  # the hints' polls, and the schedule's own
        simulation.drain()
        assert simulation.check() == []


class Meanwhile(Plan):
    """Has something happen a moment after one call began."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number
        self.then: Callable[[], None] = lambda: None

    def fault(self, number: int, sort: str) -> str:
        if number == self.number:
            self.then()
        return ""


@pytest.mark.acceptance("F4")
@pytest.mark.parametrize("seed", range(6))
def test_no_callback_is_lost_however_it_falls_together_with_the_wait(seed: int) -> None:
    chosen = scenario("lookup")
    patient = replace(chosen, route={**chosen.route, "poll": {"first": "15m", "factor": 1, "max": "15m"}})
    ways = ("submit", "poll", "workflow")
    for number in [n for n, (function, _, _) in enumerate(run(patient, seed).calls) if function in ways][4:]:
        plan = Meanwhile(number)
        with Simulation(patient, seed, plan) as simulation:
            plan.then = partial(simulation.later, 0.035, partial(_done_and_told, simulation))
            ended(simulation)
            assert (simulation.job.closed_at - simulation.job.created_at) / 1000 < 200, number


def _done_and_told(simulation: Simulation) -> None:
    oneshot(simulation).vendor.seconds = 0.0
    simulation.cloud.call_back(TOKEN_PATH + simulation.token(simulation.job.job_id))


@pytest.mark.acceptance("F5")
def test_a_callback_after_the_end_changes_nothing() -> None:
    with Simulation(scenario("lookup")) as simulation:
        ended(simulation)
        before = dict(simulation.table.items)
        simulation.cloud.answers.clear()
        simulation.cloud.call_back(TOKEN_PATH + simulation.token(simulation.job.job_id))
        simulation.kernel.run(simulation.kernel.now + 10.0)
        assert simulation.cloud.answers == [202]
        assert simulation.table.items == before


@pytest.mark.acceptance("F1")
def test_a_forged_or_expired_callback_reaches_nothing() -> None:
    with Simulation(scenario("lookup")) as simulation:
        simulation.drop()
        simulation.kernel.run(simulation.kernel.now + 20.0)
        job_id, before = simulation.job.job_id, dict(simulation.table.items)
        tokens = [simulation.token(job_id, key="guessed"), simulation.token(job_id, expires=simulation.kernel.now - 1)]
        for token in [*tokens, "", "../..", simulation.token("0" * 32)]:
            simulation.cloud.call_back(TOKEN_PATH + token)
        simulation.kernel.run(simulation.kernel.now + 5.0)
        assert simulation.cloud.answers == [404] * 5
        assert simulation.table.items == before


@pytest.mark.acceptance("F6")
def test_a_job_ends_by_polling_where_no_callback_comes() -> None:
    chosen = scenario("lookup")
    silent = replace(chosen, account={**chosen.account, "notification_method": "none"})
    with Simulation(silent) as simulation:
        report = ended(simulation)
        assert report["outcome"] == "completed_with_rejects"
        assert (simulation.job.closed_at - simulation.job.created_at) / 1000 < 300


# --- the end ---


@pytest.mark.acceptance("G9")
@pytest.mark.parametrize("nth", range(5))
@pytest.mark.parametrize("kind", ["crash_after", "error_after", "repeat"])
def test_one_report_stands_when_the_worker_dies_around_its_writing(nth: int, kind: str) -> None:
    with faulty("lookup", "finish", "objects.put", kind, nth) as simulation:
        assert ended(simulation)["outcome"] == "completed_with_rejects"


@pytest.mark.acceptance("G10")
def test_no_job_is_closed_while_its_report_cannot_be_written() -> None:
    with Simulation(scenario("lookup")) as simulation:
        simulation.drop()
        simulation.outage("objects.put", 0.0, 2000.0)
        simulation.kernel.run(simulation.kernel.now + 1900.0)
        assert not simulation.job.is_closed
        simulation.drain()
        assert simulation.check() == []
        assert simulation.job.outcome == "completed_with_rejects"


@pytest.mark.acceptance("G6")
def test_a_refused_record_is_named_by_its_own_line() -> None:
    with Simulation(scenario("lookup")) as simulation:
        report = ended(simulation)
        assert [(r["line"], r["id"], r["code"]) for r in report["rejects"]] == [(4, "3", "bad")]


# --- credentials and platform ---


@pytest.mark.acceptance("H1")
def test_a_token_that_runs_out_is_fetched_anew_and_never_written_down() -> None:
    with Simulation(scenario("datagroup")) as simulation:
        strict(simulation).options.token_seconds = 30
        assert ended(simulation)["outcome"] == "completed"
        assert 2 <= len(strict(simulation).calls("auth")) <= 6
        stored = json.dumps(list(simulation.table.items.values()))
        assert not any(token in stored for token in strict(simulation)._tokens)


@pytest.mark.acceptance("H5")
@pytest.mark.parametrize("service", ["secrets", "objects", "table", "workflow", "routes", "events"])
@pytest.mark.parametrize("begins", [0.0, 2.0, 90.0])
def test_an_outage_of_a_service_delays_reports_and_loses_none(service: str, begins: float) -> None:
    with Simulation(scenario("datagroup")) as simulation:
        simulation.drop()
        simulation.outage(service, begins, 1500.0)
        simulation.drain()
        assert simulation.check() == []
        assert simulation.job.outcome == "completed"


@pytest.mark.acceptance("H7")
@pytest.mark.parametrize("jump", [3600.0, -3600.0])
@pytest.mark.parametrize("at", [0.5, 1.6, 30.0, 140.0])
def test_clocks_that_jump_by_an_hour_delay_a_job_at_most(jump: float, at: float) -> None:
    with Simulation(scenario("lookup")) as simulation:
        simulation.drop()
        simulation.later(at, _skew(simulation, jump))
        simulation.drain()
        assert simulation.check() == []
        assert simulation.job.outcome == "completed_with_rejects"


def _skew(simulation: Simulation, seconds: float) -> Callable[[], None]:
    def jump() -> None:
        simulation.world.clock.skew = seconds

    return jump


@pytest.mark.parametrize(("name", "data"), [("items.json", b'[{"itemId":"1"}]'), ("items.ndjson", b'{"itemId":"1"}\n')])
def test_json_under_a_route_that_sends_csv_is_refused_at_once_and_not_tried_until_the_deadline(
    name: str, data: bytes
) -> None:
    route, base = {"input": {"format": "auto"}}, scenario("sherpa")
    account, records = {**base.account, "format": "csv"}, int(name.endswith(".ndjson"))
    chosen = replace(base, files={name: data}, records=records, route=route, account=account)
    with Simulation(chosen) as simulation:
        report = ended(simulation)
        assert report["outcome"] == "failed"
        assert "JSON records cannot become CSV rows" in report["reason"]
        assert report["counts"]["invalid"] == report["counts"]["records"] == chosen.records


# --- what the storage will not give ---


@contextmanager
def refusing(simulation: Simulation, until: float) -> Iterator[None]:
    """Until then the drop bucket refuses every read, as for want of a permission."""
    plain, end = simulation.objects.open, simulation.kernel.now + until

    def refuse(ref: ObjectRef, start: int = 0, stop: int | None = None) -> BinaryIO:
        if ref.bucket == DROPS and simulation.kernel.now < end:
            raise ObjectRefused("AccessDenied")
        return plain(ref, start, stop)

    with patch.object(simulation.objects, "open", refuse):
        yield


@pytest.mark.acceptance("A7")
def test_a_drop_that_may_not_be_read_fails_after_a_few_tries() -> None:
    with Simulation(scenario("lookup")) as simulation, refusing(simulation, DAY):
        report = ended(simulation)
        assert (report["outcome"], report["failure"]["reason"]) == ("failed", "unreadable")
        assert simulation.job.closed_at - simulation.job.created_at < 20 * 60_000
        assert simulation.vendor.commits == 0


@pytest.mark.acceptance("A7")
def test_a_permission_that_comes_a_little_late_is_waited_for() -> None:
    with Simulation(scenario("lookup")) as simulation, refusing(simulation, 10.0):
        assert ended(simulation)["outcome"] == "completed_with_rejects"


@pytest.mark.acceptance("A7")
def test_a_report_waits_for_a_permission_that_went_missing() -> None:
    with Simulation(scenario("lookup")) as simulation:
        simulation.drop()
        while not any(job.packaged_at for job in simulation.jobs()):
            simulation.kernel.run(simulation.kernel.now + 0.1)
        with refusing(simulation, 2 * HOUR):
            simulation.drain()
        assert simulation.check() == []
        assert [row["line"] for row in simulation.report()["rejects"]] != []


def test_one_drop_that_cannot_be_dealt_with_does_not_keep_the_sweep_from_the_others() -> None:
    with Simulation(scenario("lookup")) as simulation:
        simulation.drop(events=0, name="1.csv", data=b"id,name\n1,ann\n", records=1)
        simulation.drop(events=0, name="2.csv", data=b"id,name\n2,bob\n", records=1)
        mended = simulation.kernel.now + 2 * HOUR

        def claim(world: Any, drop: Drop, *route: Any) -> bool:
            if drop.key.endswith("1.csv") and simulation.kernel.now < mended:
                raise ValueError("cannot be dealt with")
            return claim_lost(world, drop, *route)

        with patch("batchdrop.sweep.claim_lost", claim):
            simulation.drain()
        assert simulation.check() == []
        first, second = sorted(simulation.jobs(), key=lambda job: job.key)
        assert second.closed_at / 1000 < mended < first.closed_at / 1000


# --- ids, tries and leases ---


@pytest.mark.acceptance("D11")
@pytest.mark.parametrize("name", ["mediarithmics", "sherpa"])
def test_the_vendors_id_is_in_the_log_before_the_ledger_has_it(name: str) -> None:
    chosen = scenario(name)
    calls = run(chosen).calls
    sent = max(n for n, (f, o, _) in enumerate(calls[:40]) if f == "submit" and o.startswith("http"))
    with Simulation(chosen, 0, Plan([(sent + 1, "error_before")])) as simulation:
        simulation.drop()
        simulation.kernel.run(simulation.kernel.now + 10.0)
        committed = strict(simulation).commits[-1].id
        assert any(" receipt {" in line and committed in line for line in simulation.world.log.lines)
        simulation.drain()
        assert simulation.check() == []


@pytest.mark.acceptance("D15")
@pytest.mark.parametrize("deaths", [1, 2])
def test_every_try_to_prepare_a_job_is_counted_though_its_worker_died(deaths: int) -> None:
    chosen = scenario("mediarithmics")
    first = place(chosen, "submit", "http")
    choices = [(first, "crash_after")]
    if deaths == 2:
        calls = run(chosen, 0, choices).calls
        again = [n for n, (f, o, _) in enumerate(calls) if n > first and f == "submit" and o == calls[first][1]]
        choices.append((again[0], "crash_after"))
    with Simulation(chosen, 0, Plan(choices)) as simulation:
        ended(simulation)
        made = [created for created in strict(simulation).created if created.kind == "document_import"]
        assert len(made) == deaths + 1 <= simulation.job.prepare_tries


def test_a_finish_that_fails_is_tried_again_at_once() -> None:
    with faulty("lookup", "finish", "objects.put", "error_before") as simulation:
        ended(simulation)
        assert simulation.job.closed_at - simulation.job.created_at < 15 * 60_000


@pytest.mark.parametrize("given", [{}, {"job_id": None}, {"job_id": "nobody"}, {"job_id": "x", "lap": "y"}, [], "text"])
def test_an_execution_started_by_hand_without_a_job_ends_at_once(given: Any) -> None:
    with Simulation(scenario("lookup")) as simulation:
        simulation.cloud.machine.start("by-hand", "", given)
        simulation.kernel.run(simulation.kernel.now + 30.0)
        execution = simulation.cloud.machine.executions["by-hand"]
        assert (execution.status, execution.error) == ("FAILED", "unknown")
