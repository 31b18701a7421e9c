"""What a report says became of a drop is what became of it: neither doubt where there is none, nor the reverse."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch

import pytest

from batchdrop import operate
from batchdrop.errors import Ambiguous, AuthExpired, ProvablyNotSent, SecretError, VendorError
from batchdrop.ports import Request
from batchdrop.report.advice import what_next
from batchdrop.words import BatchState
from tests.simulation.faults import Plan
from tests.simulation.run import Simulation
from tests.simulation.scenario import Scenario, cut, long_look, scenario
from tests.simulation.test_rows import ended, oneshot, places, strict
from tests.simulation.test_spans import states, two_spans, waited_for


@dataclass(frozen=True, slots=True)
class Answering:
    """The way to the vendor, with something done before each request."""

    inner: Any
    first: Callable[[Request], None]

    def send(self, request: Request) -> Any:
        self.first(request)
        return self.inner.send(request)

    def download(self, request: Request) -> Any:
        return self.inner.download(request)


def before_each(simulation: Simulation, first: Callable[[Request], None]) -> None:
    simulation.world.http = Answering(simulation.world.http, first)


# --- before anything was sent ---


@pytest.mark.parametrize("name", ["sherpa", "hold", "datagroup", "mediarithmics", "ometria", "haplo"])
def test_an_unusable_secret_fails_the_job_and_nothing_of_it_is_in_doubt(name: str) -> None:
    with Simulation(scenario(name)) as simulation:
        field = next(iter(simulation.secrets["vendor-main"]))
        simulation.secrets["vendor-main"][field] += " "
        report = ended(simulation)
        assert (report["outcome"], report["failure"]["reason"]) == ("failed", "secret")
        assert f'secret "vendor-main": field "{field}"' in report["reason"]
        assert report["counts"]["unprocessed"] == report["counts"]["records"] > 0
        assert "the vendor accepted none of it" in what_next(report)[0]
        assert not [o for _, o, _ in simulation.gate.trace.calls if o.startswith("http")]


def test_a_secret_that_is_spoiled_between_two_batches_leaves_the_second_unsent() -> None:
    with Simulation(scenario("hold")) as simulation:

        def spoil(request: Request) -> None:
            if "/import/" in request.url:
                simulation.secrets["vendor-main"]["api_key"] = ""
                simulation.later(60.0, lambda: simulation.secrets["vendor-main"].update(api_key="oneshot-api-key"))

        before_each(simulation, spoil)
        report = ended(simulation)
        assert (report["outcome"], report["failure"]["reason"]) == ("failed", "secret")
        assert report["counts"]["unconfirmed"] == 0
        assert report["counts"]["unprocessed"] == report["batches"][1]["records"]
        assert oneshot(simulation).commits == 1


def test_a_step_that_may_be_repeated_leaves_no_doubt_however_it_fails() -> None:
    """The Data Group's upload commits; the call before it is answered with 500 until the deadline."""
    with Simulation(scenario("datagroup")) as simulation:

        def fail(request: Request) -> None:
            if request.url.endswith("/batch-file"):
                raise Ambiguous("POST batch-file: answered 500", status=500)

        before_each(simulation, fail)
        report = ended(simulation)
        assert report["outcome"] == "timed_out"
        assert report["counts"]["unprocessed"] == report["counts"]["records"] > 0
        assert strict(simulation).calls("upload") == []


@pytest.mark.parametrize("error", [ProvablyNotSent, Ambiguous])
@pytest.mark.parametrize("name", ["datagroup", "haplo", "ometria"])
def test_what_kept_a_job_from_being_sent_until_its_deadline_is_told(name: str, error: type[VendorError]) -> None:
    """Of The Data Group it is a call before there is a batch, of the others the first step of one."""
    with Simulation(scenario(name)) as simulation:

        def fail(request: Request) -> None:
            raise error(f"{request.method} vendor.example: the connection was refused")

        before_each(simulation, fail)
        report = ended(simulation)
        assert report["outcome"] == "timed_out"
        assert report["reason"].startswith("not done by its deadline; the last cause was: ")
        assert report["reason"].endswith("vendor.example: the connection was refused")
        assert report["what_next"][0].startswith("Remove the cause named above")


@pytest.mark.parametrize(("status", "state"), [(302, "submitted"), (303, "submitted"), (307, "failed")])
def test_a_redirect_that_may_follow_what_was_done_is_looked_up_and_one_that_asks_to_send_elsewhere_is_a_refusal(
    status: int, state: str
) -> None:
    with Simulation(scenario("lookup")) as simulation:
        plain = simulation.vendor.answer

        def redirect(request: Request, body: bytes) -> tuple[int, Mapping[str, str], bytes]:
            answer = plain(request, body)
            return (status, {"location": "/status/i1"}, b"") if "/import/" in request.url else answer

        with patch.object(simulation.vendor, "answer", redirect):
            report = ended(simulation)
    assert report["counts"]["rejected"] == (4 if state == "failed" else 1)
    assert any("found at the vendor" in warning for warning in report["warnings"]) == (state == "submitted")


