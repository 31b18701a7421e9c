"""The control API of a running simulator, `/_sim/…` on its API host; JSON in and out.

`GET requests` · `GET state` · `GET records` · `GET violations` · `POST faults` one fault or a list of them ·
`POST options` changes of options · `POST reset`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from local.simulators.faults import Fault
from local.simulators.wire import Call, Reply

if TYPE_CHECKING:
    from local.simulators.server import Simulator

PREFIX = "/_sim/"


def control(sim: Simulator[Any], call: Call) -> Reply:
    """Answer one control call; 400 with the reason for a wrong one, 404 for an unknown one."""
    what = (call.method, call.path.removeprefix(PREFIX))
    try:
        if what in _READ:
            return Reply.json(_READ[what](sim))
        if what in _WRITE:
            _WRITE[what](sim, json.loads(call.body.read() or b"{}"))
            return Reply.json({"ok": True})
    except (ValueError, TypeError, AttributeError) as error:
        return Reply.json({"error": str(error)}, 400)
    known = sorted(f"{method} {PREFIX}{name}" for method, name in (*_READ, *_WRITE))
    return Reply.json({"error": f"unknown; there are {', '.join(known)}"}, 404)


def _add_faults(sim: Simulator[Any], given: Any) -> None:
    for fault in given if isinstance(given, list) else [given]:
        sim.faults.add(Fault(**fault))


def _set_options(sim: Simulator[Any], changes: dict[str, Any]) -> None:
    known = {field.name for field in fields(sim.options)}
    if unknown := set(changes) - known:
        raise ValueError(f"unknown options {sorted(unknown)}; known: {sorted(known)}")
    with sim.lock:
        for name, value in changes.items():
            setattr(sim.options, name, value)


_READ: dict[tuple[str, str], Callable[[Simulator[Any]], Any]] = {
    ("GET", "requests"): lambda sim: [asdict(request) for request in sim.requests],
    ("GET", "state"): lambda sim: sim.state(),
    ("GET", "records"): lambda sim: sim.received_records,
    ("GET", "violations"): lambda sim: [asdict(violation) for violation in sim.violations],
}
_WRITE: dict[tuple[str, str], Callable[[Simulator[Any], Any], None]] = {
    ("POST", "faults"): _add_faults,
    ("POST", "options"): _set_options,
    ("POST", "reset"): lambda sim, _: sim.reset(),
}
