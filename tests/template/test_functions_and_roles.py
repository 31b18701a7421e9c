"""The functions as deployed: how they run, and that each may do only what it must."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from tests.simulation.world import WITHOUT_STORAGE
from tests.template.translated import REPO, listed, resources, source, statements

FUNCTIONS = ("Submit", "Poll", "Webhook", "Finish", "Sweep")
TRACES = {"xray:PutTraceSegments", "xray:PutTelemetryRecords"}
SAMPLING = {"xray:GetSamplingRules", "xray:GetSamplingTargets"}
DELIVERY = {f"logs:{verb}LogDelivery" for verb in ("Create", "Get", "Update", "Delete")} | {
    "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
}  # fmt: skip
KEY = "arn:aws:kms:eu-west-1:111122223333:key/mine"
# Which service holds what an action is about; it is that one that uses the key.
ENCRYPTED = ("s3", "sqs", "dynamodb", "secretsmanager", "states")


def function(name: str) -> dict[str, Any]:
    return resources("AWS::Lambda::Function")[f"{name}Function"]


def role_of(name: str) -> str:
    return str(function(name)["Role"]["Fn::GetAtt"][0])


def grants(name: str) -> list[dict[str, Any]]:
    return [statement for role, statement in statements() if role == role_of(name)]


def actions(name: str) -> set[str]:
    return {action for statement in grants(name) for action in listed(statement["Action"])}


def test_there_are_five_functions_and_no_other() -> None:
    assert set(resources("AWS::Lambda::Function")) == {f"{name}Function" for name in FUNCTIONS}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_function_is_traced_logs_json_to_a_kept_log_and_has_its_processor_and_limits(name: str) -> None:
    found = function(name)
    assert found["Architectures"] == [{"Ref": "Architecture"}]
    assert found["Runtime"] == {"Ref": "PythonRuntime"}
    assert found["TracingConfig"] == {"Mode": "Active"}
    assert found["LoggingConfig"]["LogFormat"] == "JSON"
    group = resources("AWS::Logs::LogGroup")[found["LoggingConfig"]["LogGroup"]["Ref"]]
    assert group["RetentionInDays"] == {"Ref": "LogRetentionDays"}
    assert "Timeout" in found
    assert "MemorySize" in found
    assert len(found["Layers"]) == 1
    assert (REPO / f"functions/{name.lower()}/app.py").is_file()


def test_arm_is_the_default_and_traces_hold_no_answers() -> None:
    assert source()["Parameters"]["Architecture"]["Default"] == "arm64"
    for name in FUNCTIONS:
        variables = function(name)["Environment"]["Variables"]
        assert variables["POWERTOOLS_TRACER_CAPTURE_RESPONSE"] == "false"
        assert variables["POWERTOOLS_TRACER_CAPTURE_ERROR"] == "false"


def test_every_function_has_a_role_of_its_own() -> None:
    assert Counter(role_of(name) for name in FUNCTIONS).most_common(1)[0][1] == 1


def test_no_role_has_a_managed_policy() -> None:
    assert {n for n, r in resources("AWS::IAM::Role").items() if "ManagedPolicyArns" in r} == set()


def test_every_role_is_written_out_and_can_be_taken_by_its_own_service_only() -> None:
    written = {n for n, r in source()["Resources"].items() if r["Type"] == "AWS::IAM::Role"}
    assert set(resources("AWS::IAM::Role")) == written == {role_of(name) for name in FUNCTIONS} | {"WorkflowRole"}
    for name, role in resources("AWS::IAM::Role").items():
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        service = "states" if name == "WorkflowRole" else "lambda"
        assert (trust["Principal"], trust["Action"]) == ({"Service": f"{service}.amazonaws.com"}, "sts:AssumeRole")


def test_no_grant_is_of_every_action() -> None:
    for role, statement in statements(KmsKeyArn=KEY):
        assert not statement.keys() & {"NotAction", "NotResource", "NotPrincipal"}, role
        for action in listed(statement["Action"]):
            assert "*" not in action or action in ("kms:ReEncrypt*", "kms:GenerateDataKey*"), f"{role}: {action}"


def test_no_grant_is_on_everything_but_where_aws_knows_nothing_narrower() -> None:
    """Traces and log deliveries: exactly these, for these roles. The embedded AWS cannot probe them."""
    wide = {(role, s["Sid"]): set(listed(s["Action"])) for role, s in statements() if "*" in listed(s["Resource"])}
    traces = {(role_of(name), "WriteTraces"): TRACES for name in FUNCTIONS}
    assert wide == traces | {("WorkflowRole", "WriteTraces"): TRACES | SAMPLING, ("WorkflowRole", "WriteLog"): DELIVERY}


def test_the_simulation_denies_storage_to_the_functions_whose_roles_have_no_right_on_it() -> None:
    without = {name.lower() for name in FUNCTIONS if not any(action.startswith("s3:") for action in actions(name))}
    assert set(WITHOUT_STORAGE) == without


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_function_writes_the_one_log_and_reads_none(name: str) -> None:
    logs = [s for s in grants(name) if any(a.startswith("logs:") for a in listed(s["Action"]))]
    assert logs == [
        {"Sid": "WriteLog", "Effect": "Allow", "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
         "Resource": {"Fn::GetAtt": ["FunctionLog", "Arn"]}}
    ]  # fmt: skip


def test_without_a_key_of_ones_own_no_role_may_use_any() -> None:
    assert [role for role, s in statements() if any("kms:" in a for a in listed(s["Action"]))] == []


@pytest.mark.parametrize("role", [*(role_of(name) for name in FUNCTIONS), "WorkflowRole"])
def test_with_a_key_of_ones_own_each_role_may_use_it_through_the_services_it_calls(role: str) -> None:
    mine = [s for who, s in statements(KmsKeyArn=KEY) if who == role]
    calls = {action.partition(":")[0] for s in mine for action in listed(s["Action"])} & set(ENCRYPTED)
    uses = {s["Sid"]: s for s in mine if any(a.startswith("kms:") for a in listed(s["Action"]))}
    assert all(s["Resource"] == {"Ref": "KmsKeyArn"} and s["Condition"] for s in uses.values())
    through = uses["UseKey"]["Condition"]["StringLike"]["kms:ViaService"]
    assert calls <= {service["Fn::Sub"].partition(".")[0] for service in through} == set(ENCRYPTED)
    assert {"kms:Decrypt", "kms:GenerateDataKey*"} <= set(uses["UseKey"]["Action"])
    assert set(uses) == {"UseKey"} | ({"EncryptHistory", "EncryptLog"} if role == "WorkflowRole" else set())


def test_no_secret_value_is_in_the_template_and_none_in_a_variable() -> None:
    for name in FUNCTIONS:
        for variable in function(name)["Environment"]["Variables"]:
            assert not any(word in variable for word in ("SECRET", "PASSWORD", "TOKEN", "API_KEY"))
    assert "GenerateSecretString" in resources("AWS::SecretsManager::Secret")["NotificationKeys"]


@pytest.mark.acceptance("F9")
def test_the_public_function_reaches_the_ledger_one_secret_and_the_waiter_alone() -> None:
    services = {action.partition(":")[0] for action in actions("Webhook")} - {"logs", "xray", "kms"}
    assert services == {"dynamodb", "secretsmanager", "states"}
    assert {a for a in actions("Webhook") if a.startswith("dynamodb:")} <= {"dynamodb:UpdateItem", "dynamodb:GetItem"}
    secrets = [s for s in grants("Webhook") if "secretsmanager:GetSecretValue" in listed(s["Action"])]
    (resource,) = (json.dumps(s["Resource"]) for s in secrets)
    assert "/notification-keys-??????" in resource or resource == '{"Ref": "NotificationKeys"}'


def test_only_the_webhook_and_a_submission_that_ends_early_can_wake_a_waiter() -> None:
    assert {name for name in FUNCTIONS if "states:SendTaskSuccess" in actions(name)} == {"Submit", "Webhook"}


def test_only_finish_writes_reports_and_nobody_deletes_a_drop() -> None:
    for name in FUNCTIONS:
        deletes = [s for s in grants(name) if "s3:DeleteObject" in listed(s["Action"])]
        assert all("DropBucket" not in json.dumps(s["Resource"]) for s in deletes)
        assert all("DropBucket" not in json.dumps(s["Resource"]) for s in grants(name)
                   if "s3:PutObject" in listed(s["Action"]))  # fmt: skip


@pytest.mark.acceptance("D8")
def test_a_lease_outlives_the_worker_it_was_given_to() -> None:
    """The lease is the invocation's own end plus a margin; kills have been seen a second after it."""
    margin = source()["Parameters"]["LeaseMargin"]
    assert margin["Default"] >= 60
    assert function("Submit")["Environment"]["Variables"]["LEASE_MARGIN"] == {"Ref": "LeaseMargin"}


def test_a_worker_has_time_to_finish_what_it_has_begun() -> None:
    parameters = source()["Parameters"]
    assert parameters["Reserve"]["Default"] < parameters["SubmitTimeout"]["Default"] / 2
    assert max(parameters["SubmitTimeout"]["AllowedValues"]) <= 900