@pytest.mark.parametrize("id_", ["x" * 257, "x" * 400_000, "a\ud83d", "a\nb", ".."])
@pytest.mark.parametrize(
    ("name", "field", "place", "outcome"),
    [
        ("hold", "id", "/import/", "held"),
        ("sherpa", "requestId", "/items/batch", "held"),
        ("mediarithmics", "id", "/executions", "held"),  # its two batches look alike in the list
        ("datagroup", "batch_id", "/batch-file", "timed_out"),
        ("ometria", "receipt", "/batch/upload/", "timed_out"),
    ],
)
def test_an_id_that_cannot_be_recorded_or_named_again_is_none(
    name: str, field: str, place: str, outcome: str, id_: str
) -> None:
    with Simulation(scenario(name)) as simulation:
        inner = simulation.vendor.answer

        def answer(request: Request, body: bytes) -> Any:
            status, headers, data = inner(request, body)
            if request.method == "POST" and place in request.url:
                given = json.loads(data)
                (given if field in given else given["data"])[field] = id_
                data = json.dumps(given).encode()
            return status, headers, data

        simulation.vendor.answer = answer  # type: ignore[method-assign]
        report = ended_late(simulation)
        assert report["outcome"] == outcome
        assert report["counts"]["unconfirmed" if outcome == "held" else "unprocessed"] == 4
        assert all(len(value) <= 256 for batch in report["batches"] for value in (batch["receipt"] or {}).values())
        assert len(json.dumps(report)) < 20_000


# --- what may have been sent in an attempt before ---


def test_a_batch_sent_again_in_vain_is_still_in_doubt_as_its_first_attempt_may_have_arrived() -> None:
    with Simulation(scenario("resubmit")) as simulation:
        taken: list[str] = []

        def lose(request: Request) -> None:
            if "/import/" in request.url and taken:
                raise SecretError("the secret is gone")
            if "/import/" in request.url:
                taken.append(request.url)
                raise Ambiguous("no answer")

        before_each(simulation, lose)
        report = ended(simulation)
        assert report["outcome"] == "held"
        assert report["failure"]["reason"] == "secret"
        assert report["batches"][0]["counts"]["unconfirmed"] == report["batches"][0]["records"]
        assert "batch 1" in what_next(report)[0]


# --- canceled ---


def canceled_when(simulation: Simulation, reached: Callable[[], bool]) -> dict[str, Any]:
    """The report of a job that is dropped, and canceled as soon as that is so."""
    simulation.drop()
    waited_for(simulation, reached)
    operate.cancel(simulation.world, simulation.job.job_id)
    simulation.drain()
    assert simulation.check() == []
    return simulation.report()


def test_a_cancel_while_the_last_batches_of_all_spans_are_under_way_leaves_the_job_completed() -> None:
    chosen = replace(two_spans(), files={"two.csv": b"id,name\n1,anna\n2,eva\n"})
    last = places(chosen, "submit", "http POST /import")[-1]
    with Simulation(chosen, 0, Plan([(last, "delay")])) as simulation:
        report = canceled_when(simulation, lambda: len(states(simulation)) == 2)
        assert report["counts"]["accepted"] == report["counts"]["records"] == 2
        assert (report["outcome"], report["failure"]) == ("completed", None)


def test_a_cancel_before_the_number_of_records_is_known_is_still_one() -> None:
    with Simulation(long_look(packed=False)) as simulation:
        report = canceled_when(simulation, lambda: bool(simulation.jobs()) and bool(simulation.job.halt))
        assert (report["outcome"], report["counts"]["records"]) == ("canceled", 0)


@pytest.mark.parametrize(
    ("name", "told"), [("ometria", "unconfirmed"), ("mediarithmics", "unprocessed"), ("sherpa", "unprocessed")]
)
def test_only_what_the_vendor_had_not_begun_with_counts_as_never_sent(name: str, told: str) -> None:
    with Simulation(scenario(name)) as simulation:
        report = canceled_when(simulation, lambda: BatchState.SUBMITTED in states(simulation))
        assert report["outcome"] == "canceled"
        assert report["counts"][told] == report["counts"]["records"] == 4
        assert any("never sent" in step for step in what_next(report)) == (told == "unprocessed")


@pytest.mark.parametrize("decision", ["resubmit", "adopt", "abandon"])
def test_a_canceled_job_that_was_held_stays_canceled_and_sends_only_what_was_decided_on(decision: Any) -> None:
    """Of three spans the first is in doubt, and records of the others are not sent yet."""
    chosen = scenario("spans-hold")
    first = places(chosen, "submit", "http POST /import")[0]
    with Simulation(chosen, 0, Plan([(first, "reset_after"), (first + 6, "delay")])) as simulation:
        report = canceled_when(simulation, lambda: BatchState.DOUBTFUL in states(simulation))
        unsent, sent = report["counts"]["unprocessed"], oneshot(simulation).commits
        assert (report["outcome"], unsent > 0) == ("held", True)
        simulation.watch.operated = True
        receipt = str(oneshot(simulation).vendor.imports[0]["id"]) if decision == "adopt" else ""
        operate.resolve(simulation.world, simulation.job.job_id, decision, receipt)
        simulation.drain()
        assert simulation.check() == []
        report = simulation.report()
        assert (report["outcome"], report["reason"]) == ("canceled", "canceled on request")
        assert report["counts"]["unprocessed"] == unsent
        assert oneshot(simulation).commits == sent + (decision == "resubmit")
        settled = BatchState.UNCONFIRMED if decision == "abandon" else BatchState.SUCCEEDED
        assert set(states(simulation)) == {settled, BatchState.SUCCEEDED}


