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
# What every processor of the kind can do, as AWS names no model; and what those can that swift.zig is for. Without a C
# library, none is needed at run time.
TARGETS = {
    "arm64": ("aarch64-linux", "generic", "generic+sha2"),
    # Double shifts, which the compiler would take for rotations here, are slow on AMD's processors.
    "x86_64": ("x86_64-linux", "x86_64_v2-fast_shld_rotate", "x86_64_v2+sha+avx2"),
}
OPTIONS = ("-O", "ReleaseSafe", "-fstrip")


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
    target, plain, swift = TARGETS.get(architecture, ("native", "native", "native"))
    with tempfile.TemporaryDirectory() as place:
        kept = kept_by_the_compiler(library) or Path(place, "kept")

        def build(kind: str, processor: str, made: str, *arguments: str) -> None:
            command = [
                sys.executable, "-m", "ziglang", kind, *arguments, *OPTIONS, "-target", target, "-mcpu", processor,
                "--cache-dir", place, "--global-cache-dir", str(kept), f"-femit-bin={Path(place, made)}",
            ]  # fmt: skip
            subprocess.run(command, check=True, env={**os.environ, **environment})

        build("build-obj", swift, "swift.o", str(SOURCES / "swift.zig"), "-fPIC")
        build("build-lib", plain, "kernel", str(SOURCES / "kernel.zig"), str(Path(place, "swift.o")), "-dynamic")
        Path(place, "kernel").replace(library)


def kept_by_the_compiler(library: Path) -> Path | None:
    """Where the compiler keeps its own runtime, compiled: in the project, not in the home of whoever builds.

    `sam build` runs a copy of this elsewhere, but into the project's `.aws-sam`, or a directory that it is given.
    """
    if given := os.environ.get("ZIG_GLOBAL_CACHE_DIR"):
        return Path(given)
    project = SOURCES.parents[2]
    built = [path for path in library.parents if path.name == ".aws-sam"]
    built += [project / ".aws-sam"] if (project / "template.yaml").exists() else []
    return built[0] / "zig" if built else None


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
