"""A stack of their own for the security tests: they add roles to it, change its keys and search all it holds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.deployed import deployed
from tests.e2e.rig import Rig


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(__file__.rpartition("/")[0]) and "rig" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.timeout(300))  # the first one builds and deploys the stack


@pytest.fixture(scope="session")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A deployed stack on a free port; nothing of it is left afterwards."""
    with deployed(tmp_path_factory.mktemp("home")) as found:
        yield found
