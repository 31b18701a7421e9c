"""Each function imports only what it runs: what a cold start does not load, it does not pay for."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
ENVIRONMENT = {
    "STACK": "s",
    "LEDGER_TABLE": "t",
    "WORKFLOW_ARN": "w",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "POWERTOOLS_SERVICE_NAME": "s",
    "POWERTOOLS_METRICS_NAMESPACE": "n",
}
SCRIPT = "import json, sys; sys.path[:0] = sys.argv[1:]; import app; print(json.dumps(sorted(sys.modules)))"
HEAVY = ("multiprocessing", "asyncio", "aws_xray_sdk", "pydantic", "unittest")


@cache
def modules(function: str) -> frozenset[str]:
    """What a fresh process has imported once this function's handler is there."""
    paths = [str(REPO / "functions" / function), str(REPO / "layers" / "batchdrop")]
    command = [sys.executable, "-c", SCRIPT, *paths]
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=True)
    return frozenset(json.loads(done.stdout))


def loaded(function: str, *packages: str) -> list[str]:
    found = modules(function)
    return sorted(m for m in found if any(m == p or m.startswith(f"{p}.") for p in packages))


def test_the_webhook_imports_no_vendor_no_record_format_and_no_http_client() -> None:
    assert loaded("webhook", "batchdrop.destinations", "batchdrop.records", "batchdrop.report") == []
    assert loaded("webhook", "requests", "batchdrop.http", "batchdrop.transport", "isal", "csv") == []


@pytest.mark.parametrize("function", ["submit", "poll", "webhook", "finish", "sweep"])
def test_no_function_imports_what_none_of_them_needs(function: str) -> None:
    assert loaded(function, *HEAVY) == []


@pytest.mark.parametrize("function", ["submit", "poll", "finish", "sweep"])
def test_a_vendor_and_the_http_client_are_imported_only_when_a_job_needs_them(function: str) -> None:
    vendors = [m for m in loaded(function, "batchdrop.destinations") if m.count(".") == 2]
    assert vendors in ([], ["batchdrop.destinations.base"])
    assert loaded(function, "requests") == []


def test_poll_reads_no_records() -> None:
    assert loaded("poll", "batchdrop.records", "isal") == []
