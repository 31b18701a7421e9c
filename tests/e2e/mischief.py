"""What goes wrong while drops are under way: vendors misbehave, workers are killed, callbacks are noise."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

import psutil
from botocore.exceptions import BotoCoreError, ClientError

from local import emulator
from local.home import home
from local.simulators.datagroup import DataGroupSimulator
from local.simulators.outbound import call_out
from local.simulators.server import Simulator
from tests.e2e.rig import Rig

WIRE: tuple[dict[str, Any], ...] = (
    {"kind": "reset_before"},
    {"kind": "reset_after"},
    {"kind": "500"},
    {"kind": "500", "acts": True},
    {"kind": "502", "acts": True},
    {"kind": "503", "value": "1"},
    {"kind": "429", "value": "1"},
    {"kind": "slow", "value": 2},
    {"kind": "drip"},
    {"kind": "truncated"},
    {"kind": "html200"},
    {"kind": "trailing_comma"},
)
ENDPOINTS = {
    "datagroup": ("create_job", "create_batch_file", "upload", "upload", "state", "result"),
    "sherpa": ("upload", "upload", "status"),
    "mediarithmics": ("create_import", "create_execution", "create_execution", "execution", "data_file"),
    "ometria": ("upload", "process", "process", "report"),
    "haplo": ("control", "batch", "file", "schedule", "schedule"),
}
COMMITS = {
    "datagroup": "upload",
    "sherpa": "upload",
    "mediarithmics": "create_execution",
    "ometria": "process",
    "haplo": "schedule",
}
OWN: dict[str, tuple[dict[str, Any], ...]] = {
    "datagroup": (
        {"kind": "expired_token", "endpoint": "state"},
        {"kind": "expired_url", "endpoint": "upload"},
        {"kind": "unknown_state", "endpoint": "state"},
        {"kind": "notify", "endpoint": "create_batch_file", "value": "per_state"},
        {"kind": "notify", "endpoint": "create_batch_file", "value": "never"},
    ),
    "sherpa": ({"kind": "wrong_spelling", "endpoint": "status"},),
    "mediarithmics": ({"kind": "unknown_state", "endpoint": "execution"},),
}
STORED = "[transfer] SFTP: stopped"  # MiniStack's first word after it has stored its state
FAULT_EVERY = 3  # submissions of a vendor; with more faults, its circuit would be open most of the time


@dataclass(slots=True)
class Mischief:
    """One seed's trouble. What it came to is in `told`."""

    rig: Rig
    vendors: Mapping[str, Simulator[Any]]
    rng: Random
    told: Counter[str] = field(default_factory=Counter)
    _killed: dict[int, str] = field(default_factory=dict)  # by process: the function it worked for
    _charged: Counter[str] = field(default_factory=Counter)  # by vendor: submissions for which faults were ordered

    def order_faults(self) -> None:
        """Keep a fault or two waiting at each vendor, in proportion to the submissions it takes."""
        for name, vendor in self.vendors.items():
            while len(vendor.commits) >= self._charged[name]:
                self._charged[name] += FAULT_EVERY
                vendor.fault(**self._fault(name))

    def _fault(self, name: str) -> dict[str, Any]:
        own = OWN.get(name, ())
        if own and self.rng.random() < 0.2:
            return self.rng.choice(own)
        return {**self.rng.choice(WIRE), "endpoint": self.rng.choice(ENDPOINTS[name])}

    def heal(self) -> None:
        """From now on every vendor works."""
        for vendor in self.vendors.values():
            vendor.faults.clear()

    def count(self) -> None:
        """Add up what struck."""
        self.told["faults"] = sum(bool(r.fault) for vendor in self.vendors.values() for r in vendor.requests)
        self.told["workers killed"] = len(self._killed)
        self.told["of them submitting"] = sum("Submit" in name for name in self._killed.values())

    def slow_down(self) -> None:
        """The next submission of each vendor takes its time: long enough to be killed in the middle of it."""
        for name, vendor in self.vendors.items():
            vendor.fault("slow", COMMITS[name], value=2)

    def strike(self, *, restart: bool) -> None:
        """Kill half of the workers that submit and a few of the others; or all of them, with the whole AWS."""
        self.told["calls in flight when a worker was killed"] += self.calls_in_flight()
        if restart:
            self._restart()
            return
        for name, worker in self._workers():
            if self.rng.random() < (0.5 if "Submit" in name else 0.15):
                self._kill(name, worker)

    def calls_in_flight(self) -> int:
        """Calls that a vendor has carried out and will answer only in a second."""
        recent = ((vendor.clock.now(), r) for vendor in self.vendors.values() for r in vendor.requests[-20:])
        return sum(request.fault == "slow" and now - request.at < 1 for now, request in recent)

    def _kill(self, name: str, worker: psutil.Process) -> None:
        with contextlib.suppress(psutil.NoSuchProcess):
            worker.kill()
            self._killed[worker.pid] = name

    def _workers(self) -> Iterator[tuple[str, psutil.Process]]:
        for process in psutil.Process(self.rig.stack.emulator.pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):
                name = process.environ().get("AWS_LAMBDA_FUNCTION_NAME", "")
                if name:
                    yield name, process

    def sweep(self) -> None:
        """Call the sweep, as its schedule does, and note what it has found; it may be killed like any other."""
        function = self.rig.stack.outputs["SweepFunctionName"]
        try:
            answer = self.rig.client("lambda").invoke(FunctionName=function, Payload=b"{}")
        except (BotoCoreError, ClientError):  # the embedded AWS is down
            return
        if "FunctionError" not in answer:
            found = json.loads(answer["Payload"].read())
            for name in ("drops_without_job", "jobs_without_execution"):
                self.told[f"{name.replace('_', ' ')}, found by the sweep"] += found[name]

    def call_back_at_random(self) -> None:
        """Callbacks that come again, late and long after the job, or were never given out."""
        datagroup = self.vendors["datagroup"]
        assert isinstance(datagroup, DataGroupSimulator)
        for note in self.rng.sample(datagroup.notifier.sent, min(3, len(datagroup.notifier.sent))):
            forged = note.url[:-4] + "AAAA"
            for url in (note.url, forged):
                status, _ = call_out(self.rng.choice(("GET", "POST")), url, b"{}", timeout=5)
                self.told[f"stray callbacks answered {status}"] += 1

    def _restart(self) -> None:
        """All workers die at once; the embedded AWS goes down, and comes up again with what it had stored.

        It stores everything the moment it is told to end. No worker may do anything after that, so none is left alive.
        """
        stack, log = self.rig.stack, home() / "emulator.log"
        self._kill_all()
        os.kill(stack.emulator.pid, signal.SIGTERM)
        end = time.monotonic() + 60
        while STORED not in log.read_text(errors="replace") and stack.emulator.is_alive():
            assert time.monotonic() < end, "the embedded AWS did not store its state"
            self._kill_all()
        os.killpg(stack.emulator.pid, signal.SIGKILL)
        stack.emulator.stop()  # returns once nothing of it is left
        stack.emulator = emulator.start(home(), stack.port)
        stack.save()
        self.told["restarts"] += 1

    def _kill_all(self) -> None:
        for name, worker in self._workers():
            self._kill(name, worker)
