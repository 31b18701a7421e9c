"""Calls that a role may or may not make: each is tried with the role's own credentials on the embedded AWS."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from local.emulator import REGION
from tests.e2e.rig import Rig

DENIED = ("AccessDenied", "AccessDeniedException", "AuthorizationError", "AuthorizationErrorException")
_SESSION = boto3.Session()  # one for all callers: it keeps the services' models, which take longest
_ONCE = Config(retries={"total_max_attempts": 1}, s3={"addressing_style": "path"})
_FOREIGN = {"pk": {"S": "elsewhere#nobody"}, "sk": {"S": "job"}}
_ITEM = {"pk": {"S": "job#nobody"}, "sk": {"S": "job"}}


@dataclass
class Caller:
    """Somebody with credentials, and the names of what there is to reach in a deployed stack."""

    rig: Rig
    credentials: Mapping[str, str]
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        if service not in self.clients:
            made: Any = _SESSION.client  # of a service named at run time
            where = {"endpoint_url": self.rig.stack.endpoint, "region_name": REGION}
            self.clients[service] = made(service, config=_ONCE, **where, **self.credentials)
        return self.clients[service]

    def __getattr__(self, output: str) -> str:
        return self.rig.stack.outputs[output]

    def may(self, probe: str) -> bool:
        """Whether the call is let through; that it then comes to nothing does not matter."""
        try:
            PROBES[probe](self)
        except ClientError as error:
            code, status = error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
            return code not in DENIED and not (code == "403" and status == 403)
        return True


def caller(rig: Rig, statements: list[dict[str, Any]]) -> Caller:
    """Somebody whose role has just these statements."""
    iam, name = rig.client("iam"), f"probe-{uuid.uuid4().hex[:12]}"
    trust = {"Effect": "Allow", "Principal": {"AWS": "arn:aws:iam::000000000000:root"}, "Action": "sts:AssumeRole"}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy([trust]))["Role"]
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="probe", PolicyDocument=_policy(statements))
    given = rig.client("sts").assume_role(RoleArn=role["Arn"], RoleSessionName="probe")["Credentials"]
    names = {"aws_access_key_id": "AccessKeyId", "aws_secret_access_key": "SecretAccessKey"}
    return Caller(rig, {k: given[v] for k, v in (names | {"aws_session_token": "SessionToken"}).items()})


def statements_of(rig: Rig, role: str) -> list[dict[str, Any]]:
    """What the deployed role of this logical id may do."""
    iam = rig.client("iam")
    resources = rig.client("cloudformation").describe_stack_resources(StackName=rig.stack.name)["StackResources"]
    (name,) = (r["PhysicalResourceId"] for r in resources if r["LogicalResourceId"] == role)
    found: list[dict[str, Any]] = []
    for policy in iam.list_role_policies(RoleName=name)["PolicyNames"]:
        document = iam.get_role_policy(RoleName=name, PolicyName=policy)["PolicyDocument"]
        found += (json.loads(document) if isinstance(document, str) else document)["Statement"]
    return found


def _policy(statements: list[dict[str, Any]]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _s3(call: str, bucket: str, **how: Any) -> Callable[[Caller], object]:
    return lambda who: getattr(who.client("s3"), call)(Bucket=getattr(who, bucket), **how)


def _ledger(call: str, **how: Any) -> Callable[[Caller], object]:
    return lambda who: getattr(who.client("dynamodb"), call)(TableName=who.LedgerTable, **how)


def _query(index: str) -> Callable[[Caller], object]:
    how = {"KeyConditionExpression": "#k = :v", "ExpressionAttributeValues": {":v": {"S": "nobody"}}}
    return _ledger("query", ExpressionAttributeNames={"#k": index}, IndexName=index, **how)


def _items(pk: str) -> Callable[[Caller], object]:
    return _ledger("query", KeyConditionExpression="pk = :pk", ExpressionAttributeValues={":pk": {"S": pk}})


def _update(key: dict[str, Any], attribute: str) -> Callable[[Caller], object]:
    values = {":v": {"N": "1"}}
    how = {"UpdateExpression": f"SET {attribute} = :v", "ConditionExpression": "attribute_exists(pk)"}
    return _ledger("update_item", Key=key, ExpressionAttributeValues=values, **how)


def _secret(name: str) -> Callable[[Caller], object]:
    return lambda who: who.client("secretsmanager").get_secret_value(SecretId=name.replace("STACK", who.rig.stack.name))


def _parameter(name: str) -> Callable[[Caller], object]:
    return lambda who: who.client("ssm").get_parameter(Name=name.replace("STACK", who.rig.stack.name))


def _execution(call: str, **how: Any) -> Callable[[Caller], object]:
    return lambda who: getattr(who.client("stepfunctions"), call)(executionArn=who.rig.arn("nobody"), **how)


def _event(source: str) -> Callable[[Caller], object]:
    entry = {"Source": source, "DetailType": "Probe", "Detail": "{}"}
    return lambda who: who.client("events").put_events(Entries=[entry])


def _invoke(function: str) -> Callable[[Caller], object]:
    return lambda who: who.client("lambda").invoke(FunctionName=getattr(who, function), InvocationType="DryRun")


def _stream(group: str) -> Callable[[Caller], object]:
    name = f"probe-{uuid.uuid4().hex}"
    return lambda who: who.client("logs").create_log_stream(
        logGroupName=getattr(who, group) if group[0] != "/" else group, logStreamName=f"{name}-{uuid.uuid4().hex[:6]}"
    )


PROBES: Mapping[str, Callable[[Caller], object]] = {
    "read a drop": _s3("get_object", "DropBucketName", Key="drops/none/none"),
    "read a drop's version": _s3("get_object", "DropBucketName", Key="drops/none/none", VersionId="none"),
    "read elsewhere in the drop bucket": _s3("get_object", "DropBucketName", Key="elsewhere"),
    "write a drop": _s3("put_object", "DropBucketName", Key="drops/", Body=b""),
    "delete a drop": _s3("delete_object", "DropBucketName", Key="drops/none/none"),
    "list drops": _s3("list_objects_v2", "DropBucketName", Prefix="drops/none/"),
    "list versions of drops": _s3("list_object_versions", "DropBucketName", Prefix="drops/none/"),
    "list versions elsewhere": _s3("list_object_versions", "DropBucketName", Prefix="elsewhere/"),
    "list elsewhere in the drop bucket": _s3("list_objects_v2", "DropBucketName", Prefix="elsewhere/"),
    "open the drop bucket": _s3("delete_bucket_policy", "DropBucketName"),
    "write a batch": _s3("put_object", "ResultsBucketName", Key="jobs/none/batches/probe", Body=b""),
    "read a batch": _s3("get_object", "ResultsBucketName", Key="jobs/none/batches/none"),
    "delete a batch": _s3("delete_object", "ResultsBucketName", Key="jobs/none/batches/probe"),
    "write a report": _s3("put_object", "ResultsBucketName", Key="jobs/none/probe", Body=b""),
    "read a report": _s3("get_object", "ResultsBucketName", Key="jobs/none/none"),
    "delete a report": _s3("delete_object", "ResultsBucketName", Key="jobs/none/probe"),
    "write a part": _s3("put_object", "ResultsBucketName", Key="work/probe", Body=b""),
    "delete a part": _s3("delete_object", "ResultsBucketName", Key="work/probe"),
    "put hashes aside": _s3("put_object", "ResultsBucketName", Key="work/probe/ids/probe", Body=b""),
    "read hashes": _s3("get_object", "ResultsBucketName", Key="work/none/ids/none"),
    "delete hashes": _s3("delete_object", "ResultsBucketName", Key="work/probe/ids/probe"),
    "give up an upload": _s3("abort_multipart_upload", "ResultsBucketName", Key="jobs/none/probe", UploadId="none"),
    "write elsewhere in the results bucket": _s3("put_object", "ResultsBucketName", Key="elsewhere", Body=b""),
    "list parts": _s3("list_objects_v2", "ResultsBucketName", Prefix="work/none/"),
    "list reports": _s3("list_objects_v2", "ResultsBucketName", Prefix="jobs/none/"),
    "get an item": _ledger("get_item", Key=_ITEM),
    "put an item": _ledger("put_item", Item=_ITEM, ConditionExpression="attribute_exists(pk)"),
    "note a hint": _update(_ITEM, "hint_at"),
    "note a callback": _update(_ITEM, "callback_at"),
    "leave a task token": _update(_ITEM, "task_token"),
    "change a job": _update(_ITEM, "outcome"),
    "get an item of no job": _ledger("get_item", Key=_FOREIGN),
    "put an item of no job": _ledger("put_item", Item=_FOREIGN, ConditionExpression="attribute_exists(pk)"),
    "note a hint on no job": _update(_FOREIGN, "hint_at"),
    "query items of no job": _items("elsewhere#nobody"),
    "delete an item": _ledger("delete_item", Key=_ITEM, ConditionExpression="attribute_exists(pk)"),
    "query items": _items("job#nobody"),
    "query open jobs": _query("open"),
    "query the listing": _query("listing"),
    "scan the ledger": _ledger("scan"),
    "read a route": _parameter("/STACK/routes/none"),
    "read another parameter": _parameter("/STACK/none"),
    "read a vendor's secret": _secret("STACK/probe"),
    "read the notification keys": _secret("STACK/notification-keys"),
    "read another stack's secret": _secret("probe/other"),
    "change a secret": lambda who: who.client("secretsmanager").put_secret_value(
        SecretId=f"{who.rig.stack.name}/probe", SecretString="{}"
    ),
    "start an execution": lambda who: who.client("stepfunctions").start_execution(
        stateMachineArn=who.WorkflowArn,
        name="probe",
        input='{"job_id": "nobody"}',  # always the same one: it runs once
    ),
    "look at an execution": _execution("describe_execution"),
    "read an execution's history": _execution("get_execution_history"),
    "stop an execution": _execution("stop_execution"),
    "fail a waiter": lambda who: who.client("stepfunctions").send_task_failure(taskToken="none"),
    "take a message": lambda who: who.client("sqs").receive_message(QueueUrl=who.DropQueueUrl, VisibilityTimeout=0),
    "take a message away": lambda who: who.client("sqs").delete_message(
        QueueUrl=who.DropQueueUrl, ReceiptHandle="none"
    ),
    "look at the queue": lambda who: who.client("sqs").get_queue_attributes(QueueUrl=who.DropQueueUrl),
    "send a drop's message": lambda who: who.client("sqs").send_message(QueueUrl=who.DropQueueUrl, MessageBody="{}"),
    "take a dead letter": lambda who: who.client("sqs").receive_message(
        QueueUrl=who.DropDeadLettersUrl, VisibilityTimeout=0
    ),
    "leave a dead letter of the sweep": lambda who: who.client("sqs").send_message(
        QueueUrl=who.SweepDeadLettersUrl, MessageBody="{}"
    ),
    "tell an event": _event("batchdrop"),
    "write another log": _stream("/probe/other"),
    "read the log": lambda who: who.client("logs").filter_log_events(logGroupName=who.FunctionLogName, limit=1),
    "allow a service to write logs": lambda who: who.client("logs").describe_resource_policies(),
    "call submit": _invoke("SubmitFunctionName"),
    "call poll": _invoke("PollFunctionName"),
    "call finish": _invoke("FinishFunctionName"),
    "call webhook": _invoke("WebhookFunctionName"),
    "call sweep": _invoke("SweepFunctionName"),
    "read roles": lambda who: who.client("iam").list_roles(),
    "use keys": lambda who: who.client("kms").list_keys(),
}
