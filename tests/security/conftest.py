"""A stack of their own for the security tests: they add roles to it, change its keys and search all it holds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local import deployment, stack
from local.emulator import free_port
from tests.e2e.rig import Rig

SHORT = {"SubmitTimeout": "30", "LeaseMargin": "2", "Reserve": "8", "QuietPeriod": "1"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(__file__.rpartition("/")[0]) and "rig" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(300))  # the first one builds and deploys the stack


@pytest.fixture(scope="session")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A deployed stack on a free port; nothing of it is left afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BATCHDROP_HOME", str(tmp_path_factory.mktemp("home")))
        fixed = deployment.parameters
        patch.setattr(deployment, "parameters", lambda port: fixed(port) | SHORT)
        found = stack.up(lambda _: None, port=free_port())
        try:
            yield Rig(found)
        finally:
            stack.down()
