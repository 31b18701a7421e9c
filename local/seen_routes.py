"""Routes as this machine last saw them, so that `check` needs no network and the shell can complete their names.

Only routes: secrets are never kept. Files lie in `<home>/routes/<stack>/`.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from local.home import LocalStack, home

LOCAL = "batchdrop"  # the local stack's name, unless it was given another


def keep(stack: str, name: str, raw: Mapping[str, object]) -> None:
    """Remember a route."""
    file = _file(stack, name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(dict(raw), indent=1) + "\n")


def recall(stack: str, name: str) -> Mapping[str, Any] | None:
    """A route as it was last seen; None if it never was."""
    try:
        found: Mapping[str, Any] = json.loads(_file(stack, name).read_text())
    except (OSError, ValueError):
        return None
    return found


def forget(stack: str) -> None:
    """The routes of a stack that is gone."""
    shutil.rmtree(home() / "routes" / stack, ignore_errors=True)


def named(on: str | None) -> str:
    """The stack a command means that names this one, as far as can be told without looking."""
    local = LocalStack.load()
    return on or os.environ.get("BATCHDROP_STACK") or (local.name if local else LOCAL)


def beginning_with(incomplete: str) -> list[str]:
    """Names of routes, for the shell's completion."""
    return [name for name in names(named(None)) if name.startswith(incomplete)]


def names(stack: str) -> list[str]:
    """The routes of a stack that were seen."""
    return sorted(path.stem for path in (home() / "routes" / stack).glob("*.json"))


def _file(stack: str, name: str) -> Path:
    return home() / "routes" / stack / f"{name}.json"
