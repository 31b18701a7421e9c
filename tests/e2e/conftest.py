"""The real template on the embedded AWS, once for all end-to-end tests; simulators in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from local.simulators.datagroup import DataGroupSimulator
from tests.e2e.deployed import deployed
from tests.e2e.rig import Rig


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(300))  # the first one builds and deploys the stack


@pytest.fixture(scope="session")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A stack of its own on a free port; nothing of it is left afterwards."""
    with deployed(tmp_path_factory.mktemp("home")) as found:
        yield found


@pytest.fixture
def vendor() -> Iterator[DataGroupSimulator]:
    """A Data Group of the test's own."""
    with DataGroupSimulator() as simulator:
        yield simulator
