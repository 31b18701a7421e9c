"""The paths that are measured, their goals and their candidates."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.bench import peers
from tests.bench.data import Files
from tests.bench.measure import Candidate

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Path_:  # noqa: N801 - `Path` is taken
    """One path: what it reads, and what it should reach beside the fastest peer whose values are right."""

    key: str
    title: str
    input: str  # the file whose size its throughput is told in
    ratio: float
    megabytes: int  # of peak memory


PATHS = (
    Path_("csv-ndjson", "a. CSV → typed NDJSON batches", "csv", 1.5, 128),
    Path_("csv-array", "a. CSV → typed JSON-array batches", "csv", 1.5, 128),
    Path_("json-ndjson", "b. JSON array → NDJSON batches", "json", 2, 128),
    Path_("ndjson-split", "c. NDJSON split", "ndjson", 1, 64),
    Path_("zip", "d. records → deterministic ZIP → multipart form", "json", 2, 64),
    Path_("csv-split", "e. CSV split, header repeated", "csv", 5, 128),
    Path_("rejects", "f. rejects matched to source lines, 1 % refused", "csv", 1, 128),
    Path_("rejects-all", "f. rejects matched, every record refused", "csv", 1, 128),
    Path_("gunzip", "gzip in", "csv", 3, 128),
    Path_("gzip-ndjson", "gzip CSV → typed NDJSON batches", "csv", 0, 128),
)


def candidates(path: Path_, files: Files, out: Path, python: Path | None, skipped: set[str]) -> list[Candidate]:
    """Ours and, where `python` names the peers' environment, all peers that are installed."""
    command = [sys.executable, "-m", "tests.bench.ours", path.key, str(files.directory), str(out)]
    found = [Candidate(path.key, "Batchdrop", command)]
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
