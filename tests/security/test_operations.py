"""What operators are told: alarms on metrics that are counted, a runbook section each, a dashboard of the same."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from tests.template.translated import REPO, resources, statements, template

LIBRARY = "\n".join(path.read_text() for path in (REPO / "layers/batchdrop/batchdrop").rglob("*.py"))
RUNBOOK = (REPO / "docs/operations.md").read_text()
ALARMS = resources("AWS::CloudWatch::Alarm")
# Made of a job's outcome, of the counts, and of what a sweep found.
COMPOSED = {"JobsHeld", "JobsOverdue", "JobsOpen", "JobsFailed", "JobsTimedOut", "JobsCanceled", "JobsCompleted"} | {
    "JobsCompletedWithRejects", "JobsHandedOver", "DropsWithoutJob", "JobsWithoutExecution", "VendorOrphans",
    "RecordsAccepted", "RecordsInvalid", "RecordsRejected", "RecordsUnprocessed", "RecordsUnconfirmed",
}  # fmt: skip


def counted(metric: str) -> bool:
    if f'.count("{metric}"' in LIBRARY:
        return True
    words = [w.lower() for w in re.findall("[A-Z][a-z]+", metric)]
    return metric in COMPOSED and ("_".join(words) in LIBRARY or "_".join(words[1:]) in LIBRARY)


def dashboard() -> list[dict[str, Any]]:
    body = resources("AWS::CloudWatch::Dashboard")["Dashboard"]["DashboardBody"]["Fn::Sub"]
    widgets: list[dict[str, Any]] = json.loads(body)["widgets"]
    return widgets


def test_every_alarm_has_its_section_in_the_runbook_and_no_section_is_left_over() -> None:
    assert sorted(re.findall(r"^### (\w+Alarm)$", RUNBOOK, re.MULTILINE)) == sorted(ALARMS)


@pytest.mark.parametrize("name", ALARMS)
def test_every_alarm_is_on_a_metric_that_is_counted(name: str) -> None:
    alarm = ALARMS[name]
    assert alarm["TreatMissingData"] in ("notBreaching", "breaching")
    assert alarm["AlarmDescription"]
    if alarm["Namespace"] == "Batchdrop":
        assert alarm["Dimensions"] == [{"Name": "service", "Value": {"Ref": "AWS::StackName"}}]
        assert counted(alarm["MetricName"]), alarm["MetricName"]


@pytest.mark.acceptance("A14")
def test_what_must_not_pass_unheard_has_an_alarm() -> None:
    metrics = {alarm["MetricName"] for alarm in ALARMS.values()}
    assert {
        "ApproximateAgeOfOldestMessage", "ApproximateNumberOfMessagesVisible", "JobsHeld", "JobsOverdue",
        "ExecutionsFailed", "ExecutionsTimedOut", "UnknownStatuses", "CountMismatches", "UnmatchedVendorErrors",
        "ResultsUnreadable", "CallbacksForged", "SweepFinds", "Errors", "Throttles", "Duration", "Invocations",
    } <= metrics  # fmt: skip
    queues = {json.dumps(alarm["Dimensions"]) for alarm in ALARMS.values() if "SQS" in alarm["Namespace"]}
    assert all(any(queue in told for told in queues) for queue in resources("AWS::SQS::Queue"))


def test_alarms_tell_the_topic_that_is_given_and_nobody_without_one() -> None:
    assert all("AlarmActions" not in alarm and "OKActions" not in alarm for alarm in ALARMS.values())
    told = resources("AWS::CloudWatch::Alarm", AlarmTopicArn="arn:aws:sns:eu-west-1:1:somebody")
    assert told.keys() == ALARMS.keys()
    assert all(alarm["AlarmActions"] == alarm["OKActions"] == [{"Ref": "AlarmTopicArn"}] for alarm in told.values())


def test_every_function_has_alarms_of_errors_throttles_and_time() -> None:
    functions = resources("AWS::Lambda::Function")
    for metric in ("Errors", "Throttles", "Duration"):
        watched = {a["Dimensions"][0]["Value"]["Ref"] for a in ALARMS.values() if a["MetricName"] == metric}
        assert watched == set(functions)
    limits = {name: ALARMS[f"{name.removesuffix('Function')}NearTimeoutAlarm"]["Threshold"] for name in functions}
    chosen = limits.pop("SubmitFunction")
    assert limits == {name: 800 * functions[name]["Timeout"] for name in limits}
    assert functions["SubmitFunction"]["Timeout"] == {"Ref": "SubmitTimeout"}
    assert chosen == {"Fn::FindInMap": ["NearTimeout", {"Ref": "SubmitTimeout"}, "Milliseconds"]}


def test_the_submit_function_s_alarm_goes_with_its_time_out_whichever_is_chosen() -> None:
    known = template()["Mappings"]["NearTimeout"]
    allowed = template()["Parameters"]["SubmitTimeout"]["AllowedValues"]
    assert known == {str(seconds): {"Milliseconds": 950 * seconds} for seconds in allowed}


def test_the_dashboard_shows_jobs_first_then_errors_then_latency_and_only_what_is_counted() -> None:
    titles = [widget["properties"]["title"] for widget in dashboard() if "title" in widget["properties"]]
    assert titles[:2] == ["Jobs in and done", "Jobs held and overdue"]
    assert titles.index("Errors of functions") < titles.index("From drop to report, seconds")
    for widget in dashboard():
        for metric in widget["properties"].get("metrics", []):
            if metric[0] == "Batchdrop":
                assert counted(metric[1]), metric[1]


def test_the_event_in_the_documentation_fits_its_schema() -> None:
    schema = json.loads((REPO / "docs/job-finished.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    text = (REPO / "docs/events.md").read_text()
    (example, *_) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    Draft202012Validator(schema).validate(json.loads(example))


def test_the_table_of_what_roles_may_do_is_printed_where_nothing_of_aws_is_configured() -> None:
    bare = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    command = [sys.executable, "-m", "tests.security.iam_table"]
    done = subprocess.run(command, cwd=REPO, env=bare, capture_output=True, text=True, check=True)
    rows = [line.split(" | ") for line in done.stdout.splitlines()]
    assert [row[1] for row in rows[2:]] == [statement["Sid"] for _, statement in statements()]


STORES = (
    "AWS::S3::Bucket",
    "AWS::DynamoDB::Table",
    "AWS::SQS::Queue",
    "AWS::Logs::LogGroup",
    "AWS::SecretsManager::Secret",
    "AWS::StepFunctions::StateMachine",
)


def test_everything_that_keeps_data_can_be_encrypted_with_ones_own_key_and_is_encrypted_without_it() -> None:
    stores = {name: one for name, one in template()["Resources"].items() if one["Type"] in STORES}
    assert len(stores) == 11
    for name, store in stores.items():
        assert "KmsKeyArn" in json.dumps(store["Properties"]), name
    for queue in resources("AWS::SQS::Queue").values():
        assert queue["SqsManagedSseEnabled"] is True
    for bucket in resources("AWS::S3::Bucket").values():
        (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
        assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}


def test_the_endpoint_is_throttled_and_its_function_cannot_use_up_the_account() -> None:
    stage = resources("AWS::ApiGatewayV2::Stage")["NotificationStage"]["DefaultRouteSettings"]
    assert 0 < stage["ThrottlingRateLimit"] <= 100
    assert resources("AWS::Lambda::Function")["WebhookFunction"]["ReservedConcurrentExecutions"] == {
        "Ref": "WebhookConcurrency"
    }
