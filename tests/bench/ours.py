"""One path of this project, in a process of its own: `python -m tests.bench.ours PATH DIRECTORY OUT`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any, BinaryIO

import batchdrop.calm  # noqa: F401 - first of all, as in the functions
from batchdrop.records.spec import InputSpec, OutputSpec
from tests.bench.data import FAILS_EVERY, TYPES, Files

LIMIT = int(os.environ.get("BENCH_LIMIT", "50000000"))
TIMED = "BENCH_TIMED" in os.environ  # nobody looks at what is written
# Files that hold the same records over and over are measured without the look for repeated ids.
_DUPLICATES: Any = os.environ.get("BENCH_DUPLICATES", "reject")
_INPUT = InputSpec(id=("id",), types=TYPES, empty="null", duplicates=_DUPLICATES)


def convert(source: Path, out: Path, output: OutputSpec, spec: InputSpec = _INPUT) -> None:
    """Look, then package into batches, until each is there to be uploaded: what the submit function does with a drop.

    The batches are on the disk then, as those of the peers are. They are put into `out` where they are looked at.
    """
    from batchdrop.parcels import FileParcels
    from batchdrop.records.inspect import look
    from batchdrop.records.packager import Packager
    from batchdrop.records.source import FileSource

    drop = FileSource(source)
    looked = look(drop, spec, output)
    packager = Packager(drop, spec, output, looked.inspection)
    for n, batch in enumerate(FileParcels(packager, looked.inspection, spec, looked.ready).batches(None), 1):
        if batch.payload is not None:
            if not TIMED:
                with (out / f"part-{n:05d}").open("wb") as file, batch.payload.open() as body:
                    copy(body, file)
            batch.payload.close()


def copy(body: BinaryIO, file: Any) -> None:
    while chunk := body.read(1 << 16):
        file.write(chunk)


def csv_to_ndjson(files: Files, out: Path) -> None:
    convert(files.csv, out, OutputSpec("ndjson", LIMIT))


def csv_to_array(files: Files, out: Path) -> None:
    convert(files.csv, out, OutputSpec("json_array", LIMIT))


def gzip_to_ndjson(files: Files, out: Path) -> None:
    convert(files.gz, out, OutputSpec("ndjson", LIMIT))


def json_to_ndjson(files: Files, out: Path) -> None:
    convert(files.json, out, OutputSpec("ndjson", LIMIT))


def ndjson_split(files: Files, out: Path) -> None:
    convert(files.ndjson, out, OutputSpec("ndjson", LIMIT))


def csv_split(files: Files, out: Path) -> None:
    convert(files.csv, out, OutputSpec("csv", LIMIT), InputSpec())


def zip_upload(files: Files, out: Path) -> None:
    """The records as one member of a deterministic ZIP, in a multipart form, streamed."""
    from batchdrop.multipart import multipart
    from batchdrop.records.zips import zip_members

    path = out / "out.zip"
    with files.json.open("rb") as source, path.open("wb") as file:
        file.writelines(zip_members([("data.json", blocks(source))]))
    _, _, body = multipart([], [("file", "out.zip", "application/zip", path.stat().st_size, lambda: path.open("rb"))])
    with (out / "form").open("wb") as form:
        copy(body, form)


def gunzip(files: Files, out: Path) -> None:
    from batchdrop.records.expand import expand
    from batchdrop.records.source import FileSource

    with (out / "plain").open("wb") as file:
        file.writelines(expand(FileSource(files.exports), "gzip"))


def blocks(source: BinaryIO) -> Iterator[bytes]:
    while chunk := source.read(1 << 18):
        yield chunk


def rejects(files: Files, out: Path, every: int) -> None:
    """Each batch's refusals joined by id to its own range of the drop: what the finish function does."""
    from batchdrop.job import Batch
    from batchdrop.parcels import FileParcels
    from batchdrop.records.inspection import Inspection
    from batchdrop.records.packager import Packager
    from batchdrop.records.source import FileSource

    plan = json.loads(ranges(files).read_text())
    inspection = Inspection.from_json(plan["inspection"])
    packager = Packager(FileSource(files.csv), _INPUT, OutputSpec("ndjson", LIMIT), inspection)
    parcels = FileParcels(packager, inspection, _INPUT)
    with (out / "rejects.csv").open("wb") as file:
        file.write(parcels.rejects().head())
        for n, (start, end) in enumerate(plan["batches"], 1):
            batch = Batch("job", n, "owner", "succeeded", 1, start=start, end=end)
            match(parcels, batch, told(files, every, n), file)


def match(parcels: Any, batch: Any, results: Path, file: Any) -> None:
    from batchdrop.errorfile import IdSpec, RejectLines
    from batchdrop.matching import Tally, refused, rows_of_batch
    from batchdrop.refusals import Refusals

    found, tally = Refusals(RejectLines(lambda: results.open("rb"), IdSpec(("id",), "/"))), Tally()
    file.writelines(rows_of_batch(refused(parcels, batch, found, tally), found, parcels.rejects(), tally, None))


def told(files: Files, every: int, n: int) -> Path:
    """What the vendor says of batch `n`: results come batch by batch."""
    return files.directory / f"results-{every}-{n}.ndjson"


def ranges(files: Files) -> Path:
    """Where each batch begins and ends: in a job, the ledger has it from the time the batch was packaged."""
    return files.directory / "ranges.json"


def write_ranges(files: Files, _out: Path) -> None:
    from batchdrop.records.inspect import inspect
    from batchdrop.records.packager import Packager
    from batchdrop.records.source import FileSource

    drop = FileSource(files.csv)
    inspection = inspect(drop, _INPUT)
    batches = []
    for batch in Packager(drop, _INPUT, OutputSpec("ndjson", LIMIT), inspection).batches():
        batches.append((batch.start.to_json(), batch.end.to_json()))
        if batch.payload is not None:
            batch.payload.close()
    ranges(files).write_text(json.dumps({"inspection": inspection.to_json(), "batches": batches}))
    for every in (1, FAILS_EVERY):
        write_results(files, every, [int(end["ordinal"]) for _, end in batches])


def write_results(files: Files, every: int, ends: list[int]) -> None:
    """The results of each batch in a file of their own; `ends`: the number of its last record."""
    with files.results(every).open("rb") as lines:
        for n, (begin, end) in enumerate(pairwise([0, *ends]), 1):
            count = len(range(0, end, every)) - len(range(0, begin, every))
            told(files, every, n).write_bytes(b"".join(islice(lines, count)))


PATHS: dict[str, Callable[[Files, Path], None]] = {
    "csv-ndjson": csv_to_ndjson,
    "csv-array": csv_to_array,
    "gzip-ndjson": gzip_to_ndjson,
    "json-ndjson": json_to_ndjson,
    "ndjson-split": ndjson_split,
    "csv-split": csv_split,
    "zip": zip_upload,
    "gunzip": gunzip,
    "ranges": write_ranges,
    "rejects": lambda files, out: rejects(files, out, FAILS_EVERY),
    "rejects-all": lambda files, out: rejects(files, out, 1),
}

if __name__ == "__main__":
    PATHS[sys.argv[1]](Files(Path(sys.argv[2]), 0), Path(sys.argv[3]))
