"""The workflow's structure: what validators let pass and Step Functions would stumble over at run time."""

from __future__ import annotations

import copy

import pytest
from jsonata import Jsonata

from batchdrop import poll
from tests.workflow.definition import (
    JSONPATH_ONLY,
    MACHINE,
    STATES,
    evaluate,
    is_expression,
    nexts,
    reachable,
    texts,
)

AWAITS = {name: state for name, state in STATES.items() if name.startswith("Await")}
LAMBDA_TROUBLE = {
    "Lambda.ServiceException",
    "Lambda.AWSLambdaException",
    "Lambda.SdkClientException",
    "Lambda.TooManyRequestsException",
}


def test_every_next_is_a_state_and_every_state_is_reached() -> None:
    for name, state in STATES.items():
        assert set(nexts(state)) <= STATES.keys(), name
    assert reachable(MACHINE["StartAt"]) == STATES.keys()


def test_from_every_state_an_end_can_be_reached() -> None:
    ends = {name for name, state in STATES.items() if state["Type"] in ("Succeed", "Fail")}
    assert ends
    for name in STATES:
        assert reachable(name) & ends, name


def test_every_state_goes_on_or_ends() -> None:
    for name, state in STATES.items():
        assert "End" not in state, f"{name}: an end is a Succeed or a Fail, so that it says which"
        assert (state["Type"] in ("Succeed", "Fail")) != bool(list(nexts(state))), name


def test_jsonata_is_the_language_of_the_whole_machine() -> None:
    assert MACHINE["QueryLanguage"] == "JSONata"
    for name, state in STATES.items():
        assert not JSONPATH_ONLY & state.keys(), name
        assert "QueryLanguage" not in state, name
        assert not any(key.endswith(".$") for key in (*state, *state.get("Arguments", {}))), name


def test_every_expression_can_be_parsed() -> None:
    found = [text for state in STATES.values() for text in texts(state) if "{%" in text or "%}" in text]
    assert len(found) > 20
    for text in found:
        assert is_expression(text), f"an expression must be the whole text: {text}"
        Jsonata(text[2:-2].strip())


@pytest.mark.acceptance("E6")
def test_everything_that_can_wait_has_an_end() -> None:
    assert 0 < MACHINE["TimeoutSeconds"] <= 366 * 86400
    for name, state in STATES.items():
        if state["Type"] == "Task":
            assert isinstance(state["TimeoutSeconds"], int), f"{name}: only a literal time-out is honoured everywhere"


@pytest.mark.acceptance("E6")
def test_the_machine_outlives_the_longest_deadline_a_route_can_set() -> None:
    from batchdrop.finish import GRACE
    from batchdrop.route import COMMON

    assert MACHINE["TimeoutSeconds"] > (COMMON["deadline"].maximum or 0) + GRACE


def test_every_task_hands_on_what_it_cannot_deal_with() -> None:
    for name, state in STATES.items():
        if state["Type"] == "Task":
            assert state["Catch"][-1]["ErrorEquals"] == ["States.ALL"], name


def test_a_failure_ends_as_a_failure() -> None:
    assert STATES[STATES["Finish"]["Catch"][0]["Next"]]["Type"] == "Fail"
    for name, state in STATES.items():
        if state["Type"] == "Fail":
            assert state["Error"], name
            assert state["Cause"], name


@pytest.mark.acceptance("D7")
def test_a_submission_is_never_repeated_by_the_workflow() -> None:
    """A task that never began may be started again; of one that did, the ledger alone knows what may be repeated."""
    retried = {error for retry in STATES["Submit the Rest"]["Retry"] for error in retry["ErrorEquals"]}
    assert retried == {"Lambda.TooManyRequestsException"}
    assert STATES["Submit the Rest"]["Catch"][0]["Next"] == "Rest a While"


# --- several workers at a time ---

MAP = STATES["Submit Side by Side"]
INSIDE = MAP["ItemProcessor"]


def test_each_span_is_an_execution_of_its_own_that_may_take_a_quarter_of_an_hour() -> None:
    """Within the one execution their events would share its history; an express one ends after five minutes."""
    assert INSIDE["ProcessorConfig"] == {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}


def test_no_more_workers_are_started_than_a_route_can_ask_for() -> None:
    from batchdrop.route import MOST_WORKERS

    assert MAP["MaxConcurrency"] == MOST_WORKERS


