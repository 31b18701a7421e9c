"""A stack's life: a second one beside it with a key of its own, an update while a job runs, a failed one, its end."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local import deployment
from local.home import LocalStack, home
from local.simulators.datagroup import DataGroupSimulator
from local.trouble import Trouble
from tests.e2e.rig import FAR_OFF, Rig

FILE = "id,zip\n1,01234\n2,00001\n"
SECOND = "second"


@pytest.fixture(scope="module")
def key(rig: Rig) -> str:
    arn: str = rig.client("kms").create_key()["KeyMetadata"]["Arn"]
    return arn


@pytest.fixture(scope="module")
def second(rig: Rig, key: str) -> Rig:
    """Another stack in the same account, encrypted with the account's own key, its alarms told to a topic.

    MiniStack's CloudFormation leaves aside encryption of buckets and tables, and a function's reserved concurrency.
    """
    topic = rig.client("sns").create_topic(Name="alarms")["TopicArn"]
    logs = "access-logs"
    rig.client("s3").create_bucket(Bucket=logs, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    extra = {"KmsKeyArn": key, "AlarmTopicArn": topic, "AccessLogBucket": logs, "WebhookConcurrency": "0"}
    return _deployed(rig, SECOND, extra)


def _deployed(rig: Rig, name: str, extra: dict[str, str]) -> Rig:
    port = rig.stack.port
    outputs = deployment.deploy(home(), name, port, deployment.parameters(port) | extra)
    return Rig(LocalStack(name, port, rig.stack.emulator, outputs=outputs))


def test_both_stacks_process_their_drops_and_share_nothing(rig: Rig, second: Rig) -> None:
    mine, others = ({v for k, v in one.stack.outputs.items() if k != "NotificationUrl"} for one in (rig, second))
    assert not mine & others
    with DataGroupSimulator(seconds_per_state=0.2) as one, DataGroupSimulator(seconds_per_state=0.2) as two:
        rig.route("same", one)
        second.route("same", two)
        jobs = rig.drop("same", "a.csv", FILE), second.drop("same", "a.csv", FILE)
        reports = rig.report(jobs[0], 90), second.report(jobs[1], 90)
        assert [report["outcome"] for report in reports] == ["completed"] * 2
        assert [len(vendor.commits) for vendor in (one, two)] == [1, 1]
    assert rig.ledger.job(jobs[1]) is None
    assert second.ledger.job(jobs[0]) is None


def test_the_second_stack_uses_its_key_and_tells_its_alarms(second: Rig, key: str) -> None:
    for queue in ("DropQueueUrl", "DropDeadLettersUrl", "SweepDeadLettersUrl"):
        found = second.client("sqs").get_queue_attributes(QueueUrl=second.stack.outputs[queue], AttributeNames=["All"])
        assert found["Attributes"]["KmsMasterKeyId"] == key
    groups = second.client("logs").describe_log_groups()["logGroups"]
    mine = [group for group in groups if f"/{SECOND}/" in group["logGroupName"]]
    assert len(mine) == 3
    assert {(group.get("kmsKeyId"), group.get("retentionInDays")) for group in mine} == {(key, 90)}
    secret = second.client("secretsmanager").describe_secret(SecretId=f"{SECOND}/notification-keys")
    assert secret["KmsKeyId"] == key
    alarms = second.client("cloudwatch").describe_alarms(AlarmNamePrefix=SECOND)["MetricAlarms"]
    assert len(alarms) > 20
    assert all(alarm["AlarmActions"] and alarm["AlarmActions"] == alarm["OKActions"] for alarm in alarms)


def test_a_job_goes_on_through_an_update_of_its_stack(rig: Rig, second: Rig) -> None:
    with DataGroupSimulator(seconds_per_state=3) as vendor:
        second.route("updated", vendor, poll=FAR_OFF)
        job = second.drop("updated", "a.csv", FILE)
        second.until_state(job, "Await", 60)
        updated = _deployed(rig, SECOND, {"LogLevel": "WARNING", "DropRetentionDays": "60"})
        assert updated.drops == second.drops
        assert second.report(job, 60)["outcome"] == "completed"
        assert len(vendor.commits) == 1
    name = updated.stack.outputs["WebhookFunctionName"]
    found = updated.client("lambda").get_function_configuration(FunctionName=name)
    assert found["Environment"]["Variables"]["POWERTOOLS_LOG_LEVEL"] == "WARNING"


def test_an_update_that_fails_leaves_the_stack_as_it_was(rig: Rig, second: Rig) -> None:
    before = second.client("lambda").get_function_configuration(FunctionName=second.stack.outputs["PollFunctionName"])
    with pytest.raises(Trouble, match="sam deploy failed"):
        _deployed(rig, SECOND, {"SubmitConcurrency": "1"})  # less than the template allows
    after = second.client("lambda").get_function_configuration(FunctionName=second.stack.outputs["PollFunctionName"])
    assert after["Environment"] == before["Environment"]


def test_deleting_a_stack_leaves_its_data_and_its_neighbour_alone(rig: Rig, second: Rig) -> None:
    stacks: Any = rig.client("cloudformation")
    stacks.delete_stack(StackName=SECOND)
    stacks.get_waiter("stack_delete_complete").wait(StackName=SECOND, WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    s3 = rig.client("s3")
    assert s3.list_objects_v2(Bucket=second.drops)["KeyCount"] > 0
    assert s3.list_objects_v2(Bucket=second.results, Prefix="jobs/")["KeyCount"] > 0
    assert rig.client("dynamodb").describe_table(TableName=second.stack.outputs["LedgerTable"])
    functions = json.dumps(rig.client("lambda").list_functions(MaxItems=100)["Functions"])
    assert f'"{SECOND}-' not in functions
    assert f'"{rig.stack.name}-' in functions
    with pytest.raises(ClientError, match="StateMachineDoesNotExist"):
        rig.client("stepfunctions").describe_state_machine(stateMachineArn=second.stack.outputs["WorkflowArn"])
