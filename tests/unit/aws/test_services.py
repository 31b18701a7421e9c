"""Secrets, routes, workflow and events on AWS: what is benign, what fails, and what a failure may say."""

from __future__ import annotations

import json
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from batchdrop.aws import services
from batchdrop.aws.services import EventBridge, ParameterRoutes, SecretsManager, StepFunctions
from batchdrop.errors import RouteError, SecretError

MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:shop-job"
EXECUTION = "arn:aws:states:eu-west-1:123456789012:execution:shop-job:abc"


# --- secrets ---


@pytest.fixture
def manager(aws: None) -> Any:
    return boto3.client("secretsmanager")


def test_a_secret_is_read_under_the_stacks_name(manager: Any) -> None:
    manager.create_secret(Name="shop/main", SecretString='{"api_key": "k1"}')
    assert SecretsManager(manager, "shop").get("main") == {"api_key": "k1"}


@pytest.mark.acceptance("H2")
def test_a_rotated_secret_is_seen_when_asked_for_afresh_and_kept_otherwise(manager: Any) -> None:
    manager.create_secret(Name="shop/main", SecretString='{"api_key": "old"}')
    secrets = SecretsManager(manager, "shop")
    assert secrets.get("main")["api_key"] == "old"
    manager.put_secret_value(SecretId="shop/main", SecretString='{"api_key": "new"}')
    assert secrets.get("main")["api_key"] == "old"
    assert secrets.get("main", fresh=True)["api_key"] == "new"
    assert secrets.get("main")["api_key"] == "new"


