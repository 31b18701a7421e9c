from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import psutil
import pytest

from local import processes
from local.processes import Process

CHILD = "import time; print('child', flush=True); time.sleep(60)"
PARENT = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {CHILD!r}]); time.sleep(60)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {CHILD}"


def start(code: str, directory: Path) -> Process:
    return processes.start(
        [sys.executable, "-c", code], environment=dict(os.environ), log=directory / "log", directory=directory
    )


def until(log: Path, text: str) -> None:
    end = time.monotonic() + 10
    while text not in log.read_text():
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.01)


def test_stopping_a_program_ends_what_it_has_started_too(tmp_path: Path) -> None:
    process = start(PARENT, tmp_path)
    until(tmp_path / "log", "child")
    children = psutil.Process(process.pid).children()
    process.stop()
    assert not process.is_alive()
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)


def test_what_ignores_the_request_to_stop_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "GRACE", 0.2)
    process = start(STUBBORN, tmp_path)
    until(tmp_path / "log", "child")
    process.stop()
    assert not process.is_alive()


def test_workers_are_stopped_even_when_their_parent_was_killed(tmp_path: Path) -> None:
    process = start(PARENT, tmp_path)
    until(tmp_path / "log", "child")
    [child] = psutil.Process(process.pid).children()
    os.kill(process.pid, 9)
    process.stop()
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_later_program_that_got_the_same_number_is_left_alone(tmp_path: Path) -> None:
    process = start("print('up', flush=True); import time; time.sleep(60)", tmp_path)
    try:
        before = Process(process.pid, process.started - 100)
        before.stop()
        assert not before.is_alive()
        assert process.is_alive()
    finally:
        process.stop()


def test_stopping_what_has_ended_is_harmless(tmp_path: Path) -> None:
    process = start("pass", tmp_path)
    process.stop()
    process.stop()
    assert not process.is_alive()
