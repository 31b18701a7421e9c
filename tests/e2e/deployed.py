"""A stack for tests: the real template on an embedded AWS of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local import deployment, emulator, stack
from local.emulator import free_port
from tests.e2e.rig import Rig

# Short invocations, so that a killed worker's lease does not keep the tests waiting.
SHORT = {"SubmitTimeout": "30", "LeaseMargin": "2", "Reserve": "8", "QuietPeriod": "1", "SweepAge": "20"}


def durable(home: Path) -> dict[str, str]:
    """What tells MiniStack to keep its state over a restart: written when it is told to end, not when it is killed."""
    return {"PERSIST_STATE": "1", "STATE_DIR": f"{home}/state", "S3_PERSIST": "1", "S3_DATA_DIR": f"{home}/s3"}


@contextmanager
def deployed(home: Path) -> Iterator[Rig]:
    """A stack on a free port, its files in `home`; nothing of it is left afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BATCHDROP_HOME", str(home))
        fixed = deployment.parameters
        patch.setattr(deployment, "parameters", lambda port: fixed(port) | SHORT)
        plain = emulator._environment
        patch.setattr(emulator, "_environment", lambda place, port: plain(place, port) | durable(place))
        found = stack.up(lambda _: None, port=free_port())
        try:
            yield Rig(found)
        finally:
            stack.down()
