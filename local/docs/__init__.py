"""The parts of the documentation that are made from the code: `make docs` writes them, a test sees that they are fresh.

A page holds them between `<!-- generated: WHAT WORDS… -->` and `<!-- end -->`; all around is written by hand.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from batchdrop.route import schema
from local.docs import code, codes, command, demonstration, reports, routes, simulators
from local.home import REPO

DOCS = REPO / "docs"
_PART = re.compile(r"(<!-- generated: ([^>]*?) -->\n).*?(<!-- end -->)", re.DOTALL)
_MAKERS: Mapping[str, Callable[..., str]] = {
    "account": routes.account,
    "codes": codes.records,
    "demo": demonstration.demo,
    "exits": command.exits,
    "failures": codes.failures,
    "faults": simulators.faults,
    "input": routes.input_,
    "poll": routes.poll,
    "side_by_side": routes.side_by_side,
    "simulators": simulators.addresses,
    "report": reports.report,
    "route": routes.route,
    "source": code.source,
    "states": command.states,
    "verbs": command.verbs,
}


def generated() -> Iterator[tuple[Path, str]]:
    """Every file that is generated, in whole or in parts, and what should be in it."""
    yield DOCS / "route.schema.json", json.dumps(schema(), ensure_ascii=False, indent=2) + "\n"
    for page in [REPO / "README.md", *sorted(DOCS.rglob("*.md"))]:
        yield page, _PART.sub(_filled, page.read_text("utf-8"))


def _filled(part: re.Match[str]) -> str:
    what, *words = part[2].split()
    return f"{part[1]}{_MAKERS[what](*words)}\n{part[3]}"
