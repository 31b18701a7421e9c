"""What each function may do on the embedded AWS, which enforces IAM: its part of the work, and nothing beside it.

That the roles suffice is shown by every other end-to-end test. What the embedded AWS does not check is checked in
the template only: the source of an event, log streams, traces.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from local.simulators.datagroup import DataGroupSimulator
from tests.e2e.rig import FAR_OFF, Rig
from tests.security.probes import PROBES, Caller, caller, statements_of
from tests.template.translated import resources

UPDATE = ("note a hint", "note a callback", "leave a task token", "change a job")
MAY: dict[str, set[str]] = {
    "SubmitRole": {
        "read a drop", "read a drop's version", "list drops", "write a batch", "read a batch", "delete a batch",
        "get an item", "put an item", *UPDATE, "query items", "read a route", "read a vendor's secret",
        "read the notification keys", "start an execution", "take a message", "take a message away",
        "look at the queue", "put hashes aside", "read hashes", "delete hashes",
    },
    "PollRole": {"get an item", *UPDATE, "query items", "read a vendor's secret"},
    "WebhookRole": {"note a hint", "note a callback", "read the notification keys"},
    "FinishRole": {
        "read a drop's version", "list drops", "write a batch", "read a batch", "write a report", "read a report",
        "write a part", "delete a part", "list parts", "give up an upload", "get an item", *UPDATE, "query items",
        "query the listing", "read a vendor's secret", "tell an event", "put hashes aside", "read hashes",
        "delete hashes",
    },
    "SweepRole": {
        "read a drop", "list drops", "get an item", "put an item", *UPDATE, "query items", "query open jobs",
        "list versions of drops", "read a route", "start an execution", "look at an execution",
        "leave a dead letter of the sweep",
    },
    "WorkflowRole": {
        "note a hint", "leave a task token", "allow a service to write logs", "call submit", "call poll", "call finish",
        "start an execution", "look at an execution", "stop an execution",
    },
}  # fmt: skip
# Statements whose calls cannot be probed here. The waiter's is tried with a real token below; the other two are held
# word for word in tests/template/test_functions_and_roles.py.
UNPROBED = {"WriteLog", "WriteTraces", "WakeExecution"}


@pytest.fixture(scope="module", autouse=True)
def _things_to_reach(rig: Rig) -> None:
    for name in (f"{rig.stack.name}/probe", "probe/other"):
        rig.client("secretsmanager").create_secret(Name=name, SecretString="{}")
    rig.client("logs").create_log_group(logGroupName="/probe/other")


def granted(who: Caller, probes: set[str]) -> set[str]:
    return {probe for probe in probes if who.may(probe)}


def test_every_role_of_the_stack_is_probed() -> None:
    assert set(resources("AWS::IAM::Role")) == set(MAY)


def test_without_a_statement_nothing_is_allowed(rig: Rig) -> None:
    assert granted(caller(rig, []), set(PROBES)) == set()


@pytest.mark.parametrize("role", MAY)
def test_a_role_may_do_its_part_and_nothing_else(rig: Rig, role: str) -> None:
    assert granted(caller(rig, statements_of(rig, role)), set(PROBES)) == MAY[role]


@pytest.mark.parametrize("role", MAY)
def test_every_statement_is_needed_without_it_a_call_is_denied(rig: Rig, role: str) -> None:
    statements = statements_of(rig, role)
    for statement in statements:
        rest = [other for other in statements if other is not statement]
        if statement["Sid"] in UNPROBED:
            continue
        if statement["Effect"] == "Deny":
            assert caller(rig, rest).may("read the notification keys"), statement["Sid"]
            continue
        assert granted(caller(rig, rest), MAY[role]) < MAY[role], f"{role}: {statement['Sid']} is of no use"


@pytest.mark.parametrize("role", MAY)
def test_every_action_of_a_statement_is_needed(rig: Rig, role: str) -> None:
    """One action taken away, and a call is denied: none is granted for nothing."""
    for statement in statements_of(rig, role):
        actions = statement["Action"]
        if statement["Sid"] in UNPROBED or isinstance(actions, str) or len(actions) < 2:
            continue
        lost = granted(caller(rig, [statement]), MAY[role])
        for action in actions:
            less: dict[str, Any] = {**statement, "Action": [other for other in actions if other != action]}
            assert granted(caller(rig, [less]), lost) < lost, f"{role}: {action} is of no use"


def test_only_webhook_and_submit_may_wake_a_waiter_and_only_of_this_stack(rig: Rig) -> None:
    with DataGroupSimulator(seconds_per_state=30, notify="never") as vendor:
        rig.route("waiter", vendor, poll=FAR_OFF)
        job = rig.drop("waiter", "a.csv", "id,zip\n1,01234\n")
        rig.until_state(job, "Await", 40)
        waiting = rig.ledger.job(job)
        assert waiting is not None
        wake = {"taskToken": waiting.task_token, "output": "{}"}
        for role in MAY:
            who = caller(rig, statements_of(rig, role))
            if role not in ("WebhookRole", "SubmitRole"):
                with pytest.raises(who.client("stepfunctions").exceptions.ClientError, match="AccessDenied"):
                    who.client("stepfunctions").send_task_success(**wake)
        mine = [s for s in statements_of(rig, "WebhookRole") if s["Sid"] == "WakeExecution"]
        others = json.loads(json.dumps(mine).replace("-job", "-other-job"))
        stranger = caller(rig, others).client("stepfunctions")
        with pytest.raises(stranger.exceptions.ClientError, match="AccessDenied"):
            stranger.send_task_success(**wake)
        caller(rig, mine).client("stepfunctions").send_task_success(**wake)
