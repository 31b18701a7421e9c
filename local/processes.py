"""Programs in the background, each with its own process group, started and stopped for certain."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

GRACE = 10.0  # seconds between asking a program to stop and killing it


@dataclass(frozen=True, slots=True)
class Process:
    """A program we started as the leader of its own process group.

    `started` tells it from a later program that happens to get the same number.
    """

    pid: int
    started: float

    def is_alive(self) -> bool:
        _reap(self.pid)
        try:
            found = psutil.Process(self.pid)
            return found.create_time() == self.started and found.status() != psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False

    def stop(self) -> None:
        """End the program and all it has started; returns once none of them is left."""
        for sign, seconds in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
            if not self._members():
                return
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, sign)
            self._wait(seconds)

    def _wait(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while self._members() and time.monotonic() < end:
            time.sleep(0.02)

    def _members(self) -> list[psutil.Process]:
        """The living processes of the group."""
        _reap(self.pid)
        if psutil.pid_exists(self.pid) and not self._is_leader():
            return []  # the number belongs to somebody else now, so nothing of our group is left
        return [p for p in psutil.process_iter() if self._is_member(p)]

    def _is_leader(self) -> bool:
        try:
            return psutil.Process(self.pid).create_time() == self.started
        except psutil.NoSuchProcess:
            return True  # gone this moment; its group may live on

    def _is_member(self, process: psutil.Process) -> bool:
        try:
            return os.getpgid(process.pid) == self.pid and process.status() != psutil.STATUS_ZOMBIE
        except (psutil.Error, OSError):
            return False


def start(command: Sequence[str], *, environment: Mapping[str, str], log: Path, directory: Path) -> Process:
    """Start a program in the background, in its own process group, its output going to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        child = subprocess.Popen(
            command, env=environment, cwd=directory, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
            start_new_session=True,
        )  # fmt: skip
    child.returncode = 0  # it outlives this program on purpose: no warning that it was not waited for
    return Process(child.pid, psutil.Process(child.pid).create_time())


def _reap(pid: int) -> None:
    """Collect a child of ours that has ended, so that it is not taken for a living process."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
