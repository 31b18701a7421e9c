"""The end of a job whose report is hard to write: a large rest, a secret or a route gone bad, results not to be had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, BinaryIO
from unittest.mock import patch

import msgspec
import pytest

from batchdrop import operate
from batchdrop.destinations.base import Collected
from batchdrop.destinations.mediarithmics import Mediarithmics
from batchdrop.errorfile import IdSpec, RejectLines
from batchdrop.errors import Ambiguous, DropRefused, ObjectRefused
from batchdrop.ports import ObjectRef, Request, Response
from batchdrop.rejects_file import Progress
from tests.simulation.cloud import RESULTS
from tests.simulation.faults import Plan
from tests.simulation.run import HOUR, Simulation, run
from tests.simulation.scenario import Scenario, long_finish, scenario
from tests.simulation.test_rows import strict


def rejects(simulation: Simulation) -> list[str]:
    """The lines of the job's rejects file."""
    (key,) = {ref.key for ref in simulation.objects.list(RESULTS, "jobs/") if ref.key.endswith("rejects.csv")}
    return simulation.objects.open(ObjectRef(RESULTS, key)).read().decode().splitlines()


def finishes(simulation: Simulation) -> int:
    return sum(operation == "invoke finish" for _, operation, _ in simulation.gate.trace.calls)


def all_states(simulation: Simulation, state: str) -> Callable[[], bool]:
    return lambda: bool(simulation.jobs()) and [b.state for b in simulation.batches()] == [state] * 2


# --- more to tell than one invocation has time for ---


@pytest.mark.parametrize("spread", [False, True])
def test_a_rest_that_takes_longer_than_an_invocation_is_told_whole_in_several(spread: bool) -> None:
    with Simulation(long_finish(spread=spread)) as simulation:
        simulation.drop()
        simulation.drain()
        assert simulation.check() == []
        report, rows = simulation.report(), rejects(simulation)
        work = [ref.key for ref in simulation.objects.list(RESULTS, "work/")]
        assert finishes(simulation) > 3
        assert simulation.job.run == 1
    assert report["counts"] == {**report["counts"], "records": 30, "unprocessed": 30}
    assert sum(row["count"] for row in report["reject_reasons"]) == 30
    assert [row.split(",")[:3] for row in rows[1:]] == [[str(n), "somebody", str(n + 2)] for n in range(30)]
    assert rows[0] == "id,name,batchdrop_line,batchdrop_outcome,batchdrop_code,batchdrop_message"
    assert work == []


def test_no_fault_while_it_is_told_loses_or_repeats_a_row() -> None:
    chosen = long_finish(spread=True, records=8)
    with Simulation(chosen) as calm:
        calm.drop()
        calm.drain()
        whole, calls = rejects(calm), calm.gate.trace.calls
    writes = [n for n, (function, _, sort) in enumerate(calls) if (function, sort) == ("finish", "write")]
    assert len(writes) > 10
    for choice in [(number, kind) for number in writes for kind in ("crash_after", "zombie")]:
        with Simulation(chosen, 0, Plan([choice])) as simulation:
            simulation.drop()
            simulation.drain()
            assert simulation.check() == [], choice
            assert rejects(simulation) == whole, choice


def test_a_job_that_is_still_to_be_sent_is_not_ended_by_whoever_starts_its_finish() -> None:
    with Simulation(scenario("lookup")) as simulation:
        simulation.drop()
        simulation.kernel.run(simulation.kernel.now + HOUR, lambda: bool(simulation.jobs()))
        answers: list[Any] = []
        event = {"job_id": simulation.job.job_id}
        simulation.cloud.run("finish", event, lambda answer, _: answers.append(answer))
        simulation.drain()
        assert simulation.check() == []
        assert answers == [{**event, "next": "wait", "outcome": "", "success": False, "seconds": 60}]
        assert simulation.report()["outcome"] == "completed_with_rejects"


# --- what it takes is no longer there ---


