"""A stack's life: a second one beside it with a key of its own, an update while a job runs, a failed one, its end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from samcli.yamlhelper import yaml_parse  # type: ignore[import-untyped]

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


def _deployed(rig: Rig, name: str, extra: dict[str, str], built: Path | None = None) -> Rig:
    port = rig.stack.port
    outputs = deployment.deploy(built or home(), name, port, deployment.parameters(port) | extra)
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
    machine = second.client("stepfunctions").describe_state_machine(stateMachineArn=second.stack.outputs["WorkflowArn"])
    assert machine["encryptionConfiguration"]["kmsKeyId"] == key
    alarms = second.client("cloudwatch").describe_alarms(AlarmNamePrefix=SECOND)["MetricAlarms"]
    assert len(alarms) > 20
    assert all(alarm["AlarmActions"] and alarm["AlarmActions"] == alarm["OKActions"] for alarm in alarms)


def test_a_job_goes_on_through_an_update_that_is_rolled_back_and_one_that_is_not(
    rig: Rig, second: Rig, key: str, tmp_path: Path
) -> None:
    with DataGroupSimulator(seconds_per_state=4) as vendor:
        second.route("updated", vendor, poll=FAR_OFF)
        job = second.drop("updated", "a.csv", FILE)
        second.until_state(job, "Await", 60)
        before = _functions(second)

        with pytest.raises(Trouble, match="sam deploy failed"):
            _deployed(rig, SECOND, {"LogLevel": "ERROR"}, _broken(tmp_path, second.drops))
        assert _functions(second) == before
        assert _status(second) == "UPDATE_ROLLBACK_COMPLETE"
        events = second.client("cloudformation").describe_stack_events(StackName=SECOND)["StackEvents"]
        sent_back = [e["ResourceStatus"] for e in events if e["LogicalResourceId"] == "PollFunction"]
        assert sent_back.count("UPDATE_COMPLETE") >= 2  # it had the new settings already

        updated = _deployed(rig, SECOND, {"LogLevel": "WARNING", "DropRetentionDays": "60"})
        assert updated.drops == second.drops
        assert _functions(updated) != before
        assert _status(second) == "UPDATE_COMPLETE"
        assert second.report(job, 60)["outcome"] == "completed"
        assert len(vendor.commits) == 1


def _broken(place: Path, taken: str) -> Path:
    """What was built, and one resource more that cannot be made, which is tried after all others."""
    template: dict[str, Any] = yaml_parse((home() / "build/template.yaml").read_text())
    functions = [name for name, one in template["Resources"].items() if one["Type"] == "AWS::Serverless::Function"]
    template["Resources"]["Broken"] = {
        "Type": "AWS::S3::Bucket", "DependsOn": [*functions, "Workflow"], "Properties": {"BucketName": taken}
    }  # fmt: skip
    for name in [*functions, "Library"]:
        code = "ContentUri" if name == "Library" else "CodeUri"
        properties = template["Resources"][name]["Properties"]
        properties[code] = str(home() / "build" / properties[code])
    machine = template["Resources"]["Workflow"]["Properties"]
    machine["DefinitionS3Location"] = str(home() / "build" / machine["DefinitionS3Location"])
    (place / "build").mkdir()
    (place / "build/template.yaml").write_text(json.dumps(template))
    return place


def _functions(rig: Rig) -> dict[str, Any]:
    """The settings of all functions of a stack."""
    names = [value for name, value in rig.stack.outputs.items() if name.endswith("FunctionName")]
    found = (rig.client("lambda").get_function_configuration(FunctionName=name) for name in names)
    return {one["FunctionName"]: (one["Environment"], one["CodeSha256"], one["Timeout"]) for one in found}


def _status(rig: Rig) -> str:
    status: str = rig.client("cloudformation").describe_stacks(StackName=rig.stack.name)["Stacks"][0]["StackStatus"]
    return status


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
