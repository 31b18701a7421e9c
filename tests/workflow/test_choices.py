"""What the workflow does with each answer of its functions: the real conditions on the real answers."""

from __future__ import annotations

from typing import Any

import pytest

from batchdrop.finish import Finished
from batchdrop.poll import AWAITS
from batchdrop.route import MOST_WORKERS
from batchdrop.words import JobOutcome
from tests.workflow.definition import STATES, chosen, evaluate


def answer(**changes: Any) -> dict[str, Any]:
    """What the poll function returns."""
    return {"job_id": "abc", "lap": 3, "next": "wait", "seconds": 30, "asked_at": 1795331633740, **changes}


@pytest.mark.parametrize(
    ("given", "state"),
    [
        (answer(next="finish", seconds=0), "Finish"),
        (answer(next="submit", seconds=0), "Submit the Rest"),
        (answer(next="submit", seconds=0, spans=[{"job_id": "abc", "lap": 4, "span": 1}]), "Spread Out"),
        (answer(next="wait", seconds=1), "Wait"),
        (answer(next="wait", seconds=900), "Wait"),
        (answer(next="await", seconds=900), "Await 15 Minutes"),
        (answer(next="await", seconds=300), "Await 5 Minutes"),
        (answer(next="await", seconds=60), "Await 1 Minute"),
        (answer(next="await", seconds=15), "Await 15 Seconds"),
    ],
)
def test_each_answer_of_poll_leads_where_it_says(given: dict[str, Any], state: str) -> None:
    assert chosen("What Is Next?", given) == state


def test_every_await_of_poll_has_a_state_of_that_length() -> None:
    for seconds in AWAITS:
        assert STATES[chosen("What Is Next?", answer(next="await", seconds=seconds))]["TimeoutSeconds"] == seconds


def test_an_answer_nobody_knows_waits() -> None:
    assert chosen("What Is Next?", answer(next="await", seconds=42)) == "Wait"
    assert chosen("What Is Next?", answer(next="news")) == "Wait"


@pytest.mark.parametrize("count", [1, 2, MOST_WORKERS])
def test_spans_become_the_items_of_the_map_and_the_job_is_known_again_behind_it(count: int) -> None:
    spans = [{"job_id": "abc", "lap": 4, "span": number + 1} for number in range(count)]
    spread = evaluate(STATES["Spread Out"]["Output"], {"input": answer(next="submit", spans=spans)})
    assert spread == spans
    assert evaluate(STATES["Submit Side by Side"]["Items"], {"input": spread}) == spans
    arguments = STATES["Submit Side by Side"]["ItemProcessor"]["States"]["Submit a Span"]["Arguments"]["Payload"]
    given = [{name: evaluate(text, {"input": span}) for name, text in arguments.items()} for span in spans]
    assert given == [{"job_id": "abc", "span": number + 1} for number in range(count)]
    for state in (STATES["Gather"], STATES["Submit Side by Side"]["Catch"][0]):
        known = evaluate(state["Output"], {"input": spans})
        assert (known["job_id"], known["lap"]) == ("abc", 4)


def test_a_wait_is_as_long_as_poll_says() -> None:
    assert evaluate(STATES["Wait"]["Seconds"], {"input": answer(seconds=7)}) == 7


def finished(job: Finished) -> dict[str, Any]:
    from msgspec.structs import asdict

    return {"job_id": "abc", **asdict(job)}


@pytest.mark.parametrize(
    ("job", "state"),
    [
        (Finished("again"), "Finish"),
        (Finished("wait", seconds=30), "Wait to Finish"),
        *((Finished("done", o.value, o.is_success), "Job Done" if o.is_success else "Job Failed") for o in JobOutcome),
        (Finished("done", "unknown"), "Job Failed"),
    ],
)
def test_each_answer_of_finish_leads_where_it_says(job: Finished, state: str) -> None:
    assert chosen("Is It Finished?", finished(job)) == state


def test_a_failed_execution_tells_the_outcome_and_where_to_read_on() -> None:
    given = {"input": finished(Finished("done", "held"))}
    assert evaluate(STATES["Job Failed"]["Error"], given) == "held"
    assert "abc" in evaluate(STATES["Job Failed"]["Cause"], given)


def test_the_answers_of_functions_are_taken_as_they_are() -> None:
    result = {"result": {"Payload": answer()}, "input": {"job_id": "abc"}}
    assert evaluate(STATES["Ask What Is Next"]["Output"], result) == answer()
    assert evaluate(STATES["Submit the Rest"]["Arguments"]["Payload"]["job_id"], {"input": answer()}) == "abc"