@pytest.mark.parametrize(("state", "outcome"), [("submitted", "timed_out"), ("succeeded", "failed")])
def test_a_secret_that_goes_bad_keeps_no_job_from_its_report(state: str, outcome: str) -> None:
    with Simulation(scenario("lookup")) as simulation:
        simulation.drop()
        simulation.kernel.run(simulation.kernel.now + 4 * HOUR, all_states(simulation, state))
        simulation.secrets["vendor-main"].clear()
        simulation.drain(hours=12)
        assert simulation.check() == []
        report = simulation.report()
        assert (report["outcome"], report["counts"]["unconfirmed"], simulation.job.run) == (outcome, 4, 1)
        if state == "submitted":
            assert simulation.world.metrics.counted["StatusCallsFailed"] > 5
        else:
            assert any('secret "vendor-main" cannot be read' in warning for warning in report["warnings"])


def test_a_secret_that_is_mended_in_time_costs_nothing_but_time() -> None:
    with Simulation(scenario("lookup")) as simulation:
        simulation.drop()
        simulation.kernel.run(simulation.kernel.now + 4 * HOUR, all_states(simulation, "succeeded"))
        secret = dict(simulation.secrets["vendor-main"])
        simulation.secrets["vendor-main"].clear()
        simulation.later(2 * HOUR, lambda: simulation.secrets["vendor-main"].update(secret))
        simulation.drain(hours=12)
        assert simulation.check() == []
        assert simulation.report()["outcome"] == "completed_with_rejects"


def _narrow(simulation: Simulation) -> None:
    """An update of the deployment no longer allows the vendor's host."""
    simulation.world.settings = msgspec.structs.replace(simulation.world.settings, allow_insecure=())


def _has_batches(simulation: Simulation) -> bool:
    return bool(simulation.jobs()) and bool(simulation.batches())


@pytest.mark.parametrize("name", ["lookup", "spans", "sherpa", "datagroup"])
def test_a_job_whose_route_is_no_longer_valid_ends_with_its_deadline_and_says_so(name: str) -> None:
    with Simulation(scenario(name)) as simulation:
        simulation.drop()
        simulation.kernel.run(simulation.kernel.now + 60, lambda: _has_batches(simulation))
        _narrow(simulation)
        simulation.drain(hours=12)
        assert simulation.check() == []
        report = simulation.report()
        assert (report["outcome"], report["failure"]["reason"]) == ("timed_out", "no_route")
        assert "base_url" in report["failure"]["message"]
        assert report["counts"]["unconfirmed"] + report["counts"]["unprocessed"] == 4
        assert simulation.job.run == 1


def test_a_route_that_is_valid_again_before_the_deadline_costs_nothing_but_time() -> None:
    with Simulation(scenario("lookup")) as simulation:
        simulation.drop()
        simulation.kernel.run(simulation.kernel.now + 4 * HOUR, all_states(simulation, "submitted"))
        settings = simulation.world.settings
        _narrow(simulation)
        simulation.later(2 * HOUR, lambda: setattr(simulation.world, "settings", settings))
        simulation.drain(hours=12)
        assert simulation.check() == []
        assert simulation.report()["outcome"] == "completed_with_rejects"


def test_a_canceled_job_whose_route_is_no_longer_valid_does_not_wait_for_its_deadline() -> None:
    with Simulation(scenario("lookup")) as simulation:
        simulation.drop()
        simulation.kernel.run(simulation.kernel.now + 4 * HOUR, all_states(simulation, "submitted"))
        _narrow(simulation)
        operate.cancel(simulation.world, simulation.job.job_id)
        simulation.drain(hours=12)
        assert simulation.check() == []
        assert simulation.report()["outcome"] == "canceled"
        assert simulation.job.closed_at < simulation.job.created_at + HOUR * 1000


def test_what_could_not_be_asked_without_a_route_is_asked_when_the_held_job_goes_on() -> None:
    chosen = scenario("hold")
    number = next(n for n, c in enumerate(run(chosen).calls) if c[0] == "submit" and c[1].startswith("http POST"))
    with Simulation(chosen, 0, Plan([(number, "reset_after")])) as simulation:
        simulation.drop()
        simulation.kernel.run(simulation.kernel.now + 4 * HOUR, lambda: "succeeded" in _states(simulation))
        settings = simulation.world.settings
        _narrow(simulation)
        simulation.drain(hours=12)
        assert (simulation.report()["outcome"], simulation.report()["counts"]["unconfirmed"]) == ("held", 4)
        simulation.world.settings, simulation.watch.operated = settings, True
        operate.resolve(simulation.world, simulation.job.job_id, "abandon")
        simulation.drain()
        assert simulation.check() == []
        counts = simulation.report()["counts"]
        assert (counts["unconfirmed"], counts["accepted"] + counts["rejected"]) == (2, 2)


