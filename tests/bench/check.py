"""Whether what a candidate wrote is what the records say, value for value; read with the standard library alone."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.bench.data import COLUMNS, EXPORTS, FAILS_EVERY, Files, record, row

WHOLE = ("zip", "gunzip", "rejects-all")  # what is one file


def fault(path: str, files: Files, out: Path, limit: int) -> str:
    """What is wrong with the output of one path; nothing if nothing is."""
    checks = {"ndjson": _records, "array": _records, "split": _split, "zip": _zip, "gunzip": _plain, "all": _rejects}
    if path == "rejects":
        return _rejects(files, out, FAILS_EVERY)
    try:
        return checks[path.rpartition("-")[2]](files, out) or (_limits(out, limit) if path not in WHOLE else "")
    except (ValueError, OSError, KeyError) as error:
        return f"unreadable: {error}"[:80]


def _parts(out: Path) -> list[Path]:
    return sorted(p for p in out.iterdir() if p.is_file())


def _objects(out: Path) -> Iterator[dict[str, Any]]:
    for part in _parts(out):
        text = part.read_text(encoding="utf-8")
        decoder = json.JSONDecoder(parse_float=Decimal)
        if text.startswith("["):
            yield from decoder.decode(text)
        else:
            yield from (decoder.decode(line) for line in text.split("\n") if line)


def _records(files: Files, out: Path) -> str:
    found = 0
    untyped = False
    for n, each in enumerate(_objects(out)):
        wanted, got = _filled(record(row(n))), _filled(each)
        if got != wanted:
            as_text = _filled(dict(zip(COLUMNS, row(n), strict=True)))
            if {k: str(v) for k, v in got.items()} != as_text:
                name = next(k for k in COLUMNS if got.get(k) != wanted.get(k))
                return f"record {n}: {name} is {got.get(name)!r}, not {wanted.get(name)!r}"[:90]
            untyped = True
        found += 1
    if found != files.records:
        return f"{found} records of {files.records}"
    return "no types: every value is text" if untyped else ""


def _filled(found: dict[str, Any]) -> dict[str, Any]:
    """Without what is empty: null, an empty text and a missing key are all in use for that."""
    return {k: v for k, v in found.items() if v is not None and v != ""}


def _limits(out: Path, limit: int) -> str:
    over = sum(part.stat().st_size > limit for part in _parts(out))
    return f"{over} files over the limit" if over and len(_parts(out)) > 1 else ""


def _split(files: Files, out: Path) -> str:
    parts = _parts(out)
    if parts[0].read_bytes()[:1] == b"{":
        joined = b"".join(p.read_bytes() for p in parts)
        whole = all(p.read_bytes().endswith(b"}\n") for p in parts)
        return "" if whole and joined == files.ndjson.read_bytes() else "records are cut or lost"
    rows: list[list[str]] = []
    for part in parts:
        found = list(csv.reader(io.StringIO(part.read_text(encoding="utf-8"), newline="")))
        if not found or tuple(found[0]) != COLUMNS:
            return "a part has no header"
        rows += found[1:]
    wanted = [list(row(n)) for n in range(files.records)]
    return "" if sorted(rows) == wanted else "rows are cut or lost"


def _zip(files: Files, out: Path) -> str:
    with zipfile.ZipFile(out / "out.zip") as archive:
        data = archive.read(archive.infolist()[0])
        return "" if data == files.json.read_bytes() else "other bytes come out"


def _plain(files: Files, out: Path) -> str:
    with (out / "plain").open("rb") as plain:
        for _ in range(EXPORTS):
            with files.csv.open("rb") as once:
                while block := once.read(1 << 20):
                    if plain.read(len(block)) != block:
                        return "other bytes come out"
        return "more comes out" if plain.read(1) else ""


def _rejects(files: Files, out: Path, every: int = 1) -> str:
    with (out / "rejects.csv").open(newline="", encoding="utf-8") as file:
        rows = sorted(csv.DictReader(file), key=lambda r: r["id"])
    if len(rows) != len(range(0, files.records, every)):
        return f"{len(rows)} rows"
    for n, found in zip(range(0, files.records, every), rows, strict=True):
        message = found.get("batchdrop_message") or found.get("message")
        if (found["id"], message) != (row(n)[0], f"price of record {n} is not allowed"):
            return f"row of record {n} is wrong"
        if [found[c] for c in COLUMNS] != list(row(n)):
            return f"row of record {n} is not as it was"
    return ""
