"""The real template, built and deployed into the embedded AWS with `sam build` and `sam deploy`."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import platform
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from local import emulator
from local.home import REPO
from local.trouble import Trouble

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_s3 import S3Client

SOURCES = ("template.yaml", "samconfig.toml", "functions", "layers")
ARTIFACTS = "batchdrop-artifacts"


def fingerprint(parameters: Mapping[str, str]) -> str:
    """Of everything a deployment depends on: when it is the same, there is nothing to deploy."""
    digest = hashlib.sha256(repr(sorted(parameters.items())).encode())
    for file in _sources():
        digest.update(str(file.relative_to(REPO)).encode() + b"\0" + hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()


def parameters(port: int) -> dict[str, str]:
    """The template's parameters on this machine: the fixed ones of samconfig.toml, and those found out here."""
    config = tomllib.loads((REPO / "samconfig.toml").read_text())
    fixed = shlex.split(config["local"]["deploy"]["parameters"]["parameter_overrides"])
    return dict(pair.split("=", 1) for pair in fixed) | {
        "PythonRuntime": f"python{sys.version_info.major}.{sys.version_info.minor}",
        "Architecture": "arm64" if platform.machine() in ("arm64", "aarch64") else "x86_64",
        "NotificationEndpoint": f"http://127.0.0.1:{port}/_aws/execute-api/{{api}}/$default",
    }


def build(home: Path, values: Mapping[str, str]) -> None:
    """`sam build` into `home/build`. Dependencies already built stay in the repository's cache."""
    cache = REPO / ".aws-sam" / "cache"
    with _alone(REPO / ".aws-sam"):
        _sam(home, "build", values, "--build-dir", str(home / "build"), "--cache-dir", str(cache))


def deploy(home: Path, name: str, port: int, values: Mapping[str, str]) -> dict[str, str]:
    """`sam deploy` of what was built; returns the stack's outputs."""
    _make_bucket(client("s3", port))
    _sam(
        home, "deploy", values,
        "--template-file", str(home / "build" / "template.yaml"), "--stack-name", name, "--s3-bucket", ARTIFACTS,
        "--region", emulator.REGION, port=port,
    )  # fmt: skip
    return outputs(client("cloudformation", port), name)


def outputs(cloudformation: CloudFormationClient, name: str) -> dict[str, str]:
    """The outputs of a deployed stack."""
    stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    return {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])}


def client(service: Any, port: int) -> Any:
    """A boto3 client of the embedded AWS, with its root credentials."""
    import boto3

    return boto3.client(
        service,
        endpoint_url=f"http://127.0.0.1:{port}",
        region_name=emulator.REGION,
        aws_access_key_id=emulator.ACCESS_KEY,
        aws_secret_access_key=emulator.SECRET_KEY,
    )


def _make_bucket(s3: S3Client) -> None:
    with contextlib.suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=ARTIFACTS, CreateBucketConfiguration={"LocationConstraint": emulator.REGION})


def _sources() -> Iterator[Path]:
    for name in SOURCES:
        path = REPO / name
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (f for f in files if f.is_file() and "__pycache__" not in f.parts and f.suffix != ".pyc")


def _sam(home: Path, verb: str, values: Mapping[str, str], *options: str, port: int | None = None) -> None:
    log = home / f"sam-{verb}.log"
    command = [_tool(), verb, "--config-env", "local", "--config-file", str(REPO / "samconfig.toml"), *options]
    command += ["--parameter-overrides", *(f"{k}={v}" for k, v in values.items())]
    with log.open("wb") as out:
        done = subprocess.run(
            command, cwd=REPO, env=_environment(port), stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            check=False,
        )  # fmt: skip
    if done.returncode:
        raise Trouble(f"sam {verb} failed; the whole log is {log}. Its last lines:\n{_tail(log)}")


def _tool() -> str:
    sam = Path(sys.executable).parent / "sam"
    if not sam.exists():
        raise Trouble(f"the SAM CLI is not installed beside {sys.executable}; run: make setup")
    return str(sam)


def _environment(port: int | None) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}
    local = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "SAM_CLI_TELEMETRY": "0",
        "SAM_CLI_POLL_DELAY": "0.5",
        "__SAM_CLI_APP_DIR": str(REPO / ".aws-sam"),  # what it remembers: otherwise ~/.aws-sam
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_DEFAULT_REGION": emulator.REGION,
        "AWS_ACCESS_KEY_ID": emulator.ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": emulator.SECRET_KEY,
        "NO_PROXY": "127.0.0.1,localhost",
    }
    return kept | local | ({"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"} if port else {})


def _tail(log: Path, lines: int = 15) -> str:
    return "\n".join("  " + line for line in log.read_text(errors="replace").splitlines()[-lines:])


@contextlib.contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """One build at a time: the cache of built dependencies is shared by all local stacks of this repository."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