def _states(simulation: Simulation) -> list[str]:
    return [batch.state for batch in simulation.batches()] if simulation.jobs() else []


@pytest.mark.parametrize("name", ["lookup", "spans"])
def test_a_drop_that_an_update_would_refuse_has_its_report_all_the_same(name: str) -> None:
    with Simulation(scenario(name)) as simulation:
        simulation.drop()
        waited = lambda: set(_states(simulation)) == {"succeeded"}  # noqa: E731
        simulation.kernel.run(simulation.kernel.now + 4 * HOUR, waited)
        with patch("batchdrop.records.columns.Columns._check_names", side_effect=DropRefused("header", "new", line=1)):
            simulation.drain(hours=12)
        assert simulation.check() == []
        report = simulation.report()
        assert (report["outcome"], report["counts"]["rejected"]) == ("completed_with_rejects", 1)
        assert "the drop can no longer be read (new): its rejects have no lines" in report["warnings"]


# --- results that are not to be had ---


class WithoutResults:
    """The vendor answers all but for the results of what it has done."""

    def __init__(self, http: Any) -> None:
        self._http, self.download = http, http.download

    def send(self, request: Request) -> Response:
        if request.url.endswith("/result"):
            raise Ambiguous("500", status=500)
        response: Response = self._http.send(request)
        return response


@dataclass(slots=True)
class Stumbling:
    """The way to a vendor whose answers to some requests are such that our code fails over them."""

    http: Any
    over: Callable[[Request], bool]

    def send(self, request: Request) -> Response:
        response: Response = self.http.send(request)
        if self.over(request):
            raise ValueError("5000 digits")
        return response

    def download(self, request: Request) -> Any:
        return self.http.download(request)


@pytest.mark.parametrize("name", ["lookup", "sherpa", "datagroup", "mediarithmics", "ometria"])
def test_whatever_our_own_code_fails_over_when_results_are_read_the_job_gets_its_report(name: str) -> None:
    with Simulation(scenario(name)) as simulation:
        simulation.drop()
        count = 1 if name == "ometria" else 2
        simulation.kernel.run(simulation.kernel.now + 4 * HOUR, lambda: _states(simulation) == ["succeeded"] * count)
        simulation.world.http = Stumbling(simulation.world.http, lambda request: True)
        simulation.drain(hours=12)
        assert simulation.check() == []
        assert simulation.job.run == 1
        report = simulation.report()
        assert any("RESULT_UNREADABLE: ValueError" in warning for warning in report["warnings"])
        assert any(" exception " in line and "'batch': 1" in line for line in simulation.world.log.lines)
        late = (simulation.job.closed_at - simulation.job.deadline_at) / 1000
        assert HOUR <= late < HOUR + 60


def _fails() -> BinaryIO:
    raise ZeroDivisionError


