"""The peers' own environment, and what was measured with which version on what machine."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

VENV = Path(__file__).resolve().parents[2] / ".venv-bench"
PACKAGES = ("duckdb", "polars", "csvkit", "ijson", "orjson")
DEBIAN = {"mlr": "miller", "jq": "jq", "pigz": "pigz", "zip": "zip"}


def python() -> Path:
    """The interpreter of the peers' environment; made from PyPI when it is not there yet."""
    interpreter = VENV / "bin" / "python"
    if not interpreter.exists():
        print(f"installing the peers into {VENV.name}: {', '.join(PACKAGES)}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=True)
        pip = [str(interpreter), "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
        subprocess.run([*pip, *PACKAGES], check=True)
        install_debian()
    return interpreter


def install_debian() -> None:
    """The peers that are Debian packages, where this is Debian and we may; else they are skipped, and it is said."""
    missing = [package for tool, package in DEBIAN.items() if which(tool) is None]
    if missing and os.geteuid() == 0 and which("apt-get"):
        subprocess.run(["apt-get", "update", "-qq"], check=False, stdout=subprocess.DEVNULL)  # else nothing is found
        subprocess.run(["apt-get", "install", "-y", "-qq", *missing], check=False, stdout=subprocess.DEVNULL)


def which(tool: str) -> str | None:
    import shutil

    return shutil.which(tool)


def versions(interpreter: Path | None) -> list[str]:
    """Of everything that took part."""
    ours = [f"{name} {metadata.version(name)}" for name in ("msgspec", "isal")]
    found = [f"Python {platform.python_version()}", *ours]
    if interpreter is None:
        return found
    code = f"from importlib.metadata import version\nfor n in {PACKAGES}: print(n, version(n))"
    found += subprocess.run([str(interpreter), "-c", code], capture_output=True, text=True, check=True).stdout.split(
        "\n"
    )
    for tool in ("mlr", "jq", "split", "pigz", "gzip"):
        if which(tool):
            done = subprocess.run([tool, "--version"], capture_output=True, text=True, check=False)
            found.append((done.stdout or done.stderr).strip().split("\n")[0])
    if which("zip"):
        said = subprocess.run(["zip", "-v"], capture_output=True, text=True, check=False).stdout.split("\n")
        found.append(next((line for line in said if line.startswith("This is Zip")), "zip").removeprefix("This is "))
    return [line for line in found if line]


def machine() -> str:
    """Processor, number of cores and memory; no names."""
    model = platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [line.partition(":")[2].strip() for line in cpuinfo.read_text().split("\n") if "model name" in line]
        model = names[0] if names else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} × {model}, {memory:.0f} GiB, {platform.system()}"
