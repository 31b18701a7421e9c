"""The scanners: `make gates`. Each finding that is accepted is named here with its reason; any other one fails.

checkov looks at the template twice, as written and as SAM translates it, since it sees different things in them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.template.translated import REPO, template

TOOLS = REPO / ".venv-gates/bin"
CHECKOV: Mapping[str, str] = {
    "CKV_AWS_115": "concurrency is reserved where strangers call (webhook); submit is bounded by its queue's "
    "MaximumConcurrency, the others by one call at a time a job; more would only take from the account",
    "CKV_AWS_116": "submit has its queue's dead letters, sweep a destination on failure; the rest are called directly",
    "CKV_AWS_117": "no private resource is reached; a VPC would add a NAT gateway and no protection",
    "CKV_AWS_119": "the key is the parameter KmsKeyArn; without it the table has an AWS-managed KMS key",
    "CKV_AWS_173": "the variables hold names, times and hosts, no secret",
}
BANDIT: Mapping[str, str] = {
    "simulators/haplo_control.py B314": "a simulator on loopback, fed by the tests; it is not deployed",
    "local/plainfiles.py B506": "the loader is a SafeLoader made stricter; it makes no objects",
    "emulator.py B310": "opens one fixed http address on loopback",
}


def main() -> int:
    """Run all gates; returns the number of those that failed."""
    found = {"checkov": _checkov(), "bandit": _bandit(), "locked packages": _audit()}
    told = {True: "good", False: "FAILED", None: "SKIPPED"}
    print("gates: " + ", ".join(f"{name} {told[good]}" for name, good in found.items()))
    return sum(good is False for good in found.values())


def _checkov() -> bool:
    with tempfile.TemporaryDirectory() as place:
        translated = Path(place) / "translated.json"
        translated.write_text(json.dumps(template()))
        seen = {
            name: set(_findings(file))
            for name, file in (("as written", "template.yaml"), ("translated", str(translated)))
        }
    for name, findings in seen.items():
        print(f"checkov, {name}: {len(findings)} findings, {sum(c in CHECKOV for c, _ in findings)} of them accepted")
    found = set().union(*seen.values())
    return _judge(CHECKOV, {check: f"{check} of {resource}" for check, resource in found})


def _findings(file: str) -> Iterator[tuple[str, str]]:
    output = _tool("checkov", "-f", file, "--framework", "cloudformation", "--skip-download", "--compact", "-o", "json")
    report: Any = json.loads(output[output.index("{") :])
    if report["summary"]["parsing_errors"]:
        raise SystemExit(f"checkov cannot read {file}")
    for one in report["results"]["failed_checks"]:
        yield one["check_id"], one["resource"]


def _bandit() -> bool:
    output = _tool("bandit", "-r", "layers/batchdrop/batchdrop", "functions", "local", "-ll", "-q", "-f", "json")
    results = json.loads(output[output.index("{") :])["results"]
    print(f"bandit: {len(results)} findings of medium and high severity")
    found = {}
    for one in results:
        place = next((k for k in BANDIT if k.split()[0] in one["filename"] and k.endswith(one["test_id"])), "")
        name = f"{one['filename']}:{one['line_number']} {one['test_id']} {one['issue_text']}"
        found[place or name] = name
    return _judge(BANDIT, found)


def _judge(accepted: Mapping[str, str], found: Mapping[str, str]) -> bool:
    """Whether what was found is what is accepted; says what else there is, and what is accepted in vain."""
    for key in sorted(found):
        print(f"  accepted {key}: {accepted[key]}" if key in accepted else f"  FOUND {found[key]}")
    gone = sorted(accepted.keys() - found.keys())
    for key in gone:
        print(f"  NOT FOUND any more, so take it off the list: {key}")
    return found.keys() == accepted.keys()


def _audit() -> bool | None:
    """Hold the locks against the list of known holes; None where that cannot be reached, which is said aloud."""
    locks = ("layers/batchdrop/requirements.txt", "requirements-dev.txt")
    packages = [package for lock in locks for package in _looked_up(lock)]
    holes = {p["name"]: [v["id"] for v in p["vulns"]] for p in packages if p.get("vulns")}
    known = sum("skip_reason" not in package for package in packages)
    print(f"pip-audit: {known} of {len(packages)} locked packages held against the list of known holes; holes: {holes}")
    if not known:
        print("SKIPPED: the list of known holes could not be reached from here")
        return None
    return not holes


def _looked_up(lock: str) -> list[dict[str, Any]]:
    done = _run("pip-audit", "--requirement", lock, "--disable-pip", "--no-deps", "--timeout", "5", "-f", "json")
    packages: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"] if done.stdout.startswith("{") else []
    return packages


def _tool(name: str, *options: str) -> str:
    done = _run(name, *options)
    if "{" not in done.stdout:
        raise SystemExit(f"{name} ended with {done.returncode} and no result:\n{done.stderr[-2000:]}")
    return done.stdout


def _run(name: str, *options: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(TOOLS / name), *options], cwd=REPO, capture_output=True, text=True)


if __name__ == "__main__":
    sys.exit(main())
