"""What the simulators answer to, and how they are made to misbehave."""

from __future__ import annotations

from batchdrop.destinations import destination
from local.docs.markdown import table
from local.simulators import ALL
from local.simulators.faults import STATE, STATUSES, WIRE


def addresses() -> str:
    """Each simulator's variable and credentials, and the calls it takes."""
    columns = ("simulator and route", "its address", "secret", "calls")
    return table(columns, (_row(name) for name in sorted(ALL)))


def _row(name: str) -> tuple[str, ...]:
    kind = ALL[name]
    options = kind.options_type()
    secret = ", ".join(f"`{field}: {getattr(options, field)}`" for field in destination(name).secret)
    calls = ", ".join(dict.fromkeys(f"`{endpoint.name}`" for endpoint in kind.endpoints))
    return f"`{name}`", f"`$BATCHDROP_{name.upper()}_URL`", secret, calls


def faults() -> str:
    """The vocabulary of faults; those of one simulator alone say so."""
    known = [(f"`{kind}`", "", what) for kind, what in {**WIRE, **STATE}.items()]
    codes = sorted(STATUSES)
    known.append((f"`{codes[0]}` … `{codes[-1]}`", "", f"that status: {', '.join(codes)}; value: `Retry-After`"))
    known += [(f"`{kind}`", f"`{name}`", what) for name in sorted(ALL) for kind, what in ALL[name].extra_faults.items()]
    return table(("kind", "only", "what happens"), known)
