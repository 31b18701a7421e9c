"""MiniStack with four of its faults mended, so that what runs here behaves as on AWS: `python -m local.embedded`.

And layers unpacked once for all workers: on its own it writes 75 MB for each, which took most of a worker's start.

Seen in MiniStack 1.5.33, the locked version; `tests/unit/local/test_embedded.py` shows when a fix is no longer needed.
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

Answer = tuple[int, dict[str, str], bytes]


def honour_ranges_of_versions(
    get_object: Callable[..., Answer], parse_range: Callable[..., tuple[int, int] | None]
) -> Callable[..., Answer]:
    """A GET that names a version ignores its Range and answers with the whole object. S3 honours it."""

    def get(bucket: str, key: str, headers: Mapping[str, str], query: Mapping[str, Any] | None = None) -> Answer:
        wanted = headers.get("range", "")
        if not (wanted and query and query.get("versionId")):
            return get_object(bucket, key, headers, query)
        # A checksum of the whole object does not go with a part of it.
        plain = {k: v for k, v in headers.items() if k not in ("range", "x-amz-checksum-mode")}
        status, found, body = get_object(bucket, key, plain, query)
        if status != 200:
            return status, found, body
        place = parse_range(wanted, len(body))
        if place is None:
            return 416, {"Content-Range": f"bytes */{len(body)}"}, b"<Error><Code>InvalidRange</Code></Error>"
        start, end = place
        part = body[start : end + 1]
        about = {"Content-Length": str(len(part)), "Content-Range": f"bytes {start}-{end}/{len(body)}"}
        return 206, {**found, **about}, part

    return get


def read_limits_as_numbers(concurrency: Callable[..., int]) -> Callable[..., int]:
    """A queue's `MaximumConcurrency` that comes from a template parameter stays text, and polling ends in an error."""

    def read(mapping: dict[str, Any], *rest: Any) -> int:
        scaling = {k: int(v) for k, v in (mapping.get("ScalingConfig") or {}).items()}
        return concurrency({**mapping, "ScalingConfig": scaling}, *rest)

    return read


class Waiters:
    """`SendTaskSuccess` is checked against no machine, so a grant on one machine is none. AWS knows whose it is."""

    def __init__(self) -> None:
        self._tasks: list[tuple[Mapping[str, Any], str]] = []  # context of each running task, and its machine
        self._over: dict[str, str] = {}  # tokens that nobody waits with any more, and their machines

    def note(self, execute: Callable[..., Any]) -> Callable[..., Any]:
        """Around the running of a task state."""

        def run(state: Any, given: Any, execution: Mapping[str, Any], context: Mapping[str, Any]) -> Any:
            task = (context, str(execution.get("stateMachineArn", "*")))
            self._tasks.append(task)
            try:
                return execute(state, given, execution, context)
            finally:
                self._tasks.remove(task)
                if token := context.get("Task", {}).get("Token"):
                    self._over[token] = task[1]

        return run

    def find(self, resource: Callable[..., str]) -> Callable[..., str]:
        """Around the naming of what a request is about."""

        def find(service: str, method: str, path: str, headers: Mapping[str, str], body: bytes, *rest: Any) -> str:
            if service != "states" or ".SendTask" not in headers.get("x-amz-target", ""):
                return resource(service, method, path, headers, body, *rest)
            token = json.loads(body).get("taskToken")
            mine = (arn for context, arn in list(self._tasks) if context.get("Task", {}).get("Token") == token)
            return next(mine, self._over.get(token, "*"))

        return find


def tell_keys_and_attributes(context: Callable[[bytes], dict[str, Any]]) -> Callable[[bytes], dict[str, Any]]:
    """Policies cannot tell items by their key, nor updates by the attributes they name. On AWS they can."""

    def tell(body: bytes) -> dict[str, Any]:
        found, data = context(body), json.loads(body or b"{}")
        key = data.get("Key") or data.get("Item") or {}
        queried = re.match(r"\s*pk\s*=\s*(:\w+)", data.get("KeyConditionExpression", ""))
        leading = data["ExpressionAttributeValues"][queried[1]] if queried else key.get("pk")
        if leading:
            found["dynamodb:LeadingKeys"] = list(leading.values())
        if "UpdateExpression" in data:
            text = f"{data['UpdateExpression']} {data.get('ConditionExpression', '')}"
            words = re.findall(r"(?<![\w:#])#?[A-Za-z_]\w*\b(?!\s*\()", text)
            names = {data.get("ExpressionAttributeNames", {}).get(w, w) for w in words if w not in _EXPRESSION_WORDS}
            found["dynamodb:Attributes"] = sorted(names | key.keys())
        return found

    return tell


class SharedLayer(zipfile.ZipFile):
    """In place of the archive that a worker unpacks: a layer is unpacked once, and the worker's folder leads there."""

    def extractall(self, path: Any = None, *rest: Any) -> None:
        place = Path(path)
        if not place.name.startswith("layer_"):
            super().extractall(path, *rest)
            return
        archive = Path(str(self.filename))
        shared = place.parents[1] / "layers" / hashlib.sha256(archive.read_bytes()).hexdigest()
        with _ONE_AT_A_TIME:
            if not shared.exists():
                unfinished = shared.with_suffix(".new")
                super().extractall(unfinished)
                unfinished.rename(shared)
        place.rmdir()
        place.symlink_to(shared)
        archive.unlink()


_ONE_AT_A_TIME = threading.Lock()
_EXPRESSION_WORDS = ("SET", "REMOVE", "ADD", "DELETE", "AND", "OR", "NOT", "IN", "BETWEEN")


def main() -> None:
    """Run MiniStack until it is told to end."""
    from ministack.app import main as run
    from ministack.core import iam_actions, lambda_runtime
    from ministack.services import lambda_svc, s3, stepfunctions

    s3._get_object = honour_ranges_of_versions(s3._get_object, s3._parse_range)
    lambda_svc._sqs_esm_concurrency = read_limits_as_numbers(lambda_svc._sqs_esm_concurrency)
    lambda_runtime.zipfile = SimpleNamespace(**{**vars(zipfile), "ZipFile": SharedLayer})
    waiters = Waiters()
    stepfunctions._execute_task = waiters.note(stepfunctions._execute_task)
    iam_actions.extract_resource_arn = waiters.find(iam_actions.extract_resource_arn)
    iam_actions.dynamodb_service_context = tell_keys_and_attributes(iam_actions.dynamodb_service_context)
    run()


if __name__ == "__main__":
    main()
