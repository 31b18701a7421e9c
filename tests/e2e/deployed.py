"""A stack for tests: the real template on an embedded AWS of its own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from local import deployment, stack
from local.emulator import free_port
from tests.e2e.rig import Rig

# Short invocations, so that a killed worker's lease does not keep the tests waiting.
SHORT = {"SubmitTimeout": "30", "LeaseMargin": "2", "Reserve": "8", "QuietPeriod": "1"}


@contextmanager
def deployed(home: Path) -> Iterator[Rig]:
    """A stack on a free port, its files in `home`; nothing of it is left afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BATCHDROP_HOME", str(home))
        fixed = deployment.parameters
        patch.setattr(deployment, "parameters", lambda port: fixed(port) | SHORT)
        found = stack.up(lambda _: None, port=free_port())
        try:
            yield Rig(found)
        finally:
            stack.down()
