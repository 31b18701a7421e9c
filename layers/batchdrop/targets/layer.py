# ruff: noqa: INP001 - a script of its own
"""Build the layer: `layer.py DIRECTORY RUNTIME ARCHITECTURE`, as in `layer.py out/python python3.13 arm64`.

A plain `sam build` leaves the bytecode out, and its archive dates every file 1980, so that each cold start compiles
all it imports. Here the bytecode is compiled beforehand, in the form that does not look at dates, and what no function
uses is left out.
"""

from __future__ import annotations

import gzip
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MACHINES = {"arm64": "aarch64", "x86_64": "x86_64"}
GLIBC = (34, 28, 24, 17, 12, 5)  # Amazon Linux 2023 has glibc 2.34
# botocore carries a description of every AWS service: more than nine tenths of its size. Those of the services used
# are read at every cold start: half of them texts for people, and most of the rest operations that nobody calls.
SERVICES = {
    "dynamodb": ("DeleteItem", "GetItem", "PutItem", "Query", "UpdateItem"),
    "events": ("PutEvents",),
    "s3": (
        "AbortMultipartUpload", "CompleteMultipartUpload", "CreateMultipartUpload", "DeleteObject", "GetObject",
        "HeadBucket", "HeadObject", "ListObjectVersions", "ListObjectsV2", "PutObject", "UploadPart",
    ),  # HeadBucket: the SDK's own, when a bucket turns out to be in another region
    "secretsmanager": ("GetSecretValue",),
    "ssm": ("GetParameter",),
    "stepfunctions": ("DescribeExecution", "SendTaskSuccess", "StartExecution"),
}  # fmt: skip
ENDPOINTS = SERVICES.keys() - {"stepfunctions"} | {"states", "sts"}  # by their names in host names
NEEDED = {"endpoints.json", "partitions.json", "sdk-default-configuration.json", "_retry.json"}
UNUSED = (
    "bin",
    "boto3/examples",
    "boto3/data",  # descriptions of boto3's "resources"; only its clients are used
    "**/libkernel.so.made-of",
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
    kernel(directory / "batchdrop" / "records" / "libkernel.so", architecture)
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


def kernel(library: Path, architecture: str) -> None:
    """The compiled part of the library; one that came along from this machine is taken if it is the right one."""
    subprocess.run([sys.executable, str(ROOT / "targets" / "kernel.py"), str(library), architecture], check=True)


def prune(directory: Path) -> None:
    """Remove what no function uses."""
    for pattern in UNUSED:
        for path in list(directory.glob(pattern)):
            remove(path)
    data = directory / "botocore" / "data"
    for path in data.iterdir():
        if path.name not in SERVICES.keys() | NEEDED:
            remove(path)
    for service in SERVICES:
        slim(data / service)
    endpoints = json.loads((data / "endpoints.json").read_bytes())
    for partition in endpoints["partitions"]:
        partition["services"] = {k: v for k, v in partition["services"].items() if k in ENDPOINTS}
    write(data / "endpoints.json", endpoints)


def slim(service: Path) -> None:
    """One service's description: its latest version, without texts and examples, unpacked."""
    *older, latest = sorted(service.iterdir())
    for path in (*older, *latest.glob("examples-*"), *latest.glob("waiters-*")):
        remove(path)
    for path in list(latest.iterdir()):
        packed = path.suffix == ".gz"
        text = path.read_bytes()
        value = undocumented(json.loads(gzip.decompress(text) if packed else text))
        path.unlink()
        name = path.stem if packed else path.name
        if name == "service-2.json":
            value = only(value, SERVICES[service.name])
        write(latest / name, value)


def only(description: dict[str, Any], operations: tuple[str, ...]) -> dict[str, Any]:
    """A service's description with these operations, and the shapes they are made of."""
    kept = {name: description["operations"][name] for name in operations}
    shapes: dict[str, Any] = {}
    wanted = [*named_shapes(kept)]
    while wanted:
        name = wanted.pop()
        if name not in shapes:
            shapes[name] = description["shapes"][name]
            wanted += named_shapes(shapes[name])
    return {**description, "operations": kept, "shapes": shapes}


def named_shapes(value: Any) -> list[str]:
    """The names of the shapes that a part of a description refers to."""
    if isinstance(value, list):
        return [name for v in value for name in named_shapes(v)]
    if not isinstance(value, dict):
        return []
    own = [value["shape"]] if isinstance(value.get("shape"), str) else []
    return own + [name for v in value.values() for name in named_shapes(v)]


def undocumented(value: Any) -> Any:
    """Without the texts; what is a structure is no text, even if it is called so."""
    if isinstance(value, list):
        return [undocumented(v) for v in value]
    if isinstance(value, dict):
        return {k: "" if k == "documentation" and isinstance(v, str) else undocumented(v) for k, v in value.items()}
    return value


def write(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, separators=(",", ":")))


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
