"""`python -m local.simulators`: all vendors in one process, with routes ready for use."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from local.simulators import ALL
from local.simulators.__main__ import main
from tests.unit.simulators.plain import ask


def test_it_serves_all_vendors_until_it_is_told_to_end(tmp_path: Path) -> None:
    ports = tmp_path / "ports.json"
    command = [sys.executable, "-m", "local.simulators", "--ports-file", str(ports)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            deadline = time.monotonic() + 20
            while not ports.exists() and time.monotonic() < deadline:
                time.sleep(0.02)
            written = json.loads(ports.read_text())
            states = {vendor: ask("GET", entry["url"] + "/_sim/state").json for vendor, entry in written.items()}
        finally:
            process.send_signal(signal.SIGTERM)
            printed, _ = process.communicate(timeout=10)

    assert process.returncode == 0
    assert json.loads(printed) == written
    assert set(written) == set(ALL)
    for vendor, entry in written.items():
        assert entry["route"]["destination"] == vendor == states[vendor]["vendor"]
        assert entry["route"]["account"]["base_url"].startswith(entry["url"])
        assert entry["secret"]


def test_an_unknown_vendor_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--vendor", "acme"])

    assert "invalid choice: 'acme'" in capsys.readouterr().err
