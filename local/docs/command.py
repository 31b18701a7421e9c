"""The reference of the command, from its own help."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

import typer
from typer.core import TyperGroup

from local import describe
from local.app import app
from local.docs.markdown import table
from local.exits import EXIT_CODES


def verbs() -> str:
    """Every verb: what it does, examples, arguments and options; without `--json` and `--stack`, which most have."""
    return "\n\n".join(_verb(words, command) for words, command in _leaves("batchdrop", typer.main.get_command(app)))


def exits() -> str:
    """The exit codes."""
    return table(("exit code", "meaning"), ((f"{code}", meaning) for code, meaning in EXIT_CODES.items()))


def states() -> str:
    """What a job is at before it has ended."""
    return table(("state", "meaning"), ((f"`{state}`", meaning) for state, meaning in describe.STATES.items()))


def _leaves(words: str, command: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(command, TyperGroup):
        yield words, command
        return
    for name, inner in command.commands.items():
        yield from _leaves(f"{words} {name}", inner)


def _verb(words: str, command: Any) -> str:
    about, _, rest = inspect.cleandoc(command.help).partition("\b")
    examples = [line.strip() for line in rest.partition("Examples:")[2].splitlines() if line.strip()]
    parts = [f"### `{words}`", " ".join(about.split())]
    parts += ["```console\n" + "\n".join(examples) + "\n```"] if examples else []
    rows = [(f"`{_name(p)}`", _meaning(p)) for p in command.params if p.name not in ("help", "json", "on")]
    return "\n\n".join([*parts, *([table(("", "meaning"), rows)] if rows else [])])


def _name(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return str(parameter.name).upper()
    flag = "" if parameter.is_flag else f" {parameter.metavar or parameter.type.name.upper()}"
    return ", ".join(sorted(parameter.opts, key=len)) + flag


def _meaning(parameter: Any) -> str:
    told = parameter.help or ""
    shown = parameter.show_default if isinstance(parameter.show_default, str) else parameter.default
    is_told = shown not in (None, False, ()) and not callable(shown) and parameter.param_type_name == "option"
    return told + (f" Default: {shown}." if is_told and parameter.show_default else "")
