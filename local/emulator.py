"""The embedded AWS: MiniStack in its own process, with IAM enforced, its state gone when it stops."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import time
import urllib.request
from pathlib import Path
from typing import Literal

from local import processes
from local.processes import Process
from local.trouble import Trouble

REGION: Literal["eu-west-1"] = "eu-west-1"
# The emulator's root credentials. They open nothing but a server that listens on loopback alone.
ACCESS_KEY = "batchdrop"
SECRET_KEY = "batchdrop"
PORT = 4566
START_SECONDS = 60.0


def start(home: Path, port: int) -> Process:
    """Start the emulator; returns once it answers. `Trouble` when the port is taken or it does not come up."""
    if is_taken(port):
        raise Trouble(
            f"port {port} is in use by another program. Stop that one, or choose another port: "
            f"batchdrop up --port {free_port()}"
        )
    log = home / "emulator.log"
    log.unlink(missing_ok=True)
    scratch = home / "tmp"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    process = processes.start(
        [sys.executable, "-m", "local.embedded"], environment=_environment(home, port), log=log, directory=home
    )
    try:
        _wait(process, port, log)
    except BaseException:
        process.stop()
        raise
    return process


def is_healthy(port: int) -> bool:
    """Whether an emulator of our kind answers on this port."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_ministack/health", timeout=5) as answer:
            return bool(json.load(answer).get("auth") == "enabled")
    except (OSError, ValueError):
        return False


def is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(process: Process, port: int, log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while not is_healthy(port):
        if not process.is_alive():
            raise Trouble(f"the embedded AWS ended as soon as it was started; see {log}")
        if time.monotonic() > end:
            raise Trouble(f"the embedded AWS does not answer on port {port} after {START_SECONDS:.0f} s; see {log}")
        time.sleep(0.1)


def _environment(home: Path, port: int) -> dict[str, str]:
    """Nothing of the user's own AWS configuration, proxies or Docker reaches the emulator or the functions in it."""
    return {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "LANG": "C.UTF-8",
        "AUTH": "true",
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "MINISTACK_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "DOCKER_HOST": f"unix://{home}/no-docker",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
    }
