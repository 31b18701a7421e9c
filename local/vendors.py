"""The vendor simulators of a local stack: all five in one process, each with a route and a secret that fit it."""

from __future__ import annotations

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from local import processes
from local.processes import Process
from local.trouble import Trouble

START_SECONDS = 30.0


def start(home: Path) -> tuple[Process, dict[str, str]]:
    """Start the simulators in the background; returns the process and `{destination: base_url}`."""
    log, ready = home / "simulators.log", home / "simulators.json"
    for old in (log, ready):
        old.unlink(missing_ok=True)
    command = [sys.executable, "-m", "local.simulators", "--ports-file", str(ready)]
    process = processes.start(command, environment=dict(os.environ), log=log, directory=home)
    try:
        _wait(process, ready, log)
    except BaseException:
        process.stop()
        raise
    return process, {vendor: str(found["url"]) for vendor, found in examples(home).items()}


def examples(home: Path) -> dict[str, dict[str, Any]]:
    """`{destination: {"url", "route", "secret"}}` of the running simulators."""
    found: dict[str, dict[str, Any]] = json.loads((home / "simulators.json").read_text())
    return found


def _wait(process: Process, ready: Path, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while not ready.exists():
        if not process.is_alive():
            raise Trouble(f"the vendor simulators ended as soon as they were started; see {log}")
        if time.monotonic() > end:
            raise Trouble(f"the vendor simulators did not start within {START_SECONDS:.0f} s; see {log}")
        time.sleep(0.05)