def test_refusals_our_own_code_fails_over_keep_no_job_from_its_report(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are read from the stored file only when they are needed."""
    with Simulation(scenario("mediarithmics")) as simulation:
        lines = RejectLines(_fails, IdSpec(("id",), "/"))
        monkeypatch.setattr(Mediarithmics, "collect", lambda *_: Collected(rejects=lines))
        simulation.drop()
        simulation.drain(hours=12)
        assert simulation.check() == []
        assert any("RESULT_UNREADABLE: ZeroDivisionError" in warning for warning in simulation.report()["warnings"])


def test_a_status_our_own_code_fails_over_delays_only_its_own_batch() -> None:
    with Simulation(scenario("lookup")) as simulation:
        simulation.world.http = Stumbling(simulation.world.http, lambda request: request.url.endswith("/status/i1"))
        simulation.drop()
        simulation.drain(hours=12)
        assert simulation.check() == []
        assert _states(simulation) == ["submitted", "succeeded"]
        assert (simulation.report()["outcome"], simulation.job.run) == ("timed_out", 1)
        assert simulation.world.metrics.counted["StatusCallsFailed"] > 5


def _with_deadline(name: str, deadline: str) -> Scenario:
    chosen = scenario(name)
    return replace(chosen, route={**chosen.route, "deadline": deadline})


@pytest.mark.parametrize("deadline", ["1h", "48h"])
def test_results_that_cannot_be_had_are_tried_ever_more_seldom_within_one_execution(deadline: str) -> None:
    with Simulation(_with_deadline("datagroup", deadline)) as simulation:
        simulation.world.http = WithoutResults(simulation.world.http)
        simulation.drop()
        simulation.drain(hours=50)
        assert simulation.check() == []
        (execution,) = simulation.cloud.machine.executions.values()
        assert execution.events < 25_000 - 1_000
        assert any("RESULT_UNREADABLE" in warning for warning in simulation.report()["warnings"])
        late = (simulation.job.closed_at - simulation.job.deadline_at) / 1000
        assert HOUR <= late < HOUR + 60


def test_the_report_of_a_failed_batch_is_kept_by_the_function_that_may() -> None:
    """It was the poll function that kept it, which has no right on S3: the job hung until its deadline."""
    with Simulation(scenario("ometria")) as simulation:
        strict(simulation).options.report = {"status": "failed", "message": "bad catalogue", "products": {"failed": 3}}
        simulation.drop()
        simulation.drain()
        assert simulation.check() == []
        report = simulation.report()
        assert (report["outcome"], report["counts"]["rejected"], report["warnings"]) == ("failed", 4, [])
        assert simulation.job.closed_at < simulation.job.created_at + HOUR * 1000
        (name,) = report["results"]
        (key,) = [ref.key for ref in simulation.objects.list(RESULTS, "jobs/") if ref.key.endswith(name)]
        assert b"bad catalogue" in simulation.objects.open(ObjectRef(RESULTS, key)).read()


# --- parts that are gone ---


def test_a_report_says_which_rejects_are_missing_because_the_job_was_held_for_too_long() -> None:
    chosen = scenario("hold")
    number = next(n for n, c in enumerate(run(chosen).calls) if c[0] == "submit" and c[1].startswith("http POST"))
    with Simulation(chosen, 0, Plan([(number, "reset_after")])) as simulation:
        simulation.drop()
        simulation.drain()
        assert simulation.report()["outcome"] == "held"
        before = rejects(simulation)
        for ref in list(simulation.objects.list(RESULTS, "work/")):  # as the bucket does after 40 days
            simulation.objects.delete(RESULTS, ref.key)
        simulation.watch.operated = True
        operate.resolve(simulation.world, simulation.job.job_id, "abandon")
        simulation.drain()
        assert simulation.check() == []
        report = simulation.report()
        assert len(set(before) - set(rejects(simulation))) == report["counts"]["rejected"] == 1
        assert [w for w in report["warnings"] if w.startswith("batch 2: 1 records are counted, but no longer in")]


def test_reasons_that_come_again_with_every_part_take_no_more_room() -> None:
    progress = Progress("")
    for n in range(200):
        reasons = [["rejected", "E", f"no {i}", 1] for i in range(50)]
        progress.note(
            {"sample": [], "reasons": [*reasons, *([["rejected", "E", f"part {n} {i}", 1] for i in range(50)])]}
        )
    assert len(progress.reasons) <= 1002
    assert progress.reasons.total() == 200 * 100
    assert progress.most()[0]["count"] >= 200


def test_what_is_refused_after_the_last_try_is_tried_ever_more_seldom_as_well() -> None:
    """The storage will not have the report itself."""
    with Simulation(scenario("lookup")) as simulation:
        simulation.drop()
        simulation.kernel.run(simulation.kernel.now + 4 * HOUR, all_states(simulation, "succeeded"))
        plain, end = simulation.objects.put, simulation.kernel.now + 24 * HOUR

        def refuse(bucket: str, key: str, *rest: Any, **named: Any) -> None:
            if key.endswith("rejects.csv") and simulation.kernel.now < end:
                raise ObjectRefused("AccessDenied")
            plain(bucket, key, *rest, **named)

        with patch.object(simulation.objects, "put", refuse):
            simulation.drain(hours=26)
        assert simulation.report()["outcome"] == "completed_with_rejects"
        assert finishes(simulation) < 150
