"""Fresh processes, timed by the kernel: wall clock, CPU seconds and peak memory, medians over interleaved rounds."""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

LIMIT = 50_000_000  # bytes of a batch
FAR_BEHIND = 8  # times the CPU seconds of the fastest


@dataclass(slots=True)
class Candidate:
    """One way to do a path: the command, and what was measured of it."""

    path: str
    name: str
    command: Sequence[str]
    note: str = ""  # what its output lacks
    equal: bool = True
    walls: list[float] = field(default_factory=list)
    cpus: list[float] = field(default_factory=list)
    peaks: list[int] = field(default_factory=list)
    written: int = 0  # bytes of its largest file

    @property
    def is_ours(self) -> bool:
        return self.name.startswith("Batchdrop")

    @property
    def cpu(self) -> float:
        return statistics.median(self.cpus)

    @property
    def wall(self) -> float:
        return statistics.median(self.walls)

    @property
    def peak(self) -> float:
        """MB."""
        return max(self.peaks) / 1000


class Broken(Exception):
    """A candidate ended with an error; says what it said last."""


def run(command: Sequence[str], out: Path, limit: int = LIMIT, *, timed: bool = False) -> tuple[float, float, int]:
    """Wall seconds, CPU seconds, peak KB of one fresh process with an empty output directory.

    Where it is only `timed`, nobody looks at what it wrote.
    """
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    if timed:  # in a function what is unpacked goes on to the packager, and on no disk
        (out / "plain").symlink_to(os.devnull)
    log = out.with_suffix(".log")
    # A child's peak begins with that of the process it was forked from: a small one stands in between.
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", LAUNCHER, str(log), *command],
        env=environment(limit, timed=timed), stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    wall, cpu, peak, failed = (float(word) for word in done.stdout.split())
    if failed:
        raise Broken(log.read_text(errors="replace").strip().rpartition("\n")[2][:200])
    return wall, cpu, int(peak)


LAUNCHER = """
import os, sys, time
begun = time.perf_counter()
child = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ, file_actions=[
    (os.POSIX_SPAWN_OPEN, 1, sys.argv[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
    (os.POSIX_SPAWN_DUP2, 1, 2),
])
_, status, usage = os.wait4(child, 0)
print(time.perf_counter() - begun, usage.ru_utime + usage.ru_stime, usage.ru_maxrss, os.waitstatus_to_exitcode(status))
"""


def environment(limit: int, *, timed: bool) -> dict[str, str]:
    """One core for everybody; batches of at most so many bytes; bytecode kept, as it is in the built functions."""
    return {
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "BENCH_LIMIT": str(limit),
        "BENCH_ROWS": str(limit // 200),
        "POLARS_MAX_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "GOMAXPROCS": "1",
        "LC_ALL": "C.UTF-8",
        **({"BENCH_TIMED": "yes"} if timed else {}),
    }


def measure(candidates: Sequence[Candidate], out: Path, rounds: int) -> None:
    """Run each candidate so often, in turn, so that what else the machine does strikes them alike."""
    for _ in range(rounds):
        for candidate in candidates:
            if _is_far_behind(candidate, candidates):
                continue
            wall, cpu, peak = run(candidate.command, out, timed=True)
            candidate.walls.append(wall)
            candidate.cpus.append(cpu)
            candidate.peaks.append(peak)
            candidate.written = max((path.stat().st_size for path in out.iterdir()), default=0)
    shutil.rmtree(out, ignore_errors=True)


def _is_far_behind(candidate: Candidate, candidates: Sequence[Candidate]) -> bool:
    """Whether a peer's place is clear after one round: the others need not wait for it again."""
    measured = [each.cpu for each in candidates if each.cpus]
    return bool(candidate.cpus) and not candidate.is_ours and candidate.cpu > FAR_BEHIND * min(measured)
