"""Lines of the code itself, so that what a page explains is what runs."""

from __future__ import annotations

import ast
import textwrap

from local.home import REPO


def source(path: str, *names: str) -> str:
    """The lines of definitions (`Class.method`, `NAME`), or of a class without its methods (`Class.`)."""
    text = (REPO / path).read_text("utf-8")
    parts = [textwrap.dedent(_definition(text, name)) for name in names]
    return f"```python\n# {path}\n" + "\n\n".join(parts).rstrip() + "\n```"


def _definition(text: str, name: str) -> str:
    lines, body = text.splitlines(), ast.parse(text).body
    node: ast.AST | None = None
    for part in filter(None, name.split(".")):
        node = next(n for n in body if part in _named(n))
        body = getattr(node, "body", [])
    assert isinstance(node, ast.stmt)
    end = node.end_lineno or node.lineno
    if name.endswith("."):
        end = next(n.lineno for n in body if isinstance(n, ast.FunctionDef)) - 1
    decorators = getattr(node, "decorator_list", [])
    return "\n".join(lines[min([node.lineno, *(d.lineno for d in decorators)]) - 1 : end])


def _named(node: ast.stmt) -> tuple[str, ...]:
    if isinstance(node, ast.ClassDef | ast.FunctionDef):
        return (node.name,)
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return (node.target.id,)
    if isinstance(node, ast.Assign):
        return tuple(target.id for target in node.targets if isinstance(target, ast.Name))
    return ()
