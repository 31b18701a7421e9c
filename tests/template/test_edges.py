"""Every edge between the parts: nothing falls between two of them unseen."""

from __future__ import annotations

import json
from typing import Any

import pytest

from batchdrop.ledger import RETENTION
from batchdrop.places import route_folder
from tests.template.translated import listed, references, resolved, resources, source

BUCKETS = ("DropBucket", "ResultsBucket")


def value(name: str) -> Any:
    return source()["Parameters"][name]["Default"]


# --- buckets ---


@pytest.mark.parametrize("name", BUCKETS)
def test_buckets_are_private_versioned_encrypted_and_tidied(name: str) -> None:
    bucket = resources("AWS::S3::Bucket")[name]
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(bucket["PublicAccessBlockConfiguration"]) == 4
    assert bucket["VersioningConfiguration"] == {"Status": "Enabled"}
    assert bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    rules = bucket["LifecycleConfiguration"]["Rules"]
    assert any("AbortIncompleteMultipartUpload" in rule for rule in rules)
    assert all("ExpirationInDays" in rule and "NoncurrentVersionExpiration" in rule for rule in rules)


@pytest.mark.parametrize("name", BUCKETS)
def test_buckets_refuse_plain_http(name: str) -> None:
    policies = [p for p in resources("AWS::S3::BucketPolicy").values() if p["Bucket"] == {"Ref": name}]
    denials = [s for p in policies for s in p["PolicyDocument"]["Statement"] if s["Effect"] == "Deny"]
    assert [(d["Principal"], d["Action"]) for d in denials] == [("*", "s3:*")]
    condition = denials[0]["Condition"]
    assert condition["Bool"] == {"aws:SecureTransport": "false"}
    exempt = condition.get("NotIpAddress", {}).get("aws:SourceIp", [])
    assert set(listed(exempt)) <= {"127.0.0.0/8"}  # the embedded AWS; no request on AWS comes from there
    assert len(denials[0]["Resource"]) == 2


def test_stores_of_data_outlive_their_stack() -> None:
    for name in (*BUCKETS, "Ledger"):
        assert resolved()[name]["DeletionPolicy"] == resolved()[name]["UpdateReplacePolicy"] == "Retain"


@pytest.mark.acceptance("A9")
def test_nothing_we_write_triggers_us() -> None:
    triggers = {
        (name, rule["Value"])
        for name, bucket in resources("AWS::S3::Bucket").items()
        for queue in bucket.get("NotificationConfiguration", {}).get("QueueConfigurations", [])
        for rule in queue["Filter"]["S3Key"]["Rules"]
        if rule["Name"] == "prefix"
    }
    assert triggers == {("DropBucket", "drops/")}
    others = {n for n, b in resources("AWS::S3::Bucket").items() if "NotificationConfiguration" in b} - {"DropBucket"}
    assert others == set()
    assert not route_folder("prices").startswith("drops/")


# --- queues ---


@pytest.mark.acceptance("A13", "A14")
def test_a_drop_that_fails_three_times_waits_in_a_dead_letter_queue() -> None:
    queue = resources("AWS::SQS::Queue")["DropQueue"]
    assert queue["RedrivePolicy"]["maxReceiveCount"] >= 3
    (dead,) = references(queue["RedrivePolicy"]["deadLetterTargetArn"])
    assert resources("AWS::SQS::Queue")[dead]["MessageRetentionPeriod"] == 1_209_600
    assert queue["VisibilityTimeout"] >= 6 * value("SubmitTimeout")
    (mapping,) = resources("AWS::Lambda::EventSourceMapping").values()
    assert mapping["FunctionResponseTypes"] == ["ReportBatchItemFailures"]
    assert mapping["BatchSize"] == 1
    assert "MaximumConcurrency" in mapping["ScalingConfig"]


