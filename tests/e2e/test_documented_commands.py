"""The commands of the README's walk and of docs/reports.md, run as they stand there on the embedded AWS."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from batchdrop.drop import job_id
from local.simulators.datagroup import DataGroupSimulator
from tests.docs.pages import REPO, SHELL, blocks_of
from tests.e2e.rig import FAST, Rig

SCHEMA = REPO / "docs/report.schema.json"
BIN = Path(sys.executable).parent

NOT_RUN = {
    r"make (demo|test)\b": "they run this very test, or take minutes; CI runs both",
    r"batchdrop up\b": "the tests' own stack is up already; test_stack.py has `up`",
    r"batchdrop down\b": "it would stop the tests' own stack; test_stack.py has `down`",
    r"sam (build|deploy)\b": "a deployment needs an AWS account; the stack here is built and deployed by the same two",
    r".*YOUR-DROP-BUCKET": "needs a bucket on AWS",
    r".*--open": "opens a browser",
    r"export BATCHDROP_STACK": "names a stack on AWS",
}
EXPECTED = {"check": 4, "watch": 4}  # exit status with rejects; of all others 0

# Stands in for the AWS CLI, which this project does not install: `aws s3 cp` is its library's managed upload.
AWS = """#!{python}
import sys, boto3
s3, cp, source, target = sys.argv[1:]
bucket, _, key = target.removeprefix("s3://").partition("/")
boto3.client("s3").upload_file(source, bucket, key)
"""


def script(page: str, heading: str) -> str:
    """The console blocks below a heading, but for what is not run; each command's exit status is written down."""
    text = "\n" + (REPO / page).read_text("utf-8")
    begin = text.index(f"\n{heading}\n")
    end = text.find("\n#", begin + 1)
    found = [b.text for b in blocks_of(REPO / page) if b.language in SHELL and b.text in text[begin:end]]
    assert found, f"{page}: no commands under {heading}"
    lines = "".join(found).splitlines()
    return "\n".join(_noted(line) for line in lines if not any(re.match(known, line) for known in NOT_RUN)) + "\n"


def _noted(line: str) -> str:
    verb = re.match(r"(?:\w+=\$\()?batchdrop (\w+)", line)
    return f'{line}\necho "{verb[1]} $?" >> statuses' if verb else line


def run(text: str, place: Path) -> str:
    """Run by a plain shell with nothing but the project's tools; every command must exit as documented."""
    (place / "statuses").write_text("")
    env = {
        "PATH": f"{place / 'bin'}:{BIN}:/usr/bin:/bin",
        "HOME": str(place),
        "BATCHDROP_HOME": os.environ["BATCHDROP_HOME"],
    }
    done = subprocess.run(
        ["sh", "-c", text], cwd=place, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    told = f"{text}\n--- out\n{done.stdout}\n--- err\n{done.stderr}"
    for line in (place / "statuses").read_text().splitlines():
        verb, status = line.split()
        assert int(status) == EXPECTED.get(verb, 0), f"{line}\n{told}"
    return done.stdout + done.stderr


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "bin").mkdir()
    aws = tmp_path / "bin" / "aws"
    aws.write_text(AWS.format(python=sys.executable))
    aws.chmod(aws.stat().st_mode | stat.S_IEXEC)
    return tmp_path


def test_the_readmes_walk_ends_as_it_says(rig: Rig, vendor: DataGroupSimulator, place: Path) -> None:
    rig.route("datagroup", vendor, input={"format": "auto", "id": "id"}, poll=FAST)
    out = run(script("README.md", "### Play with it") + 'echo "job $job, bucket $BATCHDROP_DROP_BUCKET"\n', place)
    [job] = re.findall(rf"^job (\w+), bucket {rig.drops}$", out, re.MULTILINE)
    assert "row_too_short" in out
    assert "2,Bob,Smith,,3,invalid,row_too_short," in (place / "mend.csv").read_text()

    report = rig.report(job)
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(report)
    out = run(re.sub(r"\bJOB\b", job, script("docs/reports.md", "# Reports")), place)
    assert report["reason"] in out
    assert json.loads(out[out.index("{") : out.rindex("}") + 1]) == report

    # What `aws s3 cp` put went by the route that was made from the ready one.
    version = rig.client("s3").head_object(Bucket=rig.drops, Key="drops/people/people.csv")["VersionId"]
    assert rig.report(job_id(rig.drops, "drops/people/people.csv", version))["duplicate_content_of"] is None
