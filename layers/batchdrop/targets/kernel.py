# ruff: noqa: INP001 - a script of its own
"""Build the kernel: `kernel.py FILE [ARCHITECTURE]`; without an architecture, for this machine.

The compiler is a package like any other (`ziglang`, in the version locked in ../kernel/requirements.txt), and compiles
for every architecture on every machine. Where it is not installed, it is installed into a temporary directory.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCES = Path(__file__).resolve().parent.parent / "kernel"
LOCK = SOURCES / "requirements.txt"
# What every processor of the kind can do: AWS names no model. Without a C library, none is needed at run time.
TARGETS = {
    "arm64": ("-target", "aarch64-linux", "-mcpu", "generic"),
    "x86_64": ("-target", "x86_64-linux", "-mcpu", "x86_64_v2"),
}
OPTIONS = ("-dynamic", "-O", "ReleaseSafe", "-fstrip")


def main(library: Path, architecture: str) -> None:
    """Compile into `library`, unless it is there already, from these sources and for this target."""
    mark = library.with_name(f"{library.name}.made-of")
    key = digest(architecture)
    if library.exists() and mark.exists() and mark.read_text() == key:
        return
    if importlib.util.find_spec("ziglang"):
        compile_kernel(library, architecture, {})
    else:
        with tempfile.TemporaryDirectory() as place:
            command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps"]
            subprocess.run([*command, "--require-hashes", "--target", place, "--requirement", str(LOCK)], check=True)
            compile_kernel(library, architecture, {"PYTHONPATH": place})
    mark.write_text(key)


def compile_kernel(library: Path, architecture: str, environment: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as place:
        command = [
            sys.executable, "-m", "ziglang", "build-lib", str(SOURCES / "kernel.zig"), *OPTIONS,
            *TARGETS.get(architecture, ()), "--cache-dir", place, f"-femit-bin={Path(place, 'kernel')}",
        ]  # fmt: skip
        subprocess.run(command, check=True, env={**os.environ, **environment})
        Path(place, "kernel").replace(library)


def digest(architecture: str) -> str:
    """Of all that goes into the library."""
    found = hashlib.sha256(repr((OPTIONS, TARGETS.get(architecture, sys.platform))).encode())
    for path in sorted([*SOURCES.glob("*.zig"), LOCK]):
        found.update(path.name.encode() + b"\0" + path.read_bytes())
    return found.hexdigest()


def this_machine() -> str:
    """The architecture of this machine, if it is one the functions can have."""
    names = {"aarch64": "arm64", "x86_64": "x86_64", "AMD64": "x86_64"}
    return names.get(os.uname().machine, "") if sys.platform == "linux" else ""


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2] if len(sys.argv) > 2 else this_machine())
