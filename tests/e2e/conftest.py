"""The real template on the embedded AWS, once for all end-to-end tests; simulators in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local import deployment, stack
from local.emulator import free_port
from local.simulators.datagroup import DataGroupSimulator
from tests.e2e.rig import Rig

# Short invocations, so that a killed worker's lease does not keep the tests waiting.
SHORT = {"SubmitTimeout": "30", "LeaseMargin": "2", "Reserve": "8", "QuietPeriod": "1"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(300))  # the first one builds and deploys the stack


@pytest.fixture(scope="session")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A stack of its own on a free port; nothing of it is left afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BATCHDROP_HOME", str(tmp_path_factory.mktemp("home")))
        fixed = deployment.parameters
        patch.setattr(deployment, "parameters", lambda port: fixed(port) | SHORT)
        found = stack.up(lambda _: None, port=free_port())
        try:
            yield Rig(found)
        finally:
            stack.down()


@pytest.fixture
def vendor() -> Iterator[DataGroupSimulator]:
    """A Data Group of the test's own."""
    with DataGroupSimulator() as simulator:
        yield simulator
