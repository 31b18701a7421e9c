"""What people would use instead, as they would write it: `python peers.py PATH NAME DIRECTORY OUT`.

A peer that is a command of its own is in `COMMANDS`; `{d}` is the directory of the files, `{o}` the output directory.
Python peers run in an environment of their own and import nothing of this project.
"""

from __future__ import annotations

import csv
import gzip
import json
import os
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

COLUMNS = (
    "id", "sku", "email", "first_name", "last_name", "street", "city", "postcode", "account", "age", "price",
    "discount", "active", "note", "updated_at",
)  # fmt: skip
SQL_TYPES = {"account": "BIGINT", "age": "INTEGER", "price": "DECIMAL(18,2)", "discount": "DECIMAL(18,2)"}
SQL_COLUMNS = ", ".join(
    f"'{c}': '{SQL_TYPES.get(c, 'BOOLEAN' if c == 'active' else 'VARCHAR')}'" for c in COLUMNS
)  # fmt: skip
LIMIT = int(os.environ.get("BENCH_LIMIT", "50000000")) - 1
COMMANDS = {
    "csv-ndjson": {
        "Miller": "mlr -S --icsv --ojsonl cat {d}/data.csv > {o}/out.ndjson",
        "csvkit": "csvjson --stream --no-inference {d}/data.csv > {o}/out.ndjson",
    },
    "json-ndjson": {
        "jq": "jq -c .[] {d}/data.json > {o}/out.ndjson",
        "Miller": "mlr --ijson --ojsonl cat {d}/data.json > {o}/out.ndjson",
    },
    "ndjson-split": {"split -C": "split -C $BENCH_LIMIT {d}/data.ndjson {o}/part-"},
    "csv-split": {
        "Miller": "cd {o} && mlr --csv --quote-original split -n $BENCH_ROWS {d}/data.csv",
        "split -C": "split -C $BENCH_LIMIT {d}/data.csv {o}/part-",
    },
    "zip": {
        "zip -6": "zip -q -6 -j {o}/out.zip {d}/data.json",
        "pigz -6": "pigz -6 -p 1 -K -c {d}/data.json > {o}/out.zip",
    },
    "gunzip": {"gzip": "gzip -dc {d}/exports.csv.gz > {o}/plain"},
}


def duckdb_run(sql: str) -> None:
    duckdb: Any = import_module("duckdb")

    connection = duckdb.connect(config={"threads": 1, "memory_limit": "200MB"})
    connection.execute(sql)


def duckdb_csv(d: Path, o: Path) -> None:
    duckdb_run(
        f"COPY (SELECT * FROM read_csv('{d}/data.csv', header=true, columns={{{SQL_COLUMNS}}}, nullstr=''))"
        f" TO '{o}/out.ndjson' (FORMAT json)"
    )


def polars_csv(d: Path, o: Path) -> None:
    pl: Any = import_module("polars")

    types: Any = dict.fromkeys(COLUMNS, pl.String)
    types |= {"account": pl.Int64, "age": pl.Int64, "price": pl.Float64, "discount": pl.Float64, "active": pl.Boolean}
    pl.scan_csv(d / "data.csv", schema_overrides=types).sink_ndjson(o / "out.ndjson")


def stdlib_csv(d: Path, o: Path) -> None:
    convert: dict[str, Any] = {
        "account": int, "age": int, "price": float, "discount": float, "active": lambda text: text == "true",
    }  # fmt: skip
    with (d / "data.csv").open(newline="", encoding="utf-8") as source, (o / "out.ndjson").open("w") as out:
        for row in csv.DictReader(source):
            typed: dict[str, Any] = dict(row)
            for column, make in convert.items():
                typed[column] = make(row[column]) if row[column] else None
            out.write(json.dumps(typed, ensure_ascii=False) + "\n")


def duckdb_json(d: Path, o: Path) -> None:
    columns = "{" + SQL_COLUMNS + "}"
    source = f"read_json('{d}/data.json', format='array', columns={columns})"
    duckdb_run(f"COPY (SELECT * FROM {source}) TO '{o}/out.ndjson' (FORMAT json)")


def ijson_json(d: Path, o: Path) -> None:
    ijson, orjson = import_module("ijson"), import_module("orjson")

    with (d / "data.json").open("rb") as source, (o / "out.ndjson").open("wb") as out:
        for record in ijson.items(source, "item", use_float=True):
            out.write(orjson.dumps(record) + b"\n")


def stdlib_csv_split(d: Path, o: Path) -> None:
    with (d / "data.csv").open(newline="", encoding="utf-8") as source:
        reader = csv.reader(source)
        header = next(reader)
        out, number = None, 0
        for row in reader:
            if out is None or out.tell() > LIMIT - 10_000:
                number += 1
                out = (o / f"part-{number:05d}").open("w", newline="", encoding="utf-8")
                writer = csv.writer(out, lineterminator="\n")
                writer.writerow(header)
            writer.writerow(row)


def stdlib_gunzip(d: Path, o: Path) -> None:
    with gzip.open(d / "exports.csv.gz") as source, (o / "plain").open("wb") as out:
        while block := source.read(1 << 18):
            out.write(block)


def duckdb_join(d: Path, o: Path, every: int) -> None:
    duckdb_run(
        f"COPY (SELECT s.*, r.code, r.message FROM read_csv('{d}/data.csv', header=true, all_varchar=true) s "
        f"JOIN read_json('{d}/results-{every}.ndjson', format='newline_delimited') r ON s.id = r.id) "
        f"TO '{o}/rejects.csv' (HEADER)"
    )


def polars_join(d: Path, o: Path, every: int) -> None:
    pl: Any = import_module("polars")

    source = pl.scan_csv(d / "data.csv", infer_schema=False)
    results = pl.scan_ndjson(d / f"results-{every}.ndjson", schema=dict.fromkeys(("id", "code", "message"), pl.String))
    source.join(results, on="id").sink_csv(o / "rejects.csv")


SCRIPTS: dict[str, dict[str, Any]] = {
    "csv-ndjson": {"duckdb": duckdb_csv, "polars": polars_csv, "csv.DictReader + json": stdlib_csv},
    "json-ndjson": {"duckdb": duckdb_json, "ijson + orjson": ijson_json},
    "csv-split": {"csv.reader + csv.writer": stdlib_csv_split},
    "gunzip": {"stdlib gzip": stdlib_gunzip},
    "rejects": {
        "duckdb": lambda d, o: duckdb_join(d, o, 100),
        "polars": lambda d, o: polars_join(d, o, 100),
    },
    "rejects-all": {
        "duckdb": lambda d, o: duckdb_join(d, o, 1),
        "polars": lambda d, o: polars_join(d, o, 1),
    },
}

if __name__ == "__main__":
    SCRIPTS[sys.argv[1]][sys.argv[2]](Path(sys.argv[3]), Path(sys.argv[4]))
