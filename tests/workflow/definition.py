"""The workflow's definition, and a way to evaluate its JSONata."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from jsonata import Jsonata

State = dict[str, Any]
FILE = Path(__file__).resolve().parents[2] / "functions/workflow/job.asl.yaml"
MACHINE: dict[str, Any] = json.loads(FILE.read_text())
STATES: dict[str, State] = MACHINE["States"]
JSONPATH_ONLY = {"InputPath", "OutputPath", "ResultPath", "Parameters", "ResultSelector", "Variable", "SecondsPath"}


def nexts(state: State) -> Iterator[str]:
    """Every state that may follow."""
    for part in (state, *state.get("Choices", []), *state.get("Catch", [])):
        if "Next" in part:
            yield part["Next"]
    if "Default" in state:
        yield state["Default"]


def reachable(start: str) -> set[str]:
    found, todo = set[str](), [start]
    while todo:
        name = todo.pop()
        if name not in found:
            found.add(name)
            todo += nexts(STATES[name])
    return found


def texts(value: object) -> Iterator[str]:
    """Every text in a part of the definition."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)
    elif isinstance(value, dict):
        for one in value.values():
            yield from texts(one)


def is_expression(text: str) -> bool:
    return text.startswith("{%") and text.endswith("%}")


def evaluate(text: str, states: dict[str, Any]) -> Any:
    """An expression `{% … %}` as Step Functions evaluates it, with its `$states`."""
    expression = Jsonata(text.removeprefix("{%").removesuffix("%}").strip())
    expression.assign("states", states)
    return expression.evaluate(None)


def chosen(name: str, given: dict[str, Any]) -> str:
    """Where a Choice state goes with this input."""
    state = STATES[name]
    for choice in state["Choices"]:
        if evaluate(choice["Condition"], {"input": given}) is True:
            return str(choice["Next"])
    return str(state["Default"])
