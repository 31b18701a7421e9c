# ruff: noqa: INP001 - a script of its own
"""Build the layer: `layer.py DIRECTORY RUNTIME ARCHITECTURE`, as in `layer.py out/python python3.13 arm64`.

A plain `sam build` leaves the bytecode out, and its archive dates every file 1980, so that each cold start compiles
all it imports. Here the bytecode is compiled beforehand, in the form that does not look at dates, and what no function
uses is left out.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
GLIBC = (34, 28, 24, 17, 12, 5)  # Amazon Linux 2023 has glibc 2.34
# botocore carries a description of every AWS service: more than nine tenths of its size.
SERVICES = {"dynamodb", "events", "s3", "secretsmanager", "sqs", "ssm", "stepfunctions", "sts"}
NEEDED = {"endpoints.json", "partitions.json", "sdk-default-configuration.json", "_retry.json"}
UNUSED = (
    "bin",
    "**/tests",
    "**/__pycache__",
    "*.dist-info/RECORD",  # the archive's own list: it no longer fits what is left
)


def main(directory: Path, runtime: str, architecture: str) -> None:
    """Fill `directory` with what `sys.path` needs on that runtime and architecture."""
    version = runtime.removeprefix("python")
    shutil.rmtree(directory, ignore_errors=True)
    install(directory, version, MACHINES[architecture])
    shutil.copytree(ROOT / "batchdrop", directory / "batchdrop", ignore=shutil.ignore_patterns("__pycache__"))
    prune(directory)
    precompile(directory, version)


def install(directory: Path, version: str, machine: str) -> None:
    """The locked requirements, as wheels for the target, whatever this machine is."""
    platforms = [f"--platform=manylinux_2_{minor}_{machine}" for minor in GLIBC]
    pip(
        "install", "--quiet", "--no-deps", "--no-compile", "--only-binary=:all:", "--implementation=cp",
        f"--python-version={version}", *platforms, "--target", str(directory),
        "--requirement", str(ROOT / "requirements.txt"),
    )  # fmt: skip


def pip(*arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments], check=True)


def prune(directory: Path) -> None:
    """Remove what no function uses."""
    for pattern in UNUSED:
        for path in list(directory.glob(pattern)):
            remove(path)
    for path in (directory / "botocore" / "data").iterdir():
        if path.name not in SERVICES | NEEDED:
            remove(path)


def remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def precompile(directory: Path, version: str) -> None:
    """Bytecode that Python takes without looking at the source's date; only the same minor version can make it."""
    python = interpreter(version)
    if python is None:
        print(f"layer: no Python {version} on the PATH, so the bytecode is left out; cold starts will be slower")
        return
    command = [python, "-m", "compileall", "-q", "-s", str(directory), "-p", "/opt/python"]
    subprocess.run([*command, "--invalidation-mode", "unchecked-hash", str(directory)], check=True)


def interpreter(version: str) -> str | None:
    """A CPython of this minor version."""
    for name in (sys.executable, f"python{version}", "python3"):
        path = shutil.which(name)
        if path and is_version(path, version):
            return path
    return None


def is_version(python: str, version: str) -> bool:
    code = "import sys; print(sys.implementation.name, '%d.%d' % sys.version_info[:2])"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return done.stdout.split() == ["cpython", version]


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2], sys.argv[3])
