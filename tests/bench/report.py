"""What was measured, as tables: printed, and written to docs/benchmarks.md between its marks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.data import Files
from tests.bench.environment import machine
from tests.bench.measure import Candidate
from tests.bench.paths import Path_

PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
COST = PAGE.with_name("cost.md")
BEGIN, END = "<!-- {} begins -->", "<!-- {} ends -->"
Row = tuple[Path_, Files, Sequence[Candidate]]


def rate(candidate: Candidate, size: float) -> float:
    """MB of input per CPU second: what one core does, whatever else runs on the machine."""
    return size / 1e6 / candidate.cpu


def fastest(found: Sequence[Candidate]) -> Candidate | None:
    """The fastest peer whose values are right."""
    peers = [c for c in found if not c.is_ours and c.equal and c.cpus]
    return min(peers, key=lambda c: c.cpu, default=None)


def verdict(path: Path_, found: Sequence[Candidate]) -> str:
    ours, peer = found[0], fastest(found)
    memory = f"{ours.peak:.0f} MB of {path.megabytes}: {'met' if ours.peak <= path.megabytes else '**missed**'}"
    if peer is None or not path.ratio:
        return f"Memory {memory}."
    ratio = peer.cpu / ours.cpu
    speed = f"{ratio:.1f} × {peer.name}, goal {path.ratio:g} ×: {'met' if ratio >= path.ratio else '**missed**'}"
    return f"Speed {speed}. Memory {memory}."


def table(path: Path_, files: Files, found: Sequence[Candidate]) -> str:
    size = getattr(files, path.input).stat().st_size
    lines = [
        f"### {path.title}",
        "",
        "| candidate | MB/s per core | wall s | peak MB | ratio | values |",
        "|" + " --- |" * 6,
    ]
    for c in found:
        if not c.cpus:
            lines.append(f"| {c.name} | – | – | – | – | {c.note} |")
            continue
        ratio = c.cpu / found[0].cpu
        figures = f"{rate(c, size):.0f} | {c.wall:.1f} | {c.peak:.0f} | {1 / ratio:.2f}"
        lines.append(f"| {'**Batchdrop**' if c.is_ours else c.name} | {figures} | {c.note or 'equal'} |")
    return "\n".join([*lines, "", verdict(path, found), ""])


def write(megabytes: float, done: Sequence[Row], skipped: Sequence[str], versions: Sequence[str]) -> None:
    """The section of this command, in the page."""
    when, load = f"{datetime.now(UTC):%Y-%m-%d}", f"{os.getloadavg()[2]:.1f}"
    what = f"CSV of {megabytes:g} MB, {done[0][1].records} records, the same as JSON"
    head = [
        f"Measured {when} by `make bench` on {machine()}; load of the machine meanwhile {load}. {what}.",
        "",
        "Fresh processes, medians over interleaved rounds, page cache warm. *MB/s per core* is MB (10^6 bytes) of",
        "input per CPU second, so that other work on the machine does not count; *ratio* is that of the candidate to",
        "ours. *values*: compared record by record with an independent reader, on a sample, before anything was timed;",
        "a peer whose values are not equal is timed, but is no match. Ours reads the file twice: it looks, then it",
        "packages.",
        "",
        "Versions: " + ", ".join(versions) + ".",
    ]
    if skipped:
        head += ["", "Skipped: " + "; ".join(skipped) + "."]
    section("paths", "\n".join([*head, "", *(table(*row) for row in done)]))


def section(name: str, text: str, file: Path = PAGE) -> None:
    """Put a section into a page, in the place of what it held before."""
    page = file.read_text() if file.exists() else f"# {file.stem.title()}\n"
    begin, end = BEGIN.format(name), END.format(name)
    if begin not in page:
        page = page.rstrip("\n") + f"\n\n{begin}\n{end}\n"
    before, rest = page.split(begin)
    after = rest.split(end)[1]
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"{before}{begin}\n\n{text.strip()}\n\n{end}{after}")
