"""The paths that are measured, their goals and their candidates."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from tests.bench import peers
from tests.bench.data import EXPORTS, Files
from tests.bench.measure import Candidate

HERE = Path(__file__).parent
REPO = HERE.parents[1]


@dataclass(frozen=True, slots=True)
class Goal:
    """So many times as fast as the fastest of these peers (none named: of all) whose values are right."""

    ratio: float
    peers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Path_:  # noqa: N801 - `Path` is taken
    """One path: what it reads, and what it should reach."""

    key: str
    title: str
    input: str  # the file whose size its throughput is told in
    megabytes: int  # of peak memory
    goals: tuple[Goal, ...]
    packs: bool = False  # its output should be no more than a tenth larger than that of the peer
    copies: int = 1  # of that file there are in what it reads
    remark: str = ""  # what stands behind the figures


_HASHES = (
    "In our time, and not in the peers': SHA-256 of the drop and of every batch, a look at the whole drop before "
    "anything of it counts, and the look for repeated ids."
)
PATHS = (
    Path_("csv-ndjson", "a. CSV → typed NDJSON batches", "csv", 128, (Goal(1.5),), remark=_HASHES),
    Path_("csv-array", "a. CSV → typed JSON-array batches", "csv", 128, (Goal(1.5),), remark=_HASHES),
    Path_(
        "json-ndjson",
        "b. JSON array → NDJSON batches",
        "json",
        128,
        (Goal(2, ("duckdb",)), Goal(5, ("ijson + orjson", "jq", "Miller"))),
        remark=_HASHES + " Every record is also checked: repeated keys, halves of characters, numbers out of range.",
    ),
    Path_(
        "ndjson-split",
        "c. NDJSON split",
        "ndjson",
        64,
        (Goal(1, ("split -C",)),),
        remark="`split` copies bytes and looks for line ends. To hash them alone takes longer than its whole run; we "
        "check every record besides, as a vendor's refusal of a whole batch costs more than the time saved.",
    ),
    Path_(
        "zip",
        "d. records → deterministic ZIP → multipart form",
        "json",
        64,
        (Goal(2, ("zip -6",)),),
        packs=True,
        remark="pigz, on one core, is no part of the goal; it is there because people use it. Ours is zlib-ng's level "
        "5: its level 4 is a quarter faster, and 13 % above zlib's 6 in size; isal's levels are three times as fast, "
        "and 20 % above. How far ahead level 5 is depends on the processor: 2.0 × on an Intel Xeon, 1.6 × on an AMD "
        "EPYC.",
    ),
    Path_("csv-split", "e. CSV split, header repeated", "csv", 128, (Goal(5),), remark=_HASHES),
    Path_("rejects", "f. rejects matched to source lines, 1 % refused", "csv", 128, (Goal(1, ("duckdb",)),)),
    Path_(
        "rejects-all",
        "f. rejects matched, every record refused",
        "csv",
        128,
        (Goal(1, ("duckdb",)),),
        remark="The results are read, joined and written in the kernel, whose table holds the refusals of one batch: "
        "memory is the batch's, however big the drop. Results that come as objects instead of lines (Sherpa's) take a "
        "few microseconds each more, in Python.",
    ),
    Path_(
        "gunzip",
        "gzip in",
        "csv",
        128,
        (Goal(3, ("stdlib gzip",)),),
        copies=EXPORTS,
        remark="Ten members one behind the other, as exports to which every day is appended; what comes out is thrown "
        "away. To inflate alone takes isal a third of zlib's time or less (zlib-ng: half); neither another block size "
        "nor another of isal's interfaces makes a difference.",
    ),
    Path_("gzip-ndjson", "gzip CSV → typed NDJSON batches", "csv", 128, ()),
)


def ours(key: str, files: Files, out: Path) -> list[str]:
    """Our way. Modules are found by their places alone, as in a function: no hooks of an editable install."""
    places = (REPO / "layers" / "batchdrop", REPO, sysconfig.get_path("purelib"), sysconfig.get_path("platlib"))
    path = f"PYTHONPATH={os.pathsep.join(map(str, places))}"
    return ["env", path, sys.executable, "-S", "-m", "tests.bench.ours", key, str(files.directory), str(out)]


def candidates(path: Path_, files: Files, out: Path, python: Path | None, skipped: set[str]) -> list[Candidate]:
    """Ours and, where `python` names the peers' environment, all peers that are installed."""
    found = [Candidate(path.key, "Batchdrop", ours(path.key, files, out))]
    if python is None:
        return found
    like = "csv-ndjson" if path.key == "csv-array" else path.key
    for name in peers.SCRIPTS.get(like, {}):
        script = [str(python), str(HERE / "peers.py"), like, name, str(files.directory), str(out)]
        found.append(Candidate(path.key, name, script))
    for name, line in peers.COMMANDS.get(like, {}).items():
        tool = line.partition("&& ")[2].split()[0] if "&& " in line else line.split()[0]
        if shutil.which(tool, path=search(python)) is None:
            skipped.add(f"{tool}: not installed")
            continue
        text = line.format(d=files.directory, o=out)
        shell = text if "&&" in text else f"exec {text}"
        found.append(Candidate(path.key, name, ["env", f"PATH={search(python)}", "sh", "-c", shell]))
    return found


def search(python: Path) -> str:
    """Where the peers' commands are: their own environment, then the system's."""
    return f"{python.parent}:/usr/local/bin:/usr/bin:/bin"