def test_one_worker_that_fails_stops_no_other() -> None:
    assert MAP["ToleratedFailurePercentage"] == 100
    assert (MAP["Catch"][-1]["ErrorEquals"], MAP["Catch"][-1]["Next"]) == (["States.ALL"], "Rest a While")


@pytest.mark.acceptance("D7")
def test_a_spans_submission_is_caught_and_never_repeated_by_the_workflow_either() -> None:
    task, rest = INSIDE["States"]["Submit a Span"], STATES["Submit the Rest"]
    assert task["Retry"] == rest["Retry"]
    assert task["TimeoutSeconds"] == rest["TimeoutSeconds"]
    assert task["Catch"][-1]["ErrorEquals"] == ["States.ALL"]
    assert INSIDE["States"][task["Catch"][-1]["Next"]]["Seconds"] >= 30


def test_the_states_of_a_span_lead_to_its_end() -> None:
    inside = INSIDE["States"]
    ends = {name for name, state in inside.items() if state["Type"] == "Succeed"}
    for name, state in inside.items():
        assert set(nexts(state)) <= inside.keys(), name
        assert name in ends or list(nexts(state)), name
    assert INSIDE["StartAt"] in inside
    assert len(ends) == 1


def test_looking_is_retried_where_the_platform_failed() -> None:
    retried = {error for retry in STATES["Ask What Is Next"]["Retry"] for error in retry["ErrorEquals"]}
    assert retried == LAMBDA_TROUBLE


def test_every_retry_backs_off_with_jitter_and_has_a_cap() -> None:
    for name, state in STATES.items():
        for retry in state.get("Retry", []):
            assert retry.keys() == {
                "ErrorEquals", "IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds", "JitterStrategy",
            }, name  # fmt: skip
            assert retry["BackoffRate"] > 1


# --- waiting for a callback ---


def test_there_is_one_await_for_each_length_the_poll_function_can_ask_for() -> None:
    assert sorted((s["TimeoutSeconds"] for s in AWAITS.values()), reverse=True) == list(poll.AWAITS)


def test_the_awaits_differ_in_their_time_out_alone() -> None:
    bare = []
    for state in copy.deepcopy(list(AWAITS.values())):
        state.pop("TimeoutSeconds")
        state.pop("Comment", None)
        bare.append(state)
    assert all(state == bare[0] for state in bare)


@pytest.mark.acceptance("F4")
def test_an_await_leaves_its_token_unless_a_callback_came_since_the_last_look() -> None:
    state = AWAITS["Await 15 Seconds"]
    assert state["Resource"].endswith(".waitForTaskToken")
    condition = state["Arguments"]["ConditionExpression"]
    assert "attribute_not_exists(hint_at) OR hint_at < :asked" in condition
    assert "attribute_not_exists(closed_at)" in condition
    given = {"input": {"job_id": "abc", "asked_at": 1795331633740}, "context": {"Task": {"Token": "t" * 700}}}
    values = state["Arguments"]["ExpressionAttributeValues"]
    assert evaluate(values[":asked"]["N"], given) == "1795331633740"
    assert evaluate(values[":token"]["S"], given) == "t" * 700
    assert evaluate(state["Arguments"]["Key"]["pk"]["S"], given) == "job#abc"
    assert state["Arguments"]["Key"]["sk"]["S"] == "job"
    assert state["Catch"][0]["ErrorEquals"] == ["States.Timeout", "DynamoDb.ConditionalCheckFailedException"]
    assert state["Catch"][0]["Next"] == "Ask What Is Next"


@pytest.mark.acceptance("F10")
def test_the_token_goes_to_the_ledger_and_nowhere_else() -> None:
    holders = [n for n, s in STATES.items() if any("Task.Token" in text for text in texts(s))]
    assert holders == list(AWAITS)
    for name in AWAITS:
        assert not any("Token" in text for text in texts(AWAITS[name]["Output"]))


@pytest.mark.acceptance("E7")
def test_the_laps_fit_in_an_executions_history() -> None:
    """A lap is Ask (5 events), Choice (2) and a Wait or Await: 9 at least, more where a task is retried."""
    assert poll.MOST_LAPS * 9 < 25_000 - 2_000


@pytest.mark.acceptance("E9")
def test_states_hand_on_names_and_numbers_alone() -> None:
    assert STATES["Submit the Rest"]["Output"] == "{% $states.input %}"
    for state in AWAITS.values():
        assert state["Output"] == "{% $states.input %}"
