"""Whatever AWS or the disk refuses is told in words that say what to do, never with a traceback."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from botocore import exceptions as aws_errors

from local import refusals
from local.connection import connect
from tests.unit.local.conftest import Run, Shop


def refused(code: str, message: str = "no") -> aws_errors.ClientError:
    return aws_errors.ClientError({"Error": {"Code": code, "Message": message}}, "GetItem")


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (refused("ExpiredToken"), "sign in again"),
        (refused("UnrecognizedClientException"), "check AWS_PROFILE"),
        (refused("AccessDeniedException", "arn is not allowed"), "may not do this (GetItem): arn is not allowed"),
        (refused("ThrottlingException", "slow down"), "AWS refused GetItem: slow down"),
        (aws_errors.NoCredentialsError(), "there are no AWS credentials"),
        (aws_errors.NoRegionError(), "set AWS_REGION"),
        (aws_errors.ProfileNotFound(profile="x"), "check AWS_PROFILE"),
        (PermissionError(13, "Permission denied", "a.csv"), "a.csv: Permission denied"),
        (aws_errors.UnknownServiceError(service_name="x", known_service_names="y"), "AWS could not be asked"),
    ],
)
def test_an_error_says_what_to_do(error: Exception, told: str) -> None:
    assert told in (refusals.explain(error) or "")


def test_an_endpoint_that_does_not_answer_is_named_with_both_ways_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    told = refusals.explain(aws_errors.EndpointConnectionError(endpoint_url="http://127.0.0.1:4566")) or ""
    assert "nothing answers at http://127.0.0.1:4566" in told
    assert "batchdrop up --detach" in told
    assert "unset AWS_ENDPOINT_URL" in told


def test_a_fault_of_our_own_keeps_its_traceback() -> None:
    assert refusals.explain(KeyError("x")) is None


def test_a_command_ends_with_the_message_alone(run: Run, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise refused("ExpiredToken")

    monkeypatch.setattr("batchdrop.ledger.Ledger.jobs", denied)
    done = run("jobs")
    assert (done.code, done.err) == (1, "batchdrop: your AWS session is over: sign in again (aws sso login)\n")


def test_a_rejects_file_that_cannot_be_written_is_told(run: Run, shop: Shop, tmp_path: Path) -> None:
    job = shop.job(outcome="completed_with_rejects")
    shop.put_result(job, "report.json", '{"rejects_file": "rejects.csv", "rejects": []}')
    shop.put_result(job, "rejects.csv", "id\n")
    done = run("rejects", "j1", "-o", tmp_path / "no" / "where.csv")
    assert done.code == 1
    assert "No such file or directory" in done.err


def test_the_region_may_be_set_by_either_name(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    connect("shop")
    assert os.environ["AWS_DEFAULT_REGION"] == "eu-west-1"
