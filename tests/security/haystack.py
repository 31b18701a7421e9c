"""Everything a deployed stack holds that somebody may come to read, as text; and the search of it."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus

from tests.e2e.rig import Rig

Place = tuple[str, str]  # where, and what stands there


@dataclass(frozen=True)
class Hit:
    """A canary where it should not be."""

    canary: str
    form: str
    place: str
    around: str


def forms(value: str) -> Iterator[tuple[str, str]]:
    """`(name, text)` of the ways a value may be written: plain, escaped, URL-encoded, within something in base64."""
    yield "plain", value
    yield "JSON", json.dumps(value)[1:-1]
    yield "URL", quote(value, safe="")
    yield "URL path", quote(value)
    yield "form", quote_plus(value)
    for shift in range(3):  # base64 of a longer text looks different for each of three places the value may begin at
        text = base64.b64encode(b"\0" * shift + value.encode()).decode().rstrip("=")
        whole_groups = (shift + len(value.encode())) % 3 == 0  # else its last letter depends on what comes after
        inner = text[(0, 2, 3)[shift] : len(text) if whole_groups else -1]
        yield f"base64+{shift}", inner
        yield f"base64url+{shift}", inner.replace("+", "-").replace("/", "_")


def search(places: Iterable[Place], canaries: Mapping[str, str]) -> tuple[int, list[Hit]]:
    """How many characters were searched, and what was found."""
    wanted = [(name, form, text) for name, value in canaries.items() for form, text in forms(value)]
    characters, hits = 0, []
    for place, content in places:
        characters += len(content)
        for name, form, text in wanted:
            at = content.find(text)
            if at >= 0:
                hits.append(Hit(name, form, place, content[max(0, at - 80) : at + 20]))
    return characters, hits


def logs(rig: Rig) -> Iterator[Place]:
    """Every log stream of every group."""
    client = rig.client("logs")
    for group in _pages(client, "describe_log_groups", "logGroups"):
        name = group["logGroupName"]
        for stream in _pages(client, "describe_log_streams", "logStreams", logGroupName=name):
            where = {"logGroupName": name, "logStreamName": stream["logStreamName"]}
            events = client.get_log_events(**where, startFromHead=True, limit=10_000)["events"]
            yield f"log {name}", "\n".join(event["message"] for event in events)


def histories(rig: Rig) -> Iterator[Place]:
    """Input, output and history of every execution, and the machine's definition."""
    client, machine = rig.client("stepfunctions"), rig.stack.outputs["WorkflowArn"]
    yield "state machine", _text(client.describe_state_machine(stateMachineArn=machine))
    for execution in _pages(client, "list_executions", "executions", stateMachineArn=machine):
        arn = execution["executionArn"]
        yield "execution", _text(client.describe_execution(executionArn=arn))
        events = _pages(client, "get_execution_history", "events", executionArn=arn, includeExecutionData=True)
        yield "history", _text(list(events))


def items(rig: Rig) -> Iterator[Place]:
    """Every item of the ledger."""
    for item in _pages(rig.client("dynamodb"), "scan", "Items", TableName=rig.stack.outputs["LedgerTable"]):
        yield f"ledger {item['pk']['S'].partition('#')[0]}", _text(item)


def objects(rig: Rig, bucket: str) -> Iterator[Place]:
    """Every version of every object."""
    client = rig.client("s3")
    for version in _pages(client, "list_object_versions", "Versions", Bucket=bucket):
        found = client.get_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
        yield (
            f"object {version['Key']}",
            version["Key"] + _text(found["Metadata"]) + found["Body"].read().decode(errors="replace"),
        )


def messages(rig: Rig) -> Iterator[Place]:
    """Every message that waits in any queue."""
    client = rig.client("sqs")
    for url in client.list_queues().get("QueueUrls", []):
        while found := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            yield f"queue {url.rpartition('/')[2]}", _text(found)
            for message in found:
                client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])


def the_rest(rig: Rig) -> Iterator[Place]:
    """Metrics, routes, functions' configuration, the stack as CloudFormation tells it, the emulator's own output."""
    yield "metrics", _text(list(_pages(rig.client("cloudwatch"), "list_metrics", "Metrics")))
    yield "alarms", _text(list(_pages(rig.client("cloudwatch"), "describe_alarms", "MetricAlarms")))
    parameters = rig.client("ssm").get_parameters_by_path(Path="/", Recursive=True)["Parameters"]
    yield "parameters", _text(parameters)
    yield "functions", _text(list(_pages(rig.client("lambda"), "list_functions", "Functions")))
    stacks = rig.client("cloudformation")
    yield "stack", _text(stacks.describe_stacks()["Stacks"])
    yield "stack events", _text(stacks.describe_stack_events(StackName=rig.stack.name)["StackEvents"])
    yield "template", _text(stacks.get_template(StackName=rig.stack.name)["TemplateBody"])


def _pages(client: Any, call: str, field: str, **how: Any) -> Iterator[Any]:
    if not client.can_paginate(call):
        yield from getattr(client, call)(**how)[field]
        return
    for page in client.get_paginator(call).paginate(**how):
        yield from page.get(field, [])


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, default=str, ensure_ascii=False)
