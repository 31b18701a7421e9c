"""What was measured, as tables: printed, and written to docs/benchmarks.md between its marks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.data import Files
from tests.bench.environment import machine
from tests.bench.measure import Candidate
from tests.bench.paths import Goal, Path_

PAGE = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
COST = PAGE.with_name("cost.md")
BEGIN, END = "<!-- {} begins -->", "<!-- {} ends -->"
Row = tuple[Path_, Files, Sequence[Candidate]]


def rate(candidate: Candidate, size: float) -> float:
    """MB of input per CPU second: what one core does, whatever else runs on the machine."""
    return size / 1e6 / candidate.cpu


def fastest(found: Sequence[Candidate], names: Sequence[str] = ()) -> Candidate | None:
    """The fastest peer, of these, whose values are right."""
    peers = [c for c in found if not c.is_ours and c.equal and c.cpus and (not names or c.name in names)]
    return min(peers, key=lambda c: c.cpu, default=None)


def verdict(path: Path_, found: Sequence[Candidate]) -> str:
    ours = found[0]
    told = [speed(goal, found) for goal in path.goals if fastest(found, goal.peers)]
    if path.packs and (peer := fastest(found, path.goals[0].peers)):
        ratio = ours.written / peer.written
        told.append(f"Size {ratio:.2f} × {peer.name}, at most 1.1 ×: {met(ratio <= 1.1)}.")
    told.append(f"Memory {ours.peak:.0f} MB of {path.megabytes}: {met(ours.peak <= path.megabytes)}.")
    return " ".join(told)


def speed(goal: Goal, found: Sequence[Candidate]) -> str:
    peer = fastest(found, goal.peers)
    if peer is None:
        return ""
    ratio = peer.cpu / found[0].cpu
    return f"Speed {ratio:.1f} × {peer.name}, goal {goal.ratio:g} ×: {met(ratio >= goal.ratio)}."


def met(is_met: bool) -> str:
    return "met" if is_met else "**missed**"


def table(path: Path_, files: Files, found: Sequence[Candidate]) -> str:
    size = path.copies * getattr(files, path.input).stat().st_size
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
    remark = ["", path.remark] if path.remark else []
    return "\n".join([*lines, "", verdict(path, found), *remark, ""])


def write(megabytes: float, done: Sequence[Row], skipped: Sequence[str], versions: Sequence[str]) -> None:
    """The section of this command, in the page."""
    when, load = f"{datetime.now(UTC):%Y-%m-%d}", f"{os.getloadavg()[2]:.1f}"
    what = f"CSV of {megabytes:g} MB, {done[0][1].records} records, the same as JSON"
    head = [
        f"Measured {when} by `make bench` on {machine()}; load of the machine meanwhile {load}. {what}.",
        "",
        "Fresh processes, medians over interleaved rounds (a peer that is eight times behind the fastest is run once),",
        "page cache warm. *MB/s per core* is MB (10^6 bytes) of input per CPU second, so that other work on the",
        "machine does not count; *ratio* is that of the candidate to ours. *values*: compared record by record with an",
        "independent reader, on a sample, before anything was timed;",
        "a peer whose values are not equal is timed, but is no match. Ours is the submit function's way: the whole",
        "drop is looked at before a batch counts, for repeated ids too, and what fits on the disk (256 MB) is packaged",
        "in the same pass. It ends when the batches are on the disk to be uploaded, as those of the peers are. Its",
        "modules are found by their places, as in a function, not by the hooks of an editable install.",
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