def test_every_queue_is_encrypted_and_its_policy_names_who_may_send() -> None:
    for name, queue in resources("AWS::SQS::Queue").items():
        assert queue.get("SqsManagedSseEnabled") is True or "KmsMasterKeyId" in queue, name
    for name, policy in resources("AWS::SQS::QueuePolicy").items():
        for statement in policy["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Allow":
                assert statement["Principal"].keys() == {"Service"}, name
                assert statement["Action"] == "sqs:SendMessage"
                assert "aws:Source" in json.dumps(statement["Condition"])


@pytest.mark.acceptance("A14")
def test_every_dead_letter_queue_rings() -> None:
    watched = {
        ref
        for alarm in resources("AWS::CloudWatch::Alarm").values()
        if "ApproximateNumberOfMessagesVisible" in json.dumps(alarm)
        for ref in references(alarm)
    }
    dead = {name for name in resources("AWS::SQS::Queue") if "DeadLetters" in name}
    assert dead
    assert dead <= watched


# --- events ---


def test_every_rule_retries_and_keeps_what_it_could_not_deliver() -> None:
    rules = resources("AWS::Events::Rule")
    assert len(rules) == 2
    for rule in rules.values():
        for target in rule["Targets"]:
            assert target["RetryPolicy"]["MaximumRetryAttempts"] > 0
            (queue,) = references(target["DeadLetterConfig"])
            allowed = [
                statement
                for policy in resources("AWS::SQS::QueuePolicy").values()
                if {"Ref": queue} in policy["Queues"]
                for statement in policy["PolicyDocument"]["Statement"]
                if statement["Principal"] == {"Service": "events.amazonaws.com"}
            ]
            assert allowed, f"the rule may not write to {queue}"


def test_a_function_that_events_invoke_keeps_what_it_failed_on() -> None:
    (config,) = resources("AWS::Lambda::EventInvokeConfig").values()
    assert config["FunctionName"] == {"Ref": "SweepFunction"}
    assert "OnFailure" in config["DestinationConfig"]


@pytest.mark.acceptance("E8")
def test_an_execution_that_dies_is_heard_of() -> None:
    patterns = [r["EventPattern"] for r in resources("AWS::Events::Rule").values() if "EventPattern" in r]
    assert [p["detail"]["status"] for p in patterns] == [["FAILED", "ABORTED", "TIMED_OUT"]]
    assert patterns[0]["source"] == ["aws.states"]
    assert list(references(patterns[0]["detail"]["stateMachineArn"])) == ["Workflow"]


# --- the ledger ---


@pytest.mark.acceptance("A2")
def test_the_ledger_remembers_longer_than_any_queue_can_hold_a_drop() -> None:
    table = resources("AWS::DynamoDB::Table")["Ledger"]
    assert table["TimeToLiveSpecification"] == {"AttributeName": "expires_at", "Enabled": True}
    assert table["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert RETENTION >= 400 * 86400
    assert {index["IndexName"] for index in table["GlobalSecondaryIndexes"]} == {"open", "listing"}


# --- the public endpoint ---


@pytest.mark.acceptance("F9", "F10")
def test_the_public_endpoint_is_throttled_and_its_log_has_no_path() -> None:
    (stage,) = resources("AWS::ApiGatewayV2::Stage").values()
    assert stage["DefaultRouteSettings"]["ThrottlingRateLimit"] > 0
    assert stage["DefaultRouteSettings"]["ThrottlingBurstLimit"] > 0
    line = stage["AccessLogSettings"]["Format"]
    assert json.loads(line)["routeKey"] == "$context.routeKey"
    assert not any(word in line.lower() for word in ("path", "uri", "query", "authorizer", "header"))


@pytest.mark.acceptance("F9")
def test_a_flood_of_callbacks_takes_no_concurrency_from_the_others() -> None:
    reserved = resources("AWS::Lambda::Function")["WebhookFunction"]["ReservedConcurrentExecutions"]
    assert reserved == {"Ref": "WebhookConcurrency"}
    assert 0 < value("WebhookConcurrency") <= 10


def test_there_is_one_public_route_and_it_goes_to_the_webhook() -> None:
    (route,) = resources("AWS::ApiGatewayV2::Route").values()
    assert route["RouteKey"] == "ANY /notifications/{token}"
    (integration,) = resources("AWS::ApiGatewayV2::Integration").values()
    assert integration["PayloadFormatVersion"] == "2.0"
    assert "WebhookFunction" in set(references(integration["IntegrationUri"]))
    assert resources("AWS::Lambda::Url") == {}


# --- as a whole ---


def test_everything_referred_to_is_there_and_nothing_goes_round_in_circles() -> None:
    graph = {
        name: {ref for ref in (*references(r), *listed(r.get("DependsOn", []))) if not ref.startswith("AWS::")}
        for name, r in resolved().items()
    }
    known = graph.keys() | source()["Parameters"].keys()
    assert {ref for refs in graph.values() for ref in refs} <= known
    done: set[str] = set()
    while ready := {n for n, refs in graph.items() if n not in done and refs & graph.keys() <= done}:
        done |= ready
    assert graph.keys() - done == set(), "these depend on each other"


def test_every_parameter_says_what_it_is_for() -> None:
    for name, parameter in source()["Parameters"].items():
        assert len(parameter["Description"]) > 10, name
        assert "Default" in parameter, name
