"""Every code a report can have of us is in the table of docs/reports.md, and no other: held against the code itself."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from batchdrop.errors import ObjectRefused
from batchdrop.finish import _whole
from batchdrop.job import Batch
from batchdrop.records.model import REPLACED
from local.docs import codes
from tests.docs.pages import REPO

LIBRARY = REPO / "layers/batchdrop/batchdrop"
FILES = {path: ast.parse(path.read_text("utf-8")) for path in sorted(LIBRARY.rglob("*.py"))}
# What is no literal: handed on from another refusal, or a name looked up below.
PASSED_ON = {
    ("arrive.py", "refused.reason"),
    ("columns.py", "code"),  # of `_problem_at`
    ("csvcodec.py", "encoded.code"),
    ("inspect.py", "error.reason"),
    ("jsoncheck.py", "code"),  # of `_Found`
    ("jsoncodec.py", "problem.code"),
    ("members.py", "error.reason"),
    ("submission.py", "error.reason"),
    ("submission.py", "reason"),  # of `GiveUp`
    ("submit_job.py", "*order.too_late(self.route, holder)"),
    ("submit_job.py", "error.reason"),
}
NAMES = {"REPLACED": {REPLACED}, "ObjectRefused.reason": {ObjectRefused.reason}}


def words(*makers: str) -> set[str]:
    """The codes that calls of these are given, wherever they stand in the library."""
    return {word for path, tree in FILES.items() for node in ast.walk(tree) for word in made(node, makers, path, tree)}


def made(node: ast.AST, makers: tuple[str, ...], path: Path, tree: ast.Module) -> Iterator[str]:
    if isinstance(node, ast.Call) and (maker := ast.unparse(node.func)) in makers:
        yield from literal(node.args[maker == "self._problem_at"], path, tree)


def literal(value: ast.expr, path: Path, tree: ast.Module) -> Iterator[str]:
    """The texts an expression can be; fails where that cannot be told: then this test is to be taught."""
    written = ast.unparse(value)
    if isinstance(value, ast.Constant):
        yield str(value.value)
    elif written in NAMES:
        yield from NAMES[written]
    elif isinstance(value, ast.IfExp):
        yield from literal(value.body, path, tree)
        yield from literal(value.orelse, path, tree)
    elif isinstance(value, ast.Name) and (given := assigned(value.id, tree)):
        for each in given:
            yield from literal(each, path, tree)
    elif (path.name, written) not in PASSED_ON:
        pytest.fail(f"{path.name}: {written} may be any code: which?")


def assigned(name: str, tree: ast.Module) -> list[ast.expr]:
    return [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == [name]
    ]


def failures() -> Iterator[str]:
    """The `reason` of literal failures, and the words of those that are made elsewhere."""
    for path, tree in FILES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict):
                given = {ast.unparse(key): value for key, value in zip(node.keys, node.values, strict=True) if key}
                if {"'reason'", "'message'"} == set(given):
                    yield from literal(given["'reason'"], path, tree)
            if path.name == "order.py" and isinstance(node, ast.FunctionDef) and node.name == "too_late":
                returned = [each.value for each in ast.walk(node) if isinstance(each, ast.Return)]
                yield from (str(ast.literal_eval(each.elts[0])) for each in returned if isinstance(each, ast.Tuple))


def test_every_code_of_an_invalid_record_is_documented_and_no_other() -> None:
    assert words("Problem", "_Found", "self._problem_at") == set(codes.INVALID)


def test_every_reason_of_a_failed_job_is_documented_and_no_other() -> None:
    assert words("DropRefused", "GiveUp") | set(failures()) == set(codes.FAILURES)


def test_the_codes_of_batches_that_were_refused_or_never_sent_are_documented() -> None:
    for state, outcome in (("failed", "rejected"), ("given_up", "unprocessed")):
        told = _whole(Batch("job", 1, "owner", state, 1, records=1))
        assert told
        assert codes.OTHERS[told[1]][0] == told[0] == outcome


def test_a_code_without_a_line_is_noticed() -> None:
    tree = ast.parse('code = "one" if x else "two"\nProblem(code, "")\nProblem("three", "")')
    found = {word for node in ast.walk(tree) for word in made(node, ("Problem",), Path("x.py"), tree)}
    assert found == {"one", "two", "three"}
