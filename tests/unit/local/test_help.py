"""Help: there for every verb, with examples, and quick."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest
from typer.main import get_command

from local.app import app
from local.exits import EXIT_CODES
from tests.unit.local.conftest import Run

HEAVY = (
    "boto3",
    "botocore",
    "requests",
    "yaml",
    "batchdrop.wiring",
    "batchdrop.submission",
    "rich.progress",
)


def verbs() -> list[tuple[str, ...]]:
    """Every command there is, as the words that call it."""
    found: list[tuple[str, ...]] = []
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        inner = getattr(command, "commands", None)
        found += [(name, sub) for sub in inner] if inner else [(name,)]
    return found


@pytest.mark.parametrize("words", verbs(), ids=" ".join)
def test_every_verb_explains_itself_with_examples_and_takes_json(run: Run, words: tuple[str, ...]) -> None:
    done = run(*words, "--help")
    assert done.code == 0
    assert f"batchdrop {' '.join(words)}" in done.out.split("Examples:")[1]
    assert "--json" in done.out


def test_the_help_lists_every_verb_and_exit_code(run: Run) -> None:
    text = " ".join(run("--help").out.split())
    for words in verbs():
        assert f" {words[0]} " in text
    for code in EXIT_CODES:
        assert f" {code} " in text
    assert "--install-completion" in text


def test_the_version_is_told(run: Run) -> None:
    assert run("--version").out == f"batchdrop {version('batchdrop')}\n"


def test_help_is_quick_to_come_because_nothing_heavy_is_imported() -> None:
    asked = f"import sys, local.app; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_shell_can_be_taught_to_complete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_BATCHDROP_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", "batchdrop re")
    monkeypatch.setenv("COMP_CWORD", "1")
    batchdrop = [sys.executable, "-c", "import sys; sys.argv[0] = 'batchdrop'; from local.cli import main; main()"]
    done = subprocess.run(batchdrop, capture_output=True, text=True, check=False)
    assert set(done.stdout.split()) >= {"report", "rejects", "resolve", "rerun"}, done.stderr
