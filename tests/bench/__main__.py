"""`make bench`: every path beside its peers, in fresh processes, written to docs/benchmarks.md.

Options: `--mb` size of the CSV (the JSON is 1.9 times that), `--rounds`, `--only` a path, `--no-peers`, `--no-write`.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from tests.bench import check, environment, report
from tests.bench.data import Files, make
from tests.bench.measure import Broken, Candidate, measure, run
from tests.bench.paths import PATHS, Path_, candidates, ours

SAMPLE_MB = 4.0  # values are compared on a sample of this size
SAMPLE_LIMIT = 1_500_000  # and cut into several batches


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory(prefix="batchdrop-bench-") as place:
        directory = Path(place)
        python = None if options.no_peers else environment.python()
        sample, files = make(directory / "sample", SAMPLE_MB), make(directory / "files", options.mb)
        run(ours("ranges", sample, directory / "out"), directory / "out", SAMPLE_LIMIT)
        run(ours("ranges", files, directory / "out"), directory / "out")
        skipped: set[str] = set()
        done: list[tuple[Path_, Files, list[Candidate]]] = []
        for path in PATHS:
            if options.only and options.only not in path.key:
                continue
            found = compared(path, sample, files, directory / "out", python, skipped)
            timed(found, directory / "out", options.rounds)
            done.append((path, files, found))
            print(report.table(path, files, found), flush=True)
        for reason in sorted(skipped):
            print(f"skipped {reason}")
        if not options.no_write:
            report.write(options.mb, done, sorted(skipped), environment.versions(python))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tests.bench", description=__doc__)
    parser.add_argument("--mb", type=float, default=100, help="size of the CSV in MB (10^6 bytes)")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--no-write", action="store_true")
    return parser.parse_args()


def compared(
    path: Path_, sample: Files, files: Files, out: Path, python: Path | None, skipped: set[str]
) -> list[Candidate]:
    """The candidates at full size, each with what is wrong with what it makes of the sample."""
    small = candidates(path, sample, out, python, skipped)
    whole = candidates(path, files, out, python, skipped)
    for candidate, big in zip(small, whole, strict=True):
        try:
            run(candidate.command, out, SAMPLE_LIMIT)
            big.note = check.fault(path.key, sample, out, SAMPLE_LIMIT)
        except Broken as error:
            big.note = f"failed: {error}"
        big.equal = not big.note
        if big.is_ours and not big.equal:
            raise SystemExit(f"{path.key}: {big.note}")
    return whole


def timed(found: list[Candidate], out: Path, rounds: int) -> None:
    able = [c for c in found if not c.note.startswith("failed")]
    measure(able, out, rounds)


if __name__ == "__main__":
    main()
