"""Prints what each role may do, from the template with its defaults: `python -m tests.security.iam_table`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from tests.template.translated import listed, statements

_NAMES = {"AWS::Partition": "aws", "AWS::Region": "*", "AWS::AccountId": "*", "AWS::StackName": "<stack>"}


def rows() -> Iterator[tuple[str, str, str, str, str]]:
    """`(role, statement, actions, resources, condition)` of every statement of every role."""
    for role, statement in statements():
        effect = "" if statement["Effect"] == "Allow" else "DENY "
        yield (
            role,
            str(statement["Sid"]),
            effect + ", ".join(listed(statement["Action"])),
            ", ".join(_short(resource) for resource in listed(statement["Resource"])),
            _condition(statement.get("Condition", {})),
        )


def _short(resource: Any) -> str:
    """A resource in the words of the template: the logical id, and what of it."""
    if isinstance(resource, str):
        return resource
    ((word, value),) = resource.items()
    if word == "Ref":
        return str(value)
    if word == "Fn::GetAtt":
        return str(value[0])
    text = re.sub(r"\$\{([\w:]+)\}", lambda m: _NAMES.get(m[1], m[1]), str(value))
    text = re.sub(r"\$\{(\w+)\.Arn\}", r"\1", text)
    return re.sub(r"^arn:aws:\w+:\*:\*:", "", text)


def _condition(condition: dict[str, Any]) -> str:
    parts = (
        f"{key} {_operator(word)} {json.dumps(value)}"
        for word, keys in condition.items()
        for key, value in keys.items()
    )
    return "; ".join(parts)


def _operator(word: str) -> str:
    return word.removeprefix("ForAllValues:")


def main() -> None:
    head = ("role", "statement", "actions", "resources", "condition")
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    before = ""
    for role, *rest in rows():
        print("| " + " | ".join(["" if role == before else f"**{role}**", *rest]) + " |")
        before = role


if __name__ == "__main__":
    main()
