"""The state machine as deployed."""

from __future__ import annotations

import json
import re

import pytest

from tests.template.translated import REPO, listed, resources, source, statements

ASL = (REPO / "functions/workflow/job.asl.yaml").read_text()


def machine() -> dict[str, object]:
    return resources("AWS::StepFunctions::StateMachine")["Workflow"]


def test_every_name_the_definition_leaves_open_is_filled_in_and_none_other() -> None:
    written = source()["Resources"]["Workflow"]["Properties"]
    assert set(re.findall(r"\$\{(\w+)\}", ASL)) == set(written["DefinitionSubstitutions"])
    assert (REPO / written["DefinitionS3Location"]).is_file()


def test_executions_are_logged_without_their_data_and_traced() -> None:
    logging = machine()["LoggingConfiguration"]
    assert isinstance(logging, dict)
    assert (logging["Level"], logging["IncludeExecutionData"]) == ("ERROR", False)
    assert machine()["TracingConfiguration"] == {"Enabled": True}
    assert machine()["StateMachineType"] == "STANDARD"


def test_the_workflow_invokes_its_three_functions_writes_one_item_and_spreads_out() -> None:
    granted = {
        action
        for role, statement in statements()
        if role == "WorkflowRole"
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    assert {a for a in granted if not a.startswith(("logs:", "xray:", "kms:"))} == {
        "lambda:InvokeFunction",
        "dynamodb:UpdateItem",
        "states:StartExecution",
        "states:DescribeExecution",
        "states:StopExecution",
    }


def test_of_executions_the_workflow_may_start_and_stop_its_own_alone() -> None:
    """AWS asks for it where a Map is distributed: the role starts, watches and stops the executions of its items."""
    label = json.loads(ASL)["States"]["Submit Side by Side"]["Label"]
    own = {s["Sid"]: s for role, s in statements() if role == "WorkflowRole" and "states:" in str(s["Action"])}
    (started,) = listed(own["SpreadOut"]["Resource"])
    assert started["Fn::Sub"].endswith(":stateMachine:${AWS::StackName}-job")
    watched = [resource["Fn::Sub"].partition(":execution:")[2] for resource in own["WatchSpans"]["Resource"]]
    assert watched == ["${AWS::StackName}-job:*", f"${{AWS::StackName}}-job/{label}:*"]
    assert own.keys() == {"SpreadOut", "WatchSpans"}


def test_the_rule_on_executions_that_died_hears_of_jobs_alone() -> None:
    """The executions of a Map's items are of a machine whose name has the Map's label behind it."""
    (rule,) = [r for r in resources("AWS::Events::Rule").values() if "EventPattern" in r]
    assert rule["EventPattern"]["detail"]["stateMachineArn"] == [{"Ref": "Workflow"}]


def test_definition_and_history_are_encrypted_with_ones_own_key_where_one_is_given() -> None:
    (owned,) = resources("AWS::StepFunctions::StateMachine").values()
    assert owned["EncryptionConfiguration"] == {"Type": "AWS_OWNED_KEY"}
    (mine,) = resources("AWS::StepFunctions::StateMachine", KmsKeyArn="arn:aws:kms:eu-west-1:1:key/k").values()
    assert mine["EncryptionConfiguration"] == {
        "Type": "CUSTOMER_MANAGED_KMS_KEY", "KmsKeyId": {"Ref": "KmsKeyArn"}, "KmsDataKeyReusePeriodSeconds": 900
    }  # fmt: skip


@pytest.mark.acceptance("C8", "D8")
def test_no_task_gives_up_on_a_worker_that_may_still_be_alive() -> None:
    states = json.loads(ASL)["States"]
    functions = resources("AWS::Lambda::Function")
    longest = max(source()["Parameters"]["SubmitTimeout"]["AllowedValues"])
    inside = states["Submit Side by Side"]["ItemProcessor"]["States"]
    assert states["Submit the Rest"]["TimeoutSeconds"] > longest
    assert inside["Submit a Span"]["TimeoutSeconds"] > longest
    assert states["Finish"]["TimeoutSeconds"] > functions["FinishFunction"]["Timeout"]
    assert states["Ask What Is Next"]["TimeoutSeconds"] > functions["PollFunction"]["Timeout"]
