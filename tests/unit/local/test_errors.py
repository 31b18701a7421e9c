"""However the command ends, it ends with a message that says what to do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from local.safetext import in_json, one_line, printable
from tests.unit.local.conftest import Run, Shop

BATCHDROP = Path(sys.executable).parent / "batchdrop"


def test_a_package_that_is_missing_after_an_update_ends_with_the_way_to_it(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("import a_new_dependency")
    done = subprocess.run(
        [sys.executable, "-c", "from local.cli import main; main()", "jobs"],
        env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (
        1,
        "batchdrop: the package a_new_dependency is not installed: make setup\n",
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no full device here")
def test_output_that_finds_no_room_ends_with_a_message(tmp_path: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [BATCHDROP, "--help"], stdout=full, stderr=subprocess.PIPE, text=True, check=False, timeout=60
        )
    assert (done.returncode, done.stderr) == (1, "batchdrop: the output: No space left on device\n")


def test_a_reader_that_has_gone_is_no_error_to_speak_of(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("id\n1\n")
    (tmp_path / "route.yaml").write_text("{destination: datagroup, secret: s}")
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [BATCHDROP, "check", "a.csv", "--route", "route.yaml"],
        cwd=tmp_path, stdout=writing, stderr=subprocess.PIPE, check=False, timeout=60,
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")


def test_a_terminal_without_the_letter_gets_its_number(tmp_path: Path) -> None:
    done = subprocess.run(
        [BATCHDROP, "check", tmp_path / "Zoë – Ł.csv", "--route", "x.yaml"],
        env={"PYTHONIOENCODING": "ascii"}, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert rb"Zo\xeb \u2013 \u0141.csv: there is no such file" in done.stderr


HOSTILE = "a\x1b]0;title\x07\x1b[2J\r\x9b3A\u202egpj.exe\u2066\x7f\nb"


def test_names_cannot_make_a_terminal_do_anything(run: Run, shop: Shop) -> None:
    job = shop.job("j1", outcome="failed", key=f"drops/people/{HOSTILE}")
    printed = ""
    for words in (["jobs"], ["jobs", "--json"], ["show", "j1"], ["watch", "j1"], ["show", HOSTILE]):
        done = run(*words)
        printed += done.out + done.err
    assert "a⟨U+001B⟩]0;title⟨U+0007⟩⟨U+001B⟩[2J ⟨U+009B⟩3A⟨U+202E⟩gpj.exe⟨U+2066⟩⟨U+007F⟩ b" in printed
    assert not [c for c in printed if not c.isprintable() and c not in "\n\t"]
    assert run("jobs", "--json").json["jobs"][0]["key"] == job.key


def test_safe_text_keeps_every_letter_that_does_nothing() -> None:
    text = "Zoë\tO'Neill 日本 👩‍👩‍👧 שלום é"
    assert printable(text) == text
    assert in_json(f'"{text}"') == f'"{text}"'
    assert one_line(" a \r\n\t b ") == "a b"


@pytest.mark.parametrize("port", [-1, 0, 65536, 99999])
def test_a_port_that_can_be_none_is_refused(run: Run, port: int) -> None:
    done = run("up", "--port", port)
    assert done.code == 2


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&-"])
def test_with_its_output_closed_the_command_does_its_work_in_silence(tmp_path: Path, closed: str) -> None:
    (tmp_path / "route.yaml").write_text("{destination: datagroup, secret: s}")
    command = f"{sys.executable} -c 'from local.cli import main; main()' routes check"
    for name, code in (("route.yaml", 0), ("none.yaml", 1)):
        done = subprocess.run(
            ["/bin/sh", "-c", f"{command} {name} {closed}"], cwd=tmp_path, capture_output=True, check=False, timeout=60
        )
        assert (done.returncode, done.stdout, b"Traceback" in done.stderr) == (code, b"", False)


def test_with_json_an_error_is_json_too(run: Run, shop: Shop) -> None:
    for words, told in ((["show", "nope"], "there is no job"), (["drop", "no.csv", "--route", "x"], "no such file")):
        done = run(*words, "--json")
        assert done.code == 1
        assert told in done.json["error"]
        assert told in done.err
    assert run("show", "nope").out == ""
