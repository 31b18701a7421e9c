"""The state machine as deployed."""

from __future__ import annotations

import json
import re

import pytest

from tests.template.translated import REPO, resources, source, statements

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


def test_the_workflow_invokes_its_three_functions_and_writes_one_item() -> None:
    granted = {
        action
        for role, statement in statements()
        if role == "WorkflowRole"
        for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
    }
    assert {a for a in granted if not a.startswith(("logs:", "xray:", "kms:"))} == {
        "lambda:InvokeFunction",
        "dynamodb:UpdateItem",
    }


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
    assert states["Submit the Rest"]["TimeoutSeconds"] > longest
    assert states["Finish"]["TimeoutSeconds"] > functions["FinishFunction"]["Timeout"]
    assert states["Ask What Is Next"]["TimeoutSeconds"] > functions["PollFunction"]["Timeout"]
