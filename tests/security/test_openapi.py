"""The deployed endpoint against its OpenAPI description, fuzzed by schemathesis (a tool of `make gates`)."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from batchdrop import capability
from batchdrop.job import Job
from batchdrop.ledger import job_key
from local.home import REPO
from tests.e2e.rig import Rig

TOOL = REPO / ".venv-gates/bin/schemathesis"
# Not OPTIONS: the emulator answers it itself, as a CORS preflight. HEAD and a malformed token is a 204 by intent.
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
    "response_schema_conformance,unsupported_method"
)


def fuzz(rig: Rig, place: Path, token: str = "") -> str:
    """What schemathesis found; with a token, all calls use it."""
    base = f"{rig.stack.endpoint}/_aws/execute-api/{rig.stack.outputs['NotificationApiId']}/$default"
    config = place / "schemathesis.toml"
    config.write_text(f'[parameters]\n"path.token" = {json.dumps(token)}\n' if token else "")
    options = ["--exclude-method", "OPTIONS", "--checks", CHECKS, "--max-examples", "12", "--seed", "1", "--no-color"]
    options += ["--phases", "coverage,fuzzing"]
    command = [TOOL, "--config-file", config, "run", REPO / "docs/openapi.yaml", "--url", base, *options]
    done = subprocess.run([str(word) for word in command], cwd=place, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    return done.stdout


@pytest.mark.acceptance("F1", "F7", "F8")
@pytest.mark.skipif(
    not TOOL.exists(), reason="schemathesis is not installed here: make gates installs it, and runs this test"
)
@pytest.mark.parametrize("genuine", [False, True], ids=["any token", "a genuine token"])
def test_the_endpoint_answers_as_its_description_says(rig: Rig, tmp_path: Path, genuine: bool) -> None:
    name = f"{rig.stack.name}/notification-keys"
    keys = json.loads(rig.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"])
    job, _ = rig.ledger.claim(Job("0" * 32, "fuzzed", rig.drops, "drops/fuzzed/x", "v", 1, 2))
    token = capability.issue(keys, job.job_id, 4_000_000_000) if genuine else ""
    assert "Tested: 3" in fuzz(rig, tmp_path, token)
    heeded = rig.ledger.job(job.job_id)
    assert heeded is not None
    assert bool(heeded.hint_at) == genuine
    rig.ledger.close(heeded, {"outcome": "canceled"})
    rig.ledger.table.delete(job_key(job.job_id))
