"""`make bench-flat`: our own paths on files of growing size; the memory they take must stay the same.

The larger files are the records of the smallest over and over: `--mb` is the size of that one, `--times` how often.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

from tests.bench import environment, report
from tests.bench.data import Files, make
from tests.bench.measure import run
from tests.bench.paths import PATHS, Path_, candidates

KEYS = ("csv-ndjson", "json-ndjson", "ndjson-split", "zip", "csv-split")
FLAT = 16  # MB by which the largest may differ from the smallest


def grown(files: Files, directory: Path, times: int) -> Files:
    """The same records so many times."""
    directory.mkdir()
    large = Files(directory, files.records * times)
    head, _, rows = files.csv.read_bytes().partition(b"\n")
    items = files.json.read_bytes().strip()[1:-1]
    with large.csv.open("wb") as table, large.ndjson.open("wb") as lines, large.json.open("wb") as array:
        table.write(head + b"\n")
        for n in range(times):
            table.write(rows)
            lines.write(files.ndjson.read_bytes())
            array.write((b",\n" if n else b"[") + items)
        array.write(b"]\n")
    return large


def measured(path: Path_, files: Files, out: Path) -> tuple[float, float]:
    """MB per CPU second, and MB of peak memory."""
    (ours, *_) = candidates(path, files, out, None, set())
    _, cpu, peak = run(ours.command, out, timed=True)
    return getattr(files, path.input).stat().st_size / 1e6 / cpu, peak / 1000


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.bench.flat", description=__doc__)
    parser.add_argument("--mb", type=float, default=100)
    parser.add_argument("--times", type=int, nargs="+", default=[1, 10, 50])
    parser.add_argument("--no-write", action="store_true")
    options = parser.parse_args()
    os.environ["BENCH_DUPLICATES"] = "allow"
    paths = [path for path in PATHS if path.key in KEYS]
    found: dict[str, list[tuple[float, float]]] = {path.key: [] for path in paths}
    with tempfile.TemporaryDirectory(prefix="batchdrop-flat-") as place:
        smallest = make(Path(place, "1"), options.mb)
        for times in options.times:
            files = grown(smallest, Path(place, f"grown-{times}"), times)
            for path in paths:
                found[path.key].append(measured(path, files, Path(place, "out")))
                print(f"{path.title}, CSV of {options.mb * times:g} MB: %.0f MB/s, %.0f MB" % found[path.key][-1])
            for file in files.directory.iterdir():
                file.unlink()
    sizes = [f"CSV of {options.mb * times:g} MB" for times in options.times]
    if not options.no_write:
        report.section("flat", text(paths, sizes, found))


def text(paths: list[Path_], sizes: list[str], found: dict[str, list[tuple[float, float]]]) -> str:
    lines = [
        "## Flat memory",
        "",
        f"By `make bench-flat` on {environment.machine()}: MB per CPU second, and peak MB, of the same records in ever",
        "larger files. What does not fit on the disk (256 MB) is read twice, so large files take longer a megabyte.",
        "The look for repeated ids, which these files are full of, is left out; it takes at most 64 MB more.",
        "",
        f"| path | {' | '.join(sizes)} | grows by |",
        "|" + " --- |" * (len(sizes) + 2),
    ]
    for path in paths:
        cells = [f"{speed:.0f} MB/s, {peak:.0f} MB" for speed, peak in found[path.key]]
        growth = found[path.key][-1][1] - found[path.key][0][1]
        verdict = "flat" if growth <= FLAT else "**not flat**"
        lines.append(f"| {path.title} | {' | '.join(cells)} | {growth:.0f} MB: {verdict} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
