"""What every test gets: no AWS account in reach, whatever the machine's own configuration is; and who runs it."""

from __future__ import annotations

import os

import pytest

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


@pytest.hookimpl(tryfirst=True)  # before xdist reads the groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`make test` has two workers: the tests of the embedded AWS, which mostly wait, fill one while the others run.

    They go first and stay together, as all of them share a stack; so do those of any other file, which share fixtures.
    """
    items.sort(key=lambda item: not _is_deployed(item))
    for item in items:
        item.add_marker(pytest.mark.xdist_group("embedded AWS" if _is_deployed(item) else item.path.stem))


def _is_deployed(item: pytest.Item) -> bool:
    return "rig" in getattr(item, "fixturenames", ())
