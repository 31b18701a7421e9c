"""The commands of a page, run by a plain shell as they stand there."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.docs.pages import REPO, SHELL, blocks_of

BIN = Path(sys.executable).parent

NOT_RUN = {
    r"make (demo|test)\b": "they run this very test, or take minutes; CI runs both",
    r"(BATCHDROP_HOME=\S+ )?batchdrop up\b": "the tests' own stack is up already; test_stack.py has `up`",
    r"batchdrop down\b": "it would stop the tests' own stack; test_stack.py has `down`",
    r"sam build": "it built the tests' own stack; for Python 3.13 on arm64 it would have to fetch other wheels",
    r"sam deploy": "it asks questions: they are answered in a test of their own",
}

# Stands in for the AWS CLI, which this project does not install: `aws s3 cp` is its library's managed upload.
_AWS = """
import sys, boto3
s3, cp, source, target = sys.argv[1:]
bucket, _, key = target.removeprefix("s3://").partition("/")
boto3.client("s3").upload_file(source, bucket, key)
"""
# Stands in for jq, which need not be installed: what comes must be JSON and have the field asked for.
_JQ = """
import json, sys
for line in [text] if (text := sys.stdin.read()).startswith("{\\n") else text.splitlines():
    found = json.loads(line)
    for name in sys.argv[1].split(".")[1:]:
        found = found[name]
    print(json.dumps(found))
"""
# Stands in for curl, which need not be installed: a GET, or with -d a POST.
_CURL = """
import sys, urllib.request
data = sys.argv[2].encode() if sys.argv[1] == "-d" else None
print(urllib.request.urlopen(sys.argv[-1], data).read().decode())
"""


def tools(place: Path) -> Path:
    """A directory with the tools of others that the pages name."""
    (place / "bin").mkdir()
    for name, text in (("aws", _AWS), ("jq", _JQ), ("curl", _CURL)):
        tool = place / "bin" / name
        tool.write_text(f"#!{sys.executable}{text}")
        tool.chmod(tool.stat().st_mode | stat.S_IEXEC)
    return place


def commands_under(page: str, heading: str) -> list[str]:
    """The lines of the console blocks below a heading, but for what is not run."""
    text = "\n" + (REPO / page).read_text("utf-8")
    begin = text.index(f"\n{heading}\n")
    end = text.find("\n##", begin + 1)
    found = [b.text for b in blocks_of(REPO / page) if b.language in SHELL and b.text in text[begin:end]]
    assert found, f"{page}: no commands under {heading}"
    return [line for line in "".join(found).splitlines() if not any(re.match(known, line) for known in NOT_RUN)]


def script(page: str, heading: str) -> str:
    """The same as a script."""
    return "\n".join(commands_under(page, heading)) + "\n"


def run(text: str, place: Path, expected: Mapping[str, int], **more: str) -> str:
    """Run by a plain shell with nothing but the project's tools; returns all that was printed.

    A command must exit with what is `expected` of its verb, else with 0. `--open` opens no browser.
    """
    (place / "statuses").write_text("")
    env = {
        "PATH": f"{place / 'bin'}:{BIN}:/usr/bin:/bin",
        "HOME": str(place),
        "BATCHDROP_HOME": os.environ["BATCHDROP_HOME"],
        "BROWSER": "true",
        **more,
    }
    noted = "\n".join(map(_noted, text.splitlines())) + "\n"
    done = subprocess.run(
        ["sh", "-c", noted], cwd=place, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    told = f"{text}\n--- out\n{done.stdout}\n--- err\n{done.stderr}"
    for line in (place / "statuses").read_text().splitlines():
        verb, status = line.split()
        assert int(status) == expected.get(verb, 0), f"{line}\n{told}"
    return done.stdout + done.stderr


def _noted(line: str) -> str:
    """The line, and its exit status written down, where it ends a command of ours."""
    verb = re.match(r"(?:\w+=\$\()?batchdrop (\w+)", line)
    return f'{line}\necho "{verb[1]} $?" >> statuses' if verb else line
