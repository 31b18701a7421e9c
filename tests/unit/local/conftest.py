"""The command against a deployed stack: moto in this process, reached with `--stack shop`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from batchdrop import wiring
from batchdrop.aws import clients
from batchdrop.aws.dynamodb import DynamoTable
from batchdrop.aws.services import SystemClock
from batchdrop.job import Batch, Job
from batchdrop.ledger import Ledger
from batchdrop.places import folder
from batchdrop.words import Counts
from local import cli, connection

DROPS, RESULTS, TABLE = "shop-drops", "shop-results", "shop-ledger"
MACHINE = '{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}'
NOW = 1_767_225_600_000


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command printed, and how it ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Ran]


@cache
def aws(service: Any) -> Any:
    """A client of the account the shop is in. Kept: making clients is what takes time here, and moto does not mind."""
    return boto3.Session().client(service)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command with these words, as `batchdrop …` in a pipe."""

    def call(*words: object) -> Ran:
        monkeypatch.setattr("sys.argv", ["batchdrop", *map(str, words)])
        monkeypatch.setattr("local.show.Results.printed", False)
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            cli.main()
        printed = capsys.readouterr()
        return Ran(int(end.value.code or 0), printed.out, printed.err)

    return call


@dataclass(frozen=True, slots=True)
class Shop:
    """The deployed stack `shop`."""

    ledger: Ledger
    machine: str

    def job(self, job_id: str = "j1", *, outcome: str = "", counts: Counts | None = None, **more: Any) -> Job:
        """A job in the ledger, ended if it has an outcome."""
        counts = counts or Counts(accepted=2)
        ended = {"outcome": outcome, "closed_at": NOW + 5000, "counts": counts.as_dict()} if outcome else {}
        known: dict[str, Any] = {"destination": "datagroup", "size": 12, **ended, **more}
        known = {"key": "drops/people/a.csv", "deadline_at": NOW + 10**13, "created_at": NOW, **known}
        job = Job(job_id, "people", DROPS, version_id="v1", **known)
        self.ledger.claim(job)
        return job

    def batch(self, job_id: str = "j1", n: int = 1, **more: Any) -> Batch:
        known: dict[str, Any] = {"owner": "o", "state": "submitted", "attempt": 1, "records": 2, **more}
        return self.ledger.new_batch(Batch(job_id, n, **known))

    def put_result(self, job: Job, name: str, body: str) -> None:
        aws("s3").put_object(Bucket=RESULTS, Key=folder(job) + name, Body=body.encode())


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("BATCHDROP_HOME", str(tmp_path / "home"))
    with mock_aws():
        for module in (clients, wiring):
            monkeypatch.setattr(module, "client", aws)
        for bucket in (DROPS, RESULTS):
            _make_bucket(bucket)
        _make_table()
        role = "arn:aws:iam::123456789012:role/shop"
        machine = aws("stepfunctions").create_state_machine(name="job", definition=MACHINE, roleArn=role)
        arn = machine["stateMachineArn"]
        outputs = {"DropBucketName": DROPS, "ResultsBucketName": RESULTS, "LedgerTable": TABLE, "WorkflowArn": arn}
        described = {
            "Outputs": [{"OutputKey": k, "OutputValue": v} for k, v in outputs.items()],
            "Parameters": [{"ParameterKey": "AllowInsecureHosts", "ParameterValue": ""}],
        }
        for name in ("STACK", "DROP_BUCKET", "RESULTS_BUCKET", "LEDGER_TABLE", "WORKFLOW_ARN", "ALLOW_INSECURE_HOSTS"):
            monkeypatch.setenv(name, "")  # the command sets them: put back afterwards
        monkeypatch.setattr(connection, "_deployed", lambda _: described)
        monkeypatch.setenv("BATCHDROP_STACK", "shop")
        yield Shop(Ledger(DynamoTable(aws("dynamodb"), TABLE), SystemClock()), arn)


def _make_bucket(name: str) -> None:
    aws("s3").create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    aws("s3").put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})


def _make_table() -> None:
    names = {"pk": "S", "sk": "S", "open": "S", "listing": "S", "created_at": "N"}
    aws("dynamodb").create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": n, "AttributeType": t} for n, t in names.items()],
        KeySchema=_keys("pk", "sk"),
        GlobalSecondaryIndexes=[
            {"IndexName": n, "KeySchema": _keys(n, "created_at"), "Projection": {"ProjectionType": "ALL"}}
            for n in ("open", "listing")
        ],
    )


def _keys(partition: str, sort: str) -> list[dict[str, str]]:
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]
