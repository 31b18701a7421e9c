"""The commands of the README and of docs/reports.md, run as they stand there on the embedded AWS."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest
import yaml

from batchdrop.drop import job_id
from local import deployment, emulator
from local.home import home
from local.simulators.datagroup import DataGroupSimulator
from local.simulators.sherpa import SherpaSimulator
from tests.docs.pages import REPO, blocks_of
from tests.e2e import shell
from tests.e2e.rig import FAST, Rig
from tests.e2e.shell import script

SCHEMA = REPO / "docs/report.schema.json"
EXPECTED = {"check": 4, "watch": 4}  # exit status with rejects


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return shell.tools(tmp_path)


def run(text: str, place: Path, **more: str) -> str:
    return shell.run(text, place, EXPECTED, **more)


def test_the_readmes_walk_ends_as_it_says(rig: Rig, vendor: DataGroupSimulator, place: Path) -> None:
    rig.route("datagroup", vendor, input={"format": "auto", "id": "id"}, poll=FAST)
    out = run(script("README.md", "### Play with it") + 'echo "job $job, bucket $BATCHDROP_DROP_BUCKET"\n', place)
    [job] = re.findall(rf"^job (\w+), bucket {rig.drops}$", out, re.MULTILINE)
    assert "row_too_short" in out
    assert "2,Bob,Smith,,3,invalid,row_too_short," in (place / "mend.csv").read_text()
    (place / "mend.csv").unlink()  # it is not written over

    report = rig.report(job)
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8"))).validate(report)
    out = run(re.sub(r"\bJOB\b", job, script("docs/reports.md", "# Reports")), place)
    assert report["reason"] in out
    assert json.loads(out[out.index("{") : out.rindex("}") + 1]) == report

    # What `aws s3 cp` put went by the route that was made from the ready one.
    version = rig.client("s3").head_object(Bucket=rig.drops, Key="drops/people/people.csv")["VersionId"]
    assert rig.report(job_id(rig.drops, "drops/people/people.csv", version))["duplicate_content_of"] is None


def test_the_readmes_use_of_a_deployed_stack_works_by_credentials_alone(
    rig: Rig, vendor: DataGroupSimulator, place: Path
) -> None:
    text = script("README.md", "## Deploy it").replace("YOUR-DROP-BUCKET", rig.drops)
    found = {
        block.language: block.text for block in blocks_of(REPO / "README.md") if block.language in ("yaml", "json")
    }
    (place / "people.csv").write_text("id,name\n1,A\n")
    (place / "secret.json").write_text(json.dumps(vendor.example()["secret"]))
    assert json.loads(found["json"]).keys() == vendor.example()["secret"].keys()
    keys = {"AWS_ACCESS_KEY_ID": emulator.ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": emulator.SECRET_KEY}
    place_of_aws = {"AWS_ENDPOINT_URL": rig.stack.endpoint, "AWS_DEFAULT_REGION": emulator.REGION}
    env = {**keys, **place_of_aws, "BATCHDROP_HOME": str(place / "no local stack")}

    (place / "live.yaml").write_text(found["yaml"])
    check, rest = text.split("\nbatchdrop routes put", 1)
    assert "live.yaml: a good route to datagroup" in run(check + "\n", place, **env)
    route = yaml.safe_load(found["yaml"])
    account = vendor.example()["route"]["account"]
    (place / "live.yaml").write_text(json.dumps(route | {"account": {**account, **route["account"]}}))
    out = run(f"export BATCHDROP_STACK={rig.stack.name}\nbatchdrop routes put{rest}", place, **env)
    assert 'route "people" is in place' in out

    version = rig.client("s3").head_object(Bucket=rig.drops, Key="drops/people/people.csv")["VersionId"]
    assert rig.report(job_id(rig.drops, "drops/people/people.csv", version))["outcome"] == "completed"


def test_a_job_is_held_as_the_page_of_the_local_stack_says(rig: Rig, place: Path) -> None:
    text = script("docs/local.md", "### A job that is held") + 'echo "job $job"\n'
    with SherpaSimulator() as sherpa:
        rig.route("sherpa", sherpa, poll=FAST)
        out = shell.run(text, place, {"wait": 1}, BATCHDROP_SHERPA_URL=sherpa.url)
        assert re.search("^held$", out, re.MULTILINE)
        assert "--adopt RECEIPT" in out
        [job] = re.findall(r"^job (\w+)$", out, re.MULTILINE)
        [known] = [commit["id"] for commit in sherpa.state()["commits"]]
        assert known in out
        shell.run(f"batchdrop resolve {job} --adopt {known}\nbatchdrop wait {job}\n", place, {})


def test_the_readmes_deployment_asks_its_questions_and_deploys(rig: Rig, tmp_path: Path) -> None:
    text = (REPO / "README.md").read_text("utf-8")
    [command] = re.findall(r"^sam deploy.*$", text[text.index("\n## Deploy it\n") :], re.MULTILINE)
    _as_built(home() / "build", tmp_path / ".aws-sam" / "build")
    shutil.copy(REPO / "samconfig.toml", tmp_path)
    parameters = yaml.load((REPO / "template.yaml").read_text("utf-8"), yaml.BaseLoader)["Parameters"]
    ours = deployment.parameters(rig.stack.port)
    values = [ours.get(name, "") if name in ("PythonRuntime", "Architecture") else "" for name in parameters]
    answers = [
        "documented",
        "",
        *values,
        "y",
        "y",
        "n",
        "n",
        "y",
    ]  # …, confirm, roles, no rollback, keep answers; deploy
    env = {**deployment._environment(rig.stack.port), "HOME": str(tmp_path)}
    done = subprocess.run(
        command.split(), input="\n".join([*answers, ""]),
        cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    cloudformation = rig.client("cloudformation")
    try:
        named = set(deployment.outputs(cloudformation, "documented"))
        assert {"DropBucketName", "ResultsBucketName", "NotificationUrl"} <= named
    finally:
        cloudformation.delete_stack(StackName="documented")


def _as_built(built: Path, here: Path) -> None:
    """What `sam build` made for the tests' own stack, where `sam deploy` looks for it."""
    here.mkdir(parents=True)
    for part in built.iterdir():
        (here / part.name).symlink_to(part)
    template = (built / "template.yaml").read_text("utf-8")
    (here / "template.yaml").unlink()
    (here / "template.yaml").write_text(template.replace(os.path.relpath(REPO, built), str(REPO)), "utf-8")