@pytest.mark.acceptance("H2")
def test_a_kept_secret_is_read_again_after_five_minutes(manager: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    manager.create_secret(Name="shop/main", SecretString='{"api_key": "old"}')
    secrets, now = SecretsManager(manager, "shop"), [1000.0]
    monkeypatch.setattr("batchdrop.aws.services.time.monotonic", lambda: now[0])
    secrets.get("main")
    manager.put_secret_value(SecretId="shop/main", SecretString='{"api_key": "new"}')
    now[0] += 299
    assert secrets.get("main")["api_key"] == "old"
    now[0] += 2
    assert secrets.get("main")["api_key"] == "new"


@pytest.mark.acceptance("H3")
def test_a_missing_secret_is_named(manager: Any) -> None:
    with pytest.raises(SecretError, match='secret "shop/main" cannot be read'):
        SecretsManager(manager, "shop").get("main")


@pytest.mark.acceptance("H3")
@pytest.mark.parametrize("value", ["hunter2", '["hunter2"]', '{"api_key": "hunter2"'])
def test_a_malformed_secret_is_named_and_its_value_is_not(manager: Any, value: str) -> None:
    with Stubber(manager) as stub:
        stub.add_response("get_secret_value", {"SecretString": value})
        with pytest.raises(SecretError) as failed:
            SecretsManager(manager, "shop").get("main")
    assert "shop/main" in str(failed.value)
    assert "hunter2" not in str(failed.value)


@pytest.mark.acceptance("H3")
def test_a_secret_of_bytes_is_malformed(manager: Any) -> None:
    manager.create_secret(Name="shop/main", SecretBinary=b'{"api_key": "k"}')
    with pytest.raises(SecretError, match="shop/main"):
        SecretsManager(manager, "shop").get("main")


@pytest.mark.acceptance("H5")
def test_an_outage_of_the_secret_store_is_not_taken_for_a_wrong_secret(manager: Any) -> None:
    with Stubber(manager) as stub:
        stub.add_client_error("get_secret_value", "InternalServiceError", http_status_code=500)
        with pytest.raises(ClientError):
            SecretsManager(manager, "shop").get("main")


# --- routes ---


@pytest.fixture
def parameters(aws: None) -> Any:
    return boto3.client("ssm")


def test_a_route_is_read_under_the_stacks_name(parameters: Any) -> None:
    parameters.put_parameter(Name="/shop/routes/prices", Value='{"destination": "sherpa"}', Type="String")
    assert ParameterRoutes(parameters, "shop").get("prices") == {"destination": "sherpa"}


@pytest.mark.acceptance("B17")
def test_a_missing_route_is_named_and_the_mend_is_told(parameters: Any) -> None:
    with pytest.raises(RouteError, match=r'no route "prices".*batchdrop routes put prices --file FILE'):
        ParameterRoutes(parameters, "shop").get("prices")


@pytest.mark.acceptance("B17")
@pytest.mark.parametrize("name", ["", "..", "a/b", "../secrets", "A", "x" * 64, "a b", "é"])
def test_a_name_that_can_be_no_route_is_never_asked_for(parameters: Any, name: str) -> None:
    with Stubber(parameters), pytest.raises(RouteError, match=r"cannot be a route's name: .* a letter or digit first"):
        ParameterRoutes(parameters, "shop").get(name)


@pytest.mark.parametrize("value", ["destination: sherpa", '["a"]', "{"])
def test_a_route_that_is_no_json_object_is_refused(parameters: Any, value: str) -> None:
    parameters.put_parameter(Name="/shop/routes/prices", Value=value, Type="String")
    with pytest.raises(RouteError, match='route "prices" is not a JSON object'):
        ParameterRoutes(parameters, "shop").get("prices")


@pytest.mark.acceptance("H5")
def test_an_outage_of_the_parameter_store_is_not_taken_for_a_missing_route(parameters: Any) -> None:
    with Stubber(parameters) as stub:
        stub.add_client_error("get_parameter", "ThrottlingException")
        with pytest.raises(ClientError):
            ParameterRoutes(parameters, "shop").get("prices")


# --- the workflow ---


@pytest.fixture
def states() -> Any:
    return boto3.client("stepfunctions")


@pytest.mark.acceptance("A11")
def test_an_execution_is_started_by_the_jobs_own_words_alone(states: Any) -> None:
    started = {"executionArn": EXECUTION, "startDate": 0}
    with Stubber(states) as stub:
        for _ in range(2):  # the same bytes every time: a repeat finds the execution it would have started
            stub.add_response(
                "start_execution", started, {"stateMachineArn": MACHINE, "name": "abc", "input": '{"job_id": "abc"}'}
            )
        StepFunctions(states, MACHINE).start("abc", "abc")
        StepFunctions(states, MACHINE).start("abc", "abc")
        stub.assert_no_pending_responses()


@pytest.mark.acceptance("A10", "A11")
def test_an_execution_that_exists_counts_as_started(states: Any) -> None:
    with Stubber(states) as stub:
        stub.add_client_error("start_execution", "ExecutionAlreadyExists")
        StepFunctions(states, MACHINE).start("abc", "abc")


def test_an_execution_that_could_not_be_started_is_an_error(states: Any) -> None:
    with Stubber(states) as stub:
        stub.add_client_error("start_execution", "StateMachineDoesNotExist")
        with pytest.raises(ClientError):
            StepFunctions(states, MACHINE).start("abc", "abc")


def test_a_waiter_is_woken(states: Any) -> None:
    with Stubber(states) as stub:
        stub.add_response("send_task_success", {}, {"taskToken": "token", "output": "{}"})
        assert StepFunctions(states, MACHINE).wake("token")


@pytest.mark.acceptance("F5")
@pytest.mark.parametrize("code", ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"])
def test_a_waiter_that_is_gone_is_no_error(states: Any, code: str) -> None:
    with Stubber(states) as stub:
        stub.add_client_error("send_task_success", code)
        assert not StepFunctions(states, MACHINE).wake("token")


def test_a_waiter_that_may_not_be_woken_is_an_error(states: Any) -> None:
    with Stubber(states) as stub:
        stub.add_client_error("send_task_success", "AccessDeniedException")
        with pytest.raises(ClientError):
            StepFunctions(states, MACHINE).wake("token")


@pytest.mark.acceptance("E8")
@pytest.mark.parametrize(
    ("status", "running"),
    [("RUNNING", True), ("PENDING_REDRIVE", True), ("ABORTED", False), ("FAILED", False), ("TIMED_OUT", False)],
)
def test_only_a_live_execution_runs(states: Any, status: str, running: bool) -> None:
    found = {"executionArn": EXECUTION, "stateMachineArn": MACHINE, "status": status, "startDate": 0}
    with Stubber(states) as stub:
        stub.add_response("describe_execution", found, {"executionArn": EXECUTION})
        assert StepFunctions(states, MACHINE).is_running("abc") is running


@pytest.mark.acceptance("E8")
def test_an_execution_that_was_deleted_does_not_run(states: Any) -> None:
    with Stubber(states) as stub:
        stub.add_client_error("describe_execution", "ExecutionDoesNotExist")
        assert not StepFunctions(states, MACHINE).is_running("abc")


def test_whether_it_runs_is_not_guessed_where_aws_does_not_say(states: Any) -> None:
    with Stubber(states) as stub:
        stub.add_client_error("describe_execution", "ThrottlingException")
        with pytest.raises(ClientError):
            StepFunctions(states, MACHINE).is_running("abc")


# --- events ---


def test_downstream_hears_of_a_finished_job_and_of_which_stack() -> None:
    events = boto3.client("events")
    entry = {
        "Source": "batchdrop", "DetailType": "Job Finished",
        "Detail": json.dumps({"stack": "shop", "job_id": "abc"}),
    }  # fmt: skip
    with Stubber(events) as stub:
        stub.add_response("put_events", {"FailedEntryCount": 0, "Entries": []}, {"Entries": [entry]})
        EventBridge(events, "shop").publish("Job Finished", {"job_id": "abc"})


def test_an_event_the_bus_did_not_take_is_an_error() -> None:
    """`put_events` answers 200 and tells of the failure in the entry: the job must not be closed unannounced."""
    events = boto3.client("events")
    refused = {"FailedEntryCount": 1, "Entries": [{"ErrorCode": "InternalFailure", "ErrorMessage": "try again"}]}
    with Stubber(events) as stub:
        stub.add_response("put_events", refused)
        with pytest.raises(services.EventNotTaken, match="InternalFailure"):
            EventBridge(events, "shop").publish("Job Finished", {"job_id": "abc"})


# --- clock and chance ---


def test_tokens_never_repeat_and_waits_stay_in_their_bounds() -> None:
    rng = services.SystemRng()
    assert len({rng.token() for _ in range(100)}) == 100
    assert all(1 <= rng.uniform(1, 2) <= 2 for _ in range(100))


def test_the_clock_tells_seconds_since_the_epoch() -> None:
    assert services.SystemClock().now() > 1_700_000_000
