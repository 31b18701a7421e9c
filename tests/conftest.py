"""What every test gets: no AWS account in reach, whatever the machine's own configuration is; and who runs it."""

from __future__ import annotations

import os

import pytest
from xdist.remote import Producer  # type: ignore[import-untyped]
from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

# Each has a stack on an embedded AWS of its own; the first that fits a test is its lane.
LANES = ("tests/e2e/test_documented", "tests/e2e/", "tests/security/")

# Set at import time too: clients made by module-level fixtures must never pick up a real profile.
FAKE_AWS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_SESSION_TOKEN": "testing",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_REGION": "eu-west-1",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}
os.environ.update(FAKE_AWS)
for _name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
    os.environ.pop(_name, None)


@pytest.fixture(autouse=True)
def fake_aws_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test starts from the same AWS variables, and leaves none behind."""
    for name, value in FAKE_AWS.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """A file's bytes name no test: gzip's hold the second of their making, and workers must agree on the names."""
    return argname if isinstance(val, bytes) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest lanes first, so that no worker is left alone with one: see `Lanes`."""
    items.sort(key=lambda item: not item.nodeid.startswith(LANES))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Other tests can wait; those of a stack have time-outs, and what they wait for needs the processor."""
    if "PYTEST_XDIST_WORKER" in os.environ and not item.nodeid.startswith(LANES) and not os.nice(0):
        os.nice(10)


class Lanes(LoadScopeScheduling):  # type: ignore[misc]
    """A file's tests go to one worker, as they share fixtures; so do all that share a stack, which mostly wait.

    Groups of xdist's own would do, but for pytest-xdist's issue 1386.
    """

    def _split_scope(self, nodeid: str) -> str:
        found = [lane for lane in LANES if nodeid.startswith(lane)]
        return found[0] if found else str(super()._split_scope(nodeid))


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Lanes:
    return Lanes(config, log)
