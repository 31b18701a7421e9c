"""`python -m tests.acceptance [--list]`: the acceptance rows, the tests that bear their numbers, and whether they pass.

`--list` only collects. Exits 1 if a test of a row fails, or a row has neither a test nor a sentence in the README of
the tests.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from pathlib import Path

import pytest

GROUPS = {"A": 15, "B": 20, "C": 10, "D": 15, "E": 11, "F": 11, "G": 10, "H": 7}
ROWS = [f"{letter}{n}" for letter, count in GROUPS.items() for n in range(1, count + 1)]
README = Path(__file__).parent / "README.md"


class Ledger:
    """A pytest plugin that keeps, per row, its tests and how each ended."""

    def __init__(self) -> None:
        self.tests: dict[str, list[str]] = defaultdict(list)
        self.failed: set[str] = set()

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            rows = {str(row) for mark in item.iter_markers("acceptance") for row in mark.args}
            for row in rows:
                self.tests[row].append(item.nodeid)
        items[:] = [item for item in items if item.get_closest_marker("acceptance")]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed.add(report.nodeid)


def main(arguments: list[str]) -> int:
    """Print the table; 0 if every row is covered and every test of it passed."""
    found = Ledger()
    pytest.main(["-q", "--no-header", "-p", "no:randomly", *(["--collect-only", "-qq"] if arguments else [])], [found])
    explained = set(re.findall(r"^\| ([A-H]\d+) \|", README.read_text(encoding="utf-8"), re.MULTILINE))
    print(f"\n{'row':4} {'tests':>5}  result")
    for row in ROWS:
        print(f"{row:4} {len(found.tests[row]):5}  {_result(found, row, explained, ran=not arguments)}")
    bare = [row for row in ROWS if not found.tests[row] and row not in explained]
    covered = sum(1 for row in ROWS if found.tests[row])
    print(f"\n{covered} of {len(ROWS)} rows have tests, {len(explained)} are explained, {len(bare)} have neither")
    return 1 if bare or found.failed else 0


def _result(found: Ledger, row: str, explained: set[str], *, ran: bool) -> str:
    if not found.tests[row]:
        return "explained in tests/README.md" if row in explained else "NO TEST"
    bad = [test for test in found.tests[row] if test in found.failed]
    return "FAILED " + " ".join(bad) if bad else ("passed" if ran else found.tests[row][0])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
