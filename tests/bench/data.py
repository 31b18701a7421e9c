"""The files every candidate is given: one set of records as CSV, NDJSON and a JSON array, with what goes wrong in it.

Quoted commas, doubled quotes, line breaks in one row of ten, UTF-8, leading zeros, 18-digit integers, prices with two
digits, empty numbers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

TYPES = {"account": "integer", "age": "integer", "price": "number", "discount": "number", "active": "boolean"}
COLUMNS = (
    "id", "sku", "email", "first_name", "last_name", "street", "city", "postcode", "account", "age", "price",
    "discount", "active", "note", "updated_at",
)  # fmt: skip
_FIRST = ("Ann", "Bob", "Zoë", "José", "Mary-Jane", "Иван", "明", "Örjan")
_LAST = ("O'Neill", "Smith, Jr.", 'van "Dutch" Berg', "Müller", "Nguyễn", "Lee")
_NOTES = ("", "plain words of a note", 'says "hello", and leaves', "first line\nsecond line", "emoji 🎉 here")
EXPORTS = 10  # times the packed file, one behind the other
FAILS_EVERY = 100  # one record of so many is refused in the results


@dataclass(frozen=True, slots=True)
class Files:
    """One size of everything. `records` in each of csv, ndjson and json."""

    directory: Path
    records: int

    def __getattr__(self, name: str) -> Path:
        return self.directory / {"gz": "data.csv.gz", "exports": "exports.csv.gz"}.get(name, f"data.{name}")

    def results(self, every: int) -> Path:
        return self.directory / f"results-{every}.ndjson"


def row(n: int) -> tuple[str, ...]:
    """The cells of record `n`, as its owner wrote them."""
    return (
        f"{n:010d}",
        f"00{n % 9973:05d}",
        f"user{n}@example.org",
        _FIRST[n % 8],
        _LAST[n % 6],
        f"{n % 999} Main Street, Flat {n % 17}",
        "Springfield" if n % 3 else "København",
        f"0{n % 9999:04d}",
        str(100_000_000_000_000_000 + n * 7919),
        str(n % 90) if n % 11 else "",
        f"{n % 5000}.{n % 100:02d}",
        f"0.{n % 100:02d}" if n % 7 else "",
        "true" if n % 2 else "false",
        _NOTES[3 if n % 10 == 0 else n % 3],
        f"2026-{n % 12 + 1:02d}-{n % 28 + 1:02d}T12:00:00Z",
    )


def cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(c in text for c in ',"\n') else text


def value(column: str, text: str) -> Any:
    """What a cell means: the typed value that must arrive, None for an empty one."""
    kind = TYPES.get(column)
    if kind is None:
        return text
    if not text:
        return None
    if kind == "integer":
        return int(text)
    return Decimal(text) if kind == "number" else text == "true"


def record(cells: tuple[str, ...]) -> dict[str, Any]:
    return {column: value(column, text) for column, text in zip(COLUMNS, cells, strict=True)}


def encoded(cells: tuple[str, ...]) -> str:
    """One record as JSON text; numbers with the digits of the cell."""
    parts = []
    for column, text in zip(COLUMNS, cells, strict=True):
        plain = json.dumps(text, ensure_ascii=False) if column not in TYPES else text or "null"
        parts.append(f'"{column}":{plain}')
    return "{" + ",".join(parts) + "}"


def make(directory: Path, megabytes: float) -> Files:
    """Write the files, unless they are there: a CSV of about this size, and the same records in the other formats."""
    directory.mkdir(parents=True, exist_ok=True)
    mark = directory / "records"
    if not mark.exists():
        mark.write_text(str(_write(directory, int(megabytes * 1_000_000))))
    return Files(directory, int(mark.read_text()))


def _write(directory: Path, size: int) -> int:
    files = Files(directory, 0)
    done = n = 0
    with files.csv.open("wb") as table, files.ndjson.open("wb") as lines, files.json.open("wb") as array:
        table.write((",".join(COLUMNS) + "\n").encode())
        array.write(b"[")
        while done < size:
            rows = [row(i) for i in range(n, n + 2000)]
            text = "".join(",".join(cell(c) for c in cells) + "\n" for cells in rows).encode()
            objects = [encoded(cells) for cells in rows]
            lines.write(("\n".join(objects) + "\n").encode())
            array.write(("," if n else "").encode() + ",\n".join(objects).encode())
            done += table.write(text)
            n += len(rows)
        array.write(b"]\n")
    pack(files)
    for every in (1, FAILS_EVERY):
        with files.results(every).open("w") as out:
            out.writelines(refusals(n, every))
    return n


def pack(files: Files) -> None:
    """Make the packed files of the plain one."""
    import gzip
    import shutil

    with files.csv.open("rb") as plain, gzip.open(files.gz, "wb", 6) as packed:
        shutil.copyfileobj(plain, packed, 1 << 20)
    with files.exports.open("wb") as exports:
        for _ in range(EXPORTS):
            with files.gz.open("rb") as one:
                shutil.copyfileobj(one, exports, 1 << 20)


def refusals(records: int, every: int) -> Iterator[str]:
    for n in range(0, records, every):
        yield f'{{"id":"{n:010d}","code":"invalid_price","message":"price of record {n} is not allowed"}}\n'
