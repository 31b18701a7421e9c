"""Which stack a command speaks to, and the library's world wired to it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

from batchdrop.errors import RouteError
from batchdrop.fields import did_you_mean
from batchdrop.wiring import AwsWorld
from local import deployment, seen_routes, stack
from local.home import LocalStack
from local.trouble import Trouble

if TYPE_CHECKING:
    from batchdrop.ports import Log, Metrics


class OperatorWorld(AwsWorld):
    """The library's world for a command: on AWS like the functions, but its log and metrics go nowhere."""

    @cached_property
    def log(self) -> Log:
        return _Silent()

    @cached_property
    def metrics(self) -> Metrics:
        return _Silent()


def connect(name: str | None) -> OperatorWorld:
    """The world of a deployed stack, by the user's AWS credentials, or of the local one when that is meant.

    A running local stack is meant when no name, or its name, is given. Raises `Trouble` when there is no such stack.
    """
    local = stack.running()
    if local and name in (None, local.name):
        os.environ.update(stack.variables(local))
        for variable in stack.IN_THE_WAY:
            os.environ.pop(variable, None)
        _point_at(local.name, local.outputs, insecure_hosts(local))
    elif name is None:
        raise Trouble("no local stack is running: start it (batchdrop up --detach), or name one on AWS (--stack)")
    else:
        if region := os.environ.get("AWS_REGION"):  # boto3 reads the other name only
            os.environ["AWS_DEFAULT_REGION"] = region
        found = _deployed(name)
        parameters = {p["ParameterKey"]: p.get("ParameterValue", "") for p in found.get("Parameters", [])}
        outputs = {o["OutputKey"]: o["OutputValue"] for o in found.get("Outputs", [])}
        _point_at(name, outputs, parameters.get("AllowInsecureHosts", ""))
    return OperatorWorld()


def client(service: str) -> Any:
    """A boto3 client for the stack connected to."""
    from batchdrop.aws.clients import client as make

    return make(service)


def stored_route(world: OperatorWorld, name: str) -> Mapping[str, object]:
    """A route as it was put, remembered on this machine. `Trouble` where there is none, with what may be meant."""
    stack = world.settings.stack
    try:
        raw = world.routes.get(name)
    except RouteError as error:
        raise Trouble(f"{error}{did_you_mean(name, seen_routes.names(stack))}") from None
    seen_routes.keep(stack, name, raw)
    return raw


def insecure_hosts(local: LocalStack) -> str:
    """The hosts to which the local stack's deployment allows plain http."""
    return deployment.parameters(local.port).get("AllowInsecureHosts", "")


def _deployed(name: str) -> Any:
    from botocore.exceptions import ClientError

    try:
        return client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationError":
            raise
        region = client("cloudformation").meta.region_name
        raise Trouble(f'there is no stack "{name}" in {region}: check --stack, AWS_PROFILE and AWS_REGION') from None


def _point_at(name: str, outputs: Mapping[str, str], allow_insecure: str) -> None:
    """Set what the template sets for the functions."""
    try:
        os.environ |= {
            "STACK": name,
            "DROP_BUCKET": outputs["DropBucketName"],
            "RESULTS_BUCKET": outputs["ResultsBucketName"],
            "LEDGER_TABLE": outputs["LedgerTable"],
            "WORKFLOW_ARN": outputs["WorkflowArn"],
            "ALLOW_INSECURE_HOSTS": allow_insecure,
        }
    except KeyError as missing:
        raise Trouble(f'stack "{name}" has no output {missing}: it is not of this project, or older') from None


class _Silent:
    def info(self, message: str, **fields: object) -> None: ...

    def warning(self, message: str, **fields: object) -> None: ...

    def exception(self, message: str, **fields: object) -> None: ...

    def count(self, name: str, value: int = 1) -> None: ...
