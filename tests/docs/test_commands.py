"""Every command in the documentation exists, with the options it is given.

Those of the README and of docs/reports.md are run, see `tests/e2e/test_documented_commands.py`.
"""

from __future__ import annotations

import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest
import typer
from typer.core import TyperGroup

from local.app import app
from tests.docs.pages import PAGES, REPO, SHELL, Block, blocks, commands, prose

# Other people's commands: not ours to test. The README's `aws s3 cp` is stood in for by its library where it is run.
TAKEN_AS_THEY_ARE = {
    "aws": "needs the AWS CLI, which is not installed by this project, and an account",
    "curl": "the system's own; stood in for where it is run",
    "cat": "the shell's own", "cd": "the shell's own", "eval": "the shell's own", "export": "the shell's own",
    "echo": "the shell's own", "git": "needs the network", "head": "the system's own", "jq": "need not be installed",
}  # fmt: skip
CHECKED = ("batchdrop", "make", "sam", "python")


@pytest.mark.parametrize("block", blocks(*SHELL), ids=str)
def test_the_commands_of_a_block_exist(block: Block) -> None:
    for words in commands(block.text):
        name = Path(words[0]).name
        assert name in CHECKED or name in TAKEN_AS_THEY_ARE, f"{block}: {words}"
        if name == "batchdrop":
            parse(words[1:])
        elif name == "make":
            assert set(words[1:]) <= targets() | {w for w in words if "=" in w}, words
        elif name == "sam":
            assert all(option in sam_help(words[1]) for option in words if option.startswith("--")), words
        elif name == "python":
            assert words[1] == "-m"
            assert (REPO / words[2].replace(".", "/")).with_suffix(".py").exists() or is_package(words[2]), words


def parse(words: list[str]) -> None:
    """Parse as the command would, without running it."""
    found = typer.main.get_command(app)
    while isinstance(found, TyperGroup):
        if words == ["--help"]:
            return
        assert words, "a verb is missing"
        assert words[0] in found.commands, f"no verb {words[0]}"
        found, words = found.commands[words[0]], words[1:]
    if words != ["--help"]:
        found.make_context("batchdrop", [re.sub(r"^<.*>$", "x", word) for word in words])


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_named_in_the_text_exist(page: Path) -> None:
    for span in re.findall(r"`(batchdrop [^`]*)`", prose(page)):
        words = span.split()[1:]
        found = typer.main.get_command(app)
        while isinstance(found, TyperGroup) and words and not words[0].startswith("-"):
            assert words[0] in found.commands, span
            found, words = found.commands[words[0]], words[1:]
        known = {option for parameter in found.params for option in parameter.opts} | {"--help"}
        assert {word for word in words if word.startswith("-")} <= known, span


def is_package(name: str) -> bool:
    return (REPO / name.replace(".", "/") / "__main__.py").exists()


@cache
def targets() -> set[str]:
    return set(re.findall(r"^([a-z]+):", (REPO / "Makefile").read_text("utf-8"), re.MULTILINE))


@cache
def sam_help(verb: str) -> str:
    sam = Path(sys.executable).parent / "sam"
    done = subprocess.run([sam, verb, "--help"], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, f"sam has no {verb}"
    return done.stdout


@pytest.mark.parametrize(
    "words", [["dropp", "x"], ["drop", "x"], ["wait", "j", "--timout", "5"], ["wait", "j", "--timeout", "x"]]
)
def test_a_wrong_command_would_be_seen(words: list[str]) -> None:
    with pytest.raises((AssertionError, *typer.BadParameter.__bases__)):
        parse(words)


def test_every_verb_of_the_command_is_documented() -> None:
    text = "\n".join(block.text for block in blocks(*SHELL))
    documented = {words[1] for words in commands(text) if Path(words[0]).name == "batchdrop" and len(words) > 1}
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    assert set(group.commands) - documented == set()
