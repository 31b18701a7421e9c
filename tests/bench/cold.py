"""`make bench-cold`: cold starts of the functions as `sam build` makes them, beside a typical Powertools app.

A fresh process, isolated (`-I -S`), with the function's directory and the layer on its path as on Lambda: import of
the handler's module, then the first clients its usual event needs, and there it stops: what an interpreter does to end
itself is no part of a start. Medians of wall clock and CPU. The other app is an app of its own (`typical/`), built by
a plain `sam build`.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from local import deployment
from local.home import REPO
from tests.bench import environment, report
from tests.bench.measure import run

CLIENTS = {
    "submit": ("ledger", "objects", "routes", "secrets", "workflow", "http"),
    "poll": ("ledger", "secrets", "http"),
    "webhook": ("ledger", "secrets", "workflow"),
    "finish": ("ledger", "objects", "secrets", "http"),
    "sweep": ("ledger", "objects", "workflow"),
}
GOALS = {"submit": 300, "poll": 200, "webhook": 200}  # milliseconds
VARIABLES = {
    "STACK": "s", "LEDGER_TABLE": "t", "WORKFLOW_ARN": "w", "DROP_BUCKET": "d", "RESULTS_BUCKET": "r",
    "AWS_DEFAULT_REGION": "eu-west-1", "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "x",
    "AWS_SECRET_ACCESS_KEY": "x", "POWERTOOLS_SERVICE_NAME": "s", "POWERTOOLS_METRICS_NAMESPACE": "n",
    "LAMBDA_TASK_ROOT": "/var/task",  # what the Tracer knows Lambda by
}  # fmt: skip
TYPICAL = Path(__file__).with_name("typical")
CACHE = REPO / ".aws-sam" / "typical"


def script(paths: list[Path], body: str) -> list[str]:
    """The command of a process that runs this and is gone at once, as one that is used would not end at all."""
    path = f"import os, sys; sys.path[:0] = {[str(p) for p in paths]!r}; sys.dont_write_bytecode = True\n"
    return [sys.executable, "-I", "-S", "-c", f"{path}{body}\nos._exit(0)"]


def ours(build: Path) -> dict[str, list[str]]:
    found = {}
    for name, parts in CLIENTS.items():
        paths = [build / f"{name.title()}Function", build / "Library" / "python"]
        body = f"import app\nfor part in {parts!r}: getattr(app.world, part)"
        found[name] = script(paths, body)
        if name == "poll":  # what the first call to a vendor adds, here as elsewhere
            found["poll, then a vendor's HTTP"] = script(paths, f"{body}\nimport batchdrop.transport")
    return found


def typical() -> list[str]:
    """The other app, as a plain `sam build` leaves it: without bytecode, and on Lambda nothing may write it either."""
    sam = [str(Path(sys.executable).with_name("sam")), "build", "--cached", "--cache-dir", str(CACHE / "cache")]
    values = deployment.parameters(4566)
    overrides = [f"{name}={values[name]}" for name in ("PythonRuntime", "Architecture")]
    subprocess.run(
        [*sam, "--template", str(TYPICAL / "template.yaml"), "--build-dir", str(CACHE / "build"),
         "--parameter-overrides", *overrides],
        check=True, capture_output=True, env=os.environ | {"SAM_CLI_TELEMETRY": "0"},
    )  # fmt: skip
    return script([CACHE / "build" / "OrderFunction"], "import app")


def measured(commands: Mapping[str, list[str]], out: Path, rounds: int) -> dict[str, tuple[float, float]]:
    """Median wall and CPU milliseconds of each."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, command in commands.items():
            wall, cpu, _ = run(command, out)
            taken[name].append((1000 * wall, 1000 * cpu))
    return {n: (statistics.median(w for w, _ in t), statistics.median(c for _, c in t)) for n, t in taken.items()}


def tree(command: list[str], lines: int = 25) -> str:
    """What the imports of the slowest cost, dearest last."""
    done = subprocess.run([command[0], "-X", "importtime", *command[1:]], capture_output=True, text=True, check=True)
    found = [
        line.removeprefix("import time:") for line in done.stderr.split("\n") if "|" in line and "self" not in line
    ]
    return "\n".join(sorted(found, key=lambda line: int(line.split("|")[1]))[-lines:])


def table(times: Mapping[str, tuple[float, float]]) -> str:
    lines = ["| function | wall ms | CPU ms | goal | beside the typical app (CPU), goal 0.5 |", "|" + " --- |" * 5]
    other = times.get("typical app", (0.0, 0.0))[1]
    for name, (wall, cpu) in times.items():
        goal = f"{GOALS[name]}: {'met' if cpu <= GOALS[name] else '**missed**'}" if name in GOALS else "–"
        lines.append(f"| {name} | {wall:.0f} | {cpu:.0f} | {goal} | {f'{cpu / other:.2f}' if other else '–'} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.bench.cold", description=__doc__)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--no-peer", action="store_true")
    options = parser.parse_args()
    os.environ.update(VARIABLES)
    with tempfile.TemporaryDirectory(prefix="batchdrop-cold-") as place:
        directory = Path(place)
        deployment.build(directory, deployment.parameters(4566))
        commands = {"bare interpreter": script([], "pass")} | ours(directory / "build")
        if not options.no_peer:
            commands["typical app"] = typical()
        times = measured(commands, directory / "out", options.rounds)
        slowest = max(CLIENTS, key=lambda name: times[name][1])
        about = (
            f"From the built artefacts, by `make bench-cold`; {environment.machine()}, load {os.getloadavg()[0]:.1f}, "
            f"Python {platform.python_version()}, medians of {options.rounds}. CPU time decides, as other work on the "
            "machine does not count in it. Each process is measured until its first clients are there, not to its end. "
            "The typical app (Logger, Tracer, Metrics, Idempotency, Parser, requests, boto3 with four clients) is "
            "`tests/bench/typical`, built by a plain `sam build`."
        )
        imports = f"Imports of `{slowest}`, µs (self, cumulative):\n\n```text\n{tree(commands[slowest])}\n```"
        text = f"## Cold starts\n\n{about}\n\n{table(times)}\n\n{imports}"
        print(text)
        report.section("cold", text)


if __name__ == "__main__":
    main()
