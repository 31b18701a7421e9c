"""The destinations' pages keep up with the code."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

from batchdrop.destinations import destination
from batchdrop.fields import REQUIRED
from batchdrop.route import read_route

PAGES = Path(__file__).parents[3] / "docs" / "destinations"
NAMES = ("datagroup", "mediarithmics", "sherpa")


def page(name: str) -> str:
    return (PAGES / f"{name}.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_the_pages_route_is_valid_and_its_secret_complete(name: str) -> None:
    route = re.search(r"```yaml\n(.*?)```", page(name), re.DOTALL)
    secret = re.search(r"```json\n(.*?)```", page(name), re.DOTALL)
    assert route
    assert secret

    assert read_route("example", yaml.safe_load(route[1])).vendor.name == name
    assert tuple(json.loads(secret[1])) == destination(name).secret


@pytest.mark.parametrize("name", NAMES)
def test_the_page_has_every_option_with_its_default(name: str) -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]*) \|", page(name), re.MULTILINE))
    for option, declared in destination(name).account.items():
        assert option in rows
        if declared.default is REQUIRED:
            assert rows[option] == "required"
        elif isinstance(declared.default, str | int):
            assert f"`{declared.default}`" in rows[option] or str(declared.default) in rows[option]
