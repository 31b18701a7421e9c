"""`python -m local.simulators`: all simulators in one process, until it is told to end.

The JSON it prints and writes is `{vendor: {"url", "route", "secret"}}`: each route and its secret work as they stand.
"""

from __future__ import annotations

import argparse
import json
import signal
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from local.simulators import ALL


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until SIGTERM or SIGINT; returns 0."""
    options = _parse(arguments)
    stop = threading.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: stop.set())
    with ExitStack() as stack:
        simulators = {
            vendor: stack.enter_context(ALL[vendor](seconds_per_state=options.seconds_per_state))
            for vendor in options.vendor or ALL
        }
        text = json.dumps({vendor: simulator.example() for vendor, simulator in simulators.items()}, indent=2)
        if options.ports_file:
            _write(options.ports_file, text)
        print(text, flush=True)
        stop.wait()
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m local.simulators", description=__doc__)
    parser.add_argument("--ports-file", type=Path, metavar="FILE", help="write the JSON here once all are listening")
    parser.add_argument("--seconds-per-state", type=float, default=0.3, help="how long each vendor's state lasts")
    parser.add_argument("--vendor", action="append", choices=sorted(ALL), help="only this one; may be repeated")
    return parser.parse_args(arguments)


def _write(path: Path, text: str) -> None:
    """Whole or not at all: whoever waits for the file never reads half of it."""
    half = path.with_name(path.name + ".new")
    half.write_text(text, encoding="utf-8")
    half.replace(path)


if __name__ == "__main__":
    raise SystemExit(main())
