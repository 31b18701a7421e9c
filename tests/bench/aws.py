"""`make bench-aws`: large drops through the real functions on the embedded AWS, and many small ones drained.

Peak memory is that of the submit function's worker processes (VmHWM), the goal 192 MB whatever the size of the drop.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from local import stack
from local.emulator import free_port
from local.simulators.datagroup import DataGroupSimulator
from tests.bench import environment, report
from tests.bench.data import TYPES, Files, make, pack
from tests.bench.flat import grown
from tests.e2e.rig import Rig

GOAL = 192  # MB
TIMES = 10  # the records of a file are there so often
KINDS = {"csv": "data.csv", "ndjson": "data.ndjson", "json": "data.json", "csv.gz": "data.csv.gz"}


class Peaks(threading.Thread):
    """Watches the workers of the emulator: the highest VmHWM each function's process reached, in MB."""

    def __init__(self, emulator: int) -> None:
        super().__init__(daemon=True)
        self.emulator, self.peaks, self.over = psutil.Process(emulator), dict[str, float](), threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.2):
            for child in self.emulator.children(recursive=True):
                try:
                    name = child.environ().get("AWS_LAMBDA_FUNCTION_NAME", "")
                    status = Path(f"/proc/{child.pid}/status").read_text()
                except (psutil.Error, OSError):
                    continue
                high = next((line for line in status.split("\n") if line.startswith("VmHWM")), "VmHWM 0 kB")
                self.peaks[name] = max(self.peaks.get(name, 0.0), int(high.split()[1]) / 1000)


@contextmanager
def deployed() -> Iterator[Rig]:
    """A stack of its own."""
    with tempfile.TemporaryDirectory(prefix="batchdrop-aws-") as home:
        os.environ["BATCHDROP_HOME"] = home
        try:
            yield Rig(stack.up(print, port=free_port()))
        finally:
            stack.down()


def large(rig: Rig, vendor: DataGroupSimulator, files: Files, kind: str, workers: int) -> str:
    """One large drop to its report; by several workers, it is cut into some eight spans."""
    path = files.directory / KINDS[kind]
    route = f"large-{kind.replace('.', '-')}-{workers}"
    spread = {"above": path.stat().st_size - 1, "workers": workers}
    rig.route(route, vendor, input={"id": "id", "types": TYPES}, side_by_side=spread)
    watch = Peaks(rig.stack.emulator.pid)
    watch.start()
    begun = time.monotonic()
    found = rig.report(rig.drop(route, path.name, path.read_bytes()), 900)
    seconds = time.monotonic() - begun
    watch.over.set()
    peak = max((v for k, v in watch.peaks.items() if "Submit" in k), default=0.0)
    size = path.stat().st_size / 1e6
    verdict = "met" if peak <= GOAL else "**missed**"
    batches = len(found["batches"])
    by = f", {workers} workers side by side" if workers > 1 else ""
    return f"| {kind}{by} | {size:.0f} | {batches} | {found['outcome']} | {seconds:.0f} | {peak:.0f}: {verdict} |"


def many(rig: Rig, vendor: DataGroupSimulator, count: int) -> str:
    """Small drops, all at once, to the last report."""
    rig.route("many", vendor)
    begun = time.monotonic()
    jobs = [rig.drop("many", f"{n}.csv", f"id,name\n{n},somebody\n") for n in range(count)]
    rig.until_closed(jobs, 900)
    seconds = time.monotonic() - begun
    return f"{count} small drops were drained in {seconds:.0f} s: {60 * count / seconds:.0f} jobs a minute."


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.bench.aws", description=__doc__)
    parser.add_argument("--mb", type=float, default=1000, help="size of the CSV in MB; the JSON is 1.9 times that")
    parser.add_argument("--drops", type=int, default=300)
    parser.add_argument("--kind", action="append", choices=list(KINDS))
    parser.add_argument("--no-write", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="batchdrop-files-") as place, deployed() as rig:
        # The same hundred megabytes over and over: to make so many records anew would take longer than all else.
        files = grown(make(Path(place, "1"), options.mb / TIMES), Path(place, "grown"), TIMES)
        pack(files)
        lines = ["| drop | MB | batches | outcome | s | peak MB of submit, goal 192 |", "|" + " --- |" * 6]
        for kind, workers in [*((kind, 1) for kind in options.kind or KINDS), ("csv", 2)]:
            with DataGroupSimulator() as vendor:  # one each: it keeps what it was sent
                lines.append(large(rig, vendor, files, kind, workers))
            print(lines[-1], flush=True)
        with DataGroupSimulator() as vendor:
            drained = many(rig, vendor, options.drops) if options.drops else ""
        print(drained)
    text = f"## On the embedded AWS\n\nBy `make bench-aws` on {environment.machine()}.\n\n" + "\n".join(lines)
    if not options.no_write:
        report.section("aws", f"{text}\n\n{drained}")


if __name__ == "__main__":
    main()