def test_of_a_canceled_job_one_batch_is_sent_again_while_another_stays_in_doubt() -> None:
    chosen = scenario("hold")
    sent = places(chosen, "submit", "http POST /import")
    with Simulation(chosen, 0, Plan([(number, "reset_after") for number in sent])) as simulation:
        canceled_when(simulation, lambda: states(simulation) == [BatchState.DOUBTFUL] * 2)
        assert oneshot(simulation).commits == 2
        simulation.watch.operated = True
        operate.resolve(simulation.world, simulation.job.job_id, "resubmit", batch=2)
        simulation.drain()
        assert simulation.check() == []
        assert simulation.report()["outcome"] == "held"
        assert states(simulation) == [BatchState.HELD, BatchState.SUCCEEDED]
        operate.resolve(simulation.world, simulation.job.job_id, "resubmit", batch=1)
        simulation.drain()
        assert simulation.check() == []
        assert simulation.report()["outcome"] == "completed_with_rejects"
        assert simulation.report()["failure"] is None
        assert oneshot(simulation).commits == 4


# --- a worker that gives up ---


def test_once_a_span_has_given_up_the_workers_of_the_others_send_no_more() -> None:
    rows = b"id,name\n" + b"".join(b"%02d,somebody\n" % n for n in range(60))
    chosen = cut(replace(_many_batches(60), files={"people.csv": rows}), "many", len(rows) // 3, workers=3)
    with Simulation(chosen) as simulation:

        def refuse(request: Request) -> None:
            simulation.kernel.sleep(1.0)
            if "-2000" in request.url:
                raise AuthExpired("answered 401", status=401)

        before_each(simulation, refuse)
        report = ended(simulation)
        assert (report["outcome"], report["failure"]["reason"]) == ("failed", "credentials")
        assert simulation.job.spread == 3
        assert 2 <= oneshot(simulation).commits <= 8  # of some forty


# --- what the vendor says ---


def _many_batches(rows: int) -> Scenario:
    """One record a batch, and a look every quarter of an hour."""
    chosen = scenario("lookup")
    return replace(
        chosen,
        account={**chosen.account, "max_bytes": 30},
        files={"people.csv": b"id,name\n" + b"".join(b"%02d,n\n" % n for n in range(rows))},
        records=rows,
        route={**chosen.route, "poll": {"first": "15m", "factor": 1, "max": "15m"}},
    )


def answers(simulation: Simulation, status: Callable[[str], str | None]) -> None:
    """Have the vendor answer with that status for a batch, by its id, where there is one."""
    vendor = oneshot(simulation).vendor
    inner = vendor.answer

    def answer(method: str, path: str, headers: Any, body: bytes, now: float) -> tuple[int, Any]:
        code, data = inner(method, path, headers, body, now)
        word = status(path.rpartition("/")[2]) if path.startswith("/status/") else None
        return (code, {"status": word, "rejects": []}) if word else (code, data)

    vendor.answer = answer  # type: ignore[method-assign]


def test_where_there_is_time_for_a_few_batches_a_look_each_has_its_turn() -> None:
    """The first 25 of 60 never end. A status takes 55 seconds, so that a look asks for five."""
    with Simulation(_many_batches(60)) as simulation:
        answers(simulation, lambda id_: "running" if int(id_[1:]) <= 25 else None)
        before_each(simulation, lambda request: simulation.kernel.sleep(55) if request.method == "GET" else None)
        report = ended_late(simulation)
        assert report["outcome"] == "timed_out"
        assert report["counts"]["accepted"] == 35
        assert report["counts"]["unconfirmed"] == 25


def ended_late(simulation: Simulation) -> dict[str, Any]:
    simulation.drop()
    simulation.drain(hours=10)
    assert simulation.check() == []
    return simulation.report()


def test_a_vendor_that_counts_in_its_status_is_warned_of_a_few_times_and_its_words_are_cut() -> None:
    with Simulation(_many_batches(1)) as simulation:
        seconds = simulation.kernel.now
        answers(simulation, lambda _: f"progress {simulation.kernel.now - seconds:.0f} of {'many' * 100}")
        report = ended_late(simulation)
        assert report["outcome"] == "timed_out"
        told = [warning for warning in report["warnings"] if "is not known" in warning]
        assert len(told) == 5
        assert told[-1].endswith("its further ones are not listed")
        assert max(len(warning) for warning in told) < 200
        assert len(report["batches"][0]["status"]) == 100
        assert simulation.world.metrics.counted["UnknownStatuses"] > 5
