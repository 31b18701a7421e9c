"""What the end-to-end tests do with a running stack: put routes and drops, wait for reports, look into the ledger."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from batchdrop.aws.dynamodb import DynamoTable
from batchdrop.aws.services import SystemClock
from batchdrop.drop import job_id
from batchdrop.job import Job
from batchdrop.ledger import Ledger
from batchdrop.places import folder
from local import deployment
from local.home import LocalStack
from local.simulators.server import Simulator

FAST = {"first": "1s", "factor": 1, "max": "1s"}
FAR_OFF = {"first": "5m", "factor": 1, "max": "5m"}
PAUSE = 0.05


@dataclass
class Rig:
    """One running stack."""

    stack: LocalStack
    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        """A boto3 client with the emulator's root credentials."""
        if service not in self.clients:
            self.clients[service] = deployment.client(service, self.stack.port)
        return self.clients[service]

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(DynamoTable(self.client("dynamodb"), self.stack.outputs["LedgerTable"]), SystemClock())

    @property
    def drops(self) -> str:
        return self.stack.outputs["DropBucketName"]

    @property
    def results(self) -> str:
        return self.stack.outputs["ResultsBucketName"]

    # --- in ---

    def route(self, name: str, vendor: Simulator[Any], **changes: Any) -> dict[str, Any]:
        """Put a route to the simulator with a secret of its own; `account__x=…` changes one option of the account."""
        example = vendor.example()
        route = {**example["route"], "secret": f"{name}-secret", "poll": FAST}
        for key, value in changes.items():
            section, _, option = key.partition("__")
            if option:
                route[section] = {**route[section], option: value}
            else:
                route[section] = value
        self.secret(f"{name}-secret", example["secret"])
        path = f"/{self.stack.name}/routes/{name}"
        self.client("ssm").put_parameter(Name=path, Value=json.dumps(route), Type="String", Overwrite=True)
        return route

    def secret(self, name: str, value: Mapping[str, str]) -> None:
        manager, full, text = self.client("secretsmanager"), f"{self.stack.name}/{name}", json.dumps(dict(value))
        try:
            manager.create_secret(Name=full, SecretString=text)
        except manager.exceptions.ResourceExistsException:  # an earlier test had a route of this name
            manager.put_secret_value(SecretId=full, SecretString=text)

    def drop(self, route: str, name: str, body: bytes | str) -> str:
        """Put one object; returns its job's id."""
        key = f"drops/{route}/{name}"
        data = body.encode() if isinstance(body, str) else body
        version = self.client("s3").put_object(Bucket=self.drops, Key=key, Body=data)["VersionId"]
        return job_id(self.drops, key, version)

    # --- out ---

    def until_closed(self, jobs: Iterable[str], seconds: float) -> dict[str, Job]:
        """Wait until all these jobs have ended; fails with what is known of those that have not."""
        wanted, end = set(jobs), time.monotonic() + seconds
        ended: dict[str, Job] = {}
        while wanted - ended.keys():
            for one in wanted - ended.keys():
                found = self.ledger.job(one)
                if found and found.is_closed:
                    ended[one] = found
            if time.monotonic() > end:
                raise AssertionError("\n".join(self.story(one) for one in wanted - ended.keys()))
            time.sleep(PAUSE)
        return ended

    def report(self, job: str, seconds: float = 60) -> dict[str, Any]:
        """The job's report, once it has ended."""
        ended = self.until_closed([job], seconds)[job]
        report: dict[str, Any] = json.loads(self.read(f"{folder(ended)}report.json"))
        return report

    def reports(self, jobs: Iterable[str], seconds: float = 60) -> list[dict[str, Any]]:
        wanted = list(jobs)
        self.until_closed(wanted, seconds)
        return [self.report(job) for job in wanted]

    def read(self, key: str) -> bytes:
        body: bytes = self.client("s3").get_object(Bucket=self.results, Key=key)["Body"].read()
        return body

    def beside(self, report: Mapping[str, Any], name: str) -> bytes:
        """A file that lies beside a report."""
        job = self.ledger.job(report["job_id"])
        assert job is not None
        return self.read(folder(job) + name)

    def versions(self, job: str, name: str) -> int:
        """How many versions of a file beside the job's report were ever written."""
        found = self.ledger.job(job)
        assert found is not None
        listed = self.client("s3").list_object_versions(Bucket=self.results, Prefix=folder(found) + name)
        return len(listed.get("Versions", []))

    # --- the workflow ---

    def execution(self, job: str, run: int = 1, seconds: float = 20) -> dict[str, Any]:
        """An execution, once it has ended; that is a moment after the report."""
        end = time.monotonic() + seconds
        while True:
            arn = self.arn(job, run)
            found: dict[str, Any] = self.client("stepfunctions").describe_execution(executionArn=arn)
            if found["status"] != "RUNNING":
                return found
            assert time.monotonic() < end, f"execution {run} has not ended\n{self.story(job)}"
            time.sleep(PAUSE)

    def arn(self, job: str, run: int = 1) -> str:
        name = job if run == 1 else f"{job}-{run}"
        return f"{self.stack.outputs['WorkflowArn'].replace(':stateMachine:', ':execution:')}:{name}"

    def history(self, job: str, run: int = 1) -> list[dict[str, Any]]:
        pages = (
            self.client("stepfunctions")
            .get_paginator("get_execution_history")
            .paginate(executionArn=self.arn(job, run))
        )
        return [event for page in pages for event in page["events"]]

    def states(self, job: str, run: int = 1) -> list[str]:
        """The names of the states an execution has entered, in order."""
        entered = (event.get("stateEnteredEventDetails") for event in self.history(job, run))
        return [details["name"] for details in entered if details]

    def until_state(self, job: str, prefix: str, seconds: float = 30) -> None:
        """Wait until the execution has entered a state whose name begins so."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            try:
                if any(name.startswith(prefix) for name in self.states(job)):
                    return
            except self.client("stepfunctions").exceptions.ExecutionDoesNotExist:
                pass
            time.sleep(PAUSE)
        raise AssertionError(f"{prefix} was not entered\n{self.story(job)}")

    def story(self, job: str) -> str:
        """What is known of a job, for the message of a test that failed."""
        found, lines = self.ledger.job(job), [f"job {job}"]
        lines += [str(found)] if found else ["is not in the ledger"]
        lines += [str(batch) for batch in self.ledger.batches(job)]
        try:
            lines += [" > ".join(self.states(job)[-20:])]
        except self.client("stepfunctions").exceptions.ExecutionDoesNotExist:
            lines += ["has no execution"]
        return "\n".join(lines)
