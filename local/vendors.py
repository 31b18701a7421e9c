"""The vendor simulators as one program: `python -m local.vendors FILE` starts all, and writes their addresses there."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import signal
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from batchdrop.destinations import REGISTRY

from local import processes
from local.processes import Process
from local.simulators.server import Simulator
from local.trouble import Trouble

START_SECONDS = 30.0


def start(home: Path) -> tuple[Process, dict[str, str]]:
    """Start the simulators in the background; returns the process and `{destination: base_url}`."""
    log, addresses = home / "simulators.log", home / "simulators.json"
    log.unlink(missing_ok=True)
    addresses.unlink(missing_ok=True)
    command = [sys.executable, "-m", "local.vendors", str(addresses)]
    process = processes.start(command, environment=dict(os.environ), log=log, directory=home)
    end = time.monotonic() + START_SECONDS
    while not addresses.exists():
        if not process.is_alive() or time.monotonic() > end:
            process.stop()
            raise Trouble(f"the vendor simulators did not start; see {log}")
        time.sleep(0.05)
    return process, json.loads(addresses.read_text())


def simulator_of(destination: str) -> type[Simulator[Any]]:
    """The class that simulates this destination; `LookupError` if there is none."""
    name = f"local.simulators.{destination}"
    if importlib.util.find_spec(name):
        for found in vars(importlib.import_module(name)).values():
            if isinstance(found, type) and issubclass(found, Simulator) and getattr(found, "vendor", "") == destination:
                return found
    raise LookupError(f"no simulator for {destination}")


def main(file: Path) -> None:
    """Run until SIGTERM."""
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    with ExitStack() as running:
        addresses = {name: running.enter_context(simulator_of(name)()).url for name in REGISTRY}
        draft = file.with_suffix(".new")
        draft.write_text(json.dumps(addresses))
        draft.replace(file)
        signal.sigwait(signals)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
