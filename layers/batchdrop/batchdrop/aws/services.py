"""The smaller ports on AWS: secrets, routes, the workflow, events; clock and chance."""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from batchdrop.errors import RouteError, SecretError

_CACHED = 300.0  # seconds
# The last: a secret that is marked for deletion.
_UNREADABLE = ("ResourceNotFoundException", "AccessDeniedException", "InvalidRequestException")
_PUT = "`batchdrop routes put {} --file FILE`"


class EventNotTaken(Exception):
    """The bus answered, and did not take the event; names the bus's error code."""


class SecretsManager:
    """`Secrets` in Secrets Manager under `<stack>/`; kept for five minutes in this process."""

    def __init__(self, client: Any, stack: str) -> None:
        self._client, self._stack = client, stack
        self._kept: dict[str, tuple[float, Mapping[str, object]]] = {}

    def get(self, name: str, *, fresh: bool = False) -> Mapping[str, object]:
        at, found = self._kept.get(name, (0.0, {}))
        if fresh or not found or time.monotonic() - at > _CACHED:
            found = self._read(name)
            self._kept[name] = (time.monotonic(), found)
        return found

    def _read(self, name: str) -> Mapping[str, object]:
        try:
            text = self._client.get_secret_value(SecretId=f"{self._stack}/{name}").get("SecretString", "")
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in _UNREADABLE:
                raise SecretError(f'secret "{self._stack}/{name}" cannot be read: {code}') from None
            raise
        try:
            data = json.loads(text)
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise SecretError(f'secret "{self._stack}/{name}" is not a JSON object')
        return data


class ParameterRoutes:
    """`Routes` in SSM Parameter Store at `/<stack>/routes/<route>`."""

    def __init__(self, client: Any, stack: str) -> None:
        self._client, self._stack = client, stack

    def get(self, name: str) -> Mapping[str, object]:
        from batchdrop.route import check_name

        try:
            answer = self._client.get_parameter(Name=f"/{self._stack}/routes/{check_name(name)}")
        except ClientError as error:
            if error.response["Error"]["Code"] != "ParameterNotFound":
                raise
            raise RouteError(f'there is no route "{name}": put it with {_PUT.format(name)}') from None
        try:
            data = json.loads(answer["Parameter"]["Value"])
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise RouteError(f'route "{name}" is not a JSON object: put it with {_PUT.format(name)}')
        return data


class StepFunctions:
    """`Workflow` on Step Functions."""

    def __init__(self, client: Any, machine_arn: str) -> None:
        self._client, self._arn = client, machine_arn

    def start(self, name: str, job_id: str) -> None:
        # The input is the same bytes every time, so that a repeat finds the execution it would start.
        text = json.dumps({"job_id": job_id})
        try:
            self._client.start_execution(stateMachineArn=self._arn, name=name, input=text)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionAlreadyExists":
                raise

    def wake(self, token: str) -> bool:
        try:
            self._client.send_task_success(taskToken=token, output="{}")
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("TaskTimedOut", "TaskDoesNotExist", "InvalidToken"):
                raise
            return False
        return True

    def is_running(self, name: str) -> bool:
        arn = f"{self._arn.replace(':stateMachine:', ':execution:')}:{name}"
        try:
            return str(self._client.describe_execution(executionArn=arn)["status"]) in ("RUNNING", "PENDING_REDRIVE")
        except ClientError as error:
            if error.response["Error"]["Code"] != "ExecutionDoesNotExist":
                raise
            return False


class EventBridge:
    """`Events` on the default bus, from source `batchdrop`."""

    def __init__(self, client: Any, stack: str) -> None:
        self._client, self._stack = client, stack

    def publish(self, kind: str, detail: Mapping[str, object]) -> None:
        text = json.dumps({"stack": self._stack, **detail})
        answer = self._client.put_events(Entries=[{"Source": "batchdrop", "DetailType": kind, "Detail": text}])
        if answer.get("FailedEntryCount"):
            raise EventNotTaken(str(answer["Entries"][0].get("ErrorCode", "")))


class SystemClock:
    def now(self) -> float:
        return time.time()


class SystemRng:
    def token(self) -> str:
        return str(uuid.uuid4())

    def uniform(self, low: float, high: float) -> float:
        return random.uniform(low, high)  # noqa: S311 - spreads retries; nothing secret hangs on it
