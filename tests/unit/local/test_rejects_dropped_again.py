"""A rejects file, mended and dropped again, is read as the user's own records: nothing added, nothing lost."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from batchdrop.job import Job
from batchdrop.parcels import Parcels, look_into, parcels_of
from batchdrop.route import Route, read_route
from local.dryrun import LocalFiles

ACCOUNT = {"datamart_id": "1502", "document_type": "USER_PROFILE"}
ITEMS = {"destination": "sherpa", "account": {"table_id": "products", "dataset": "items", "format": "csv"}}
PROFILES = {"destination": "mediarithmics", "account": ACCOUNT}


def route(config: dict[str, Any], **input_: Any) -> Route:
    return read_route("again", {**config, "secret": "s", "input": {"id": "itemId", **input_}})


def drop(path: Path, by: Route) -> Parcels:
    """What the functions make of a dropped file."""
    objects: Any = LocalFiles()
    job = Job("j", by.name, "", str(path), "", 0, 0, size=path.stat().st_size, config=dict(by.raw))
    job.inspection = look_into(job, by, objects, lambda: None).found
    return parcels_of(job, by, objects)


def sent(parcels: Parcels) -> bytes:
    return b"".join(parcel.payload.open().read() for parcel in parcels.batches(None) if parcel.payload)


def rejects_of(parcels: Parcels, refused: Callable[[str | None], bool]) -> bytes:
    """The rejects file of a drop: what is invalid, and what the vendor refuses."""
    writer = parcels.rejects()
    rows = []
    for record in parcels.replay(None, None):
        if record.problem:
            rows.append(writer.row(record, "invalid", record.problem.code, record.problem.message))
        elif refused(record.id):
            rows.append(writer.row(record, "rejected", "Refused", '=cmd|"x"!A1'))
    return writer.head() + b"".join(rows)


CELLS = {
    "formula": "=HYPERLINK(1)",
    "plus": "+33 1 23",
    "minus": "-5",
    "at": "@name",
    "guarded": "'=already",
    "quote": 'say "hi"',
    "lines": "one\ntwo",
    "comma": "a,b",
    "accents": "Zoë Świątek",
    "zeros": "00501",
    "empty": "",
}


def test_a_csv_file_of_rejects_is_sent_as_the_users_own_cells(tmp_path: Path) -> None:
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(("itemId", "name", "quantity"))
    writer.writerows((f"i{n}", cell, n) for n, cell in enumerate(CELLS.values()))
    writer.writerow(("bad", "=x", "many"))
    first = tmp_path / "items.csv"
    first.write_text(out.getvalue(), encoding="utf-8", newline="")

    by = route(ITEMS, types={"quantity": "integer"})
    whole = drop(first, by)
    again = tmp_path / "mend.csv"
    again.write_bytes(rejects_of(whole, lambda _: True))
    assert b"'=HYPERLINK(1)" in again.read_bytes()  # safe to open in a spreadsheet
    assert b",rejected,Refused," in again.read_bytes()

    again.write_bytes(again.read_bytes().replace(b",many,", b",7,"))  # mended
    expected = first.read_bytes().replace(b",many", b",7")
    (tmp_path / "expected.csv").write_bytes(expected)
    assert sent(drop(again, by)) == sent(drop(tmp_path / "expected.csv", by))


LINES = (
    '{"itemId": "1", "spent": 12345678901234567890.10, "name": "Zoë"}',
    '{"itemId":"2","nested":{"a":[1,2,{"b":null}]},"tab":"a\\tb"}',
    '{ "itemId" : "3" , "batchdrop": "mine" }',
    '{"itemId": "4", "formula": "=1+1"}',
)


@pytest.mark.parametrize("name", ["a.ndjson", "a.json"])
def test_a_json_file_of_rejects_is_sent_as_the_users_own_records(tmp_path: Path, name: str) -> None:
    body = "\n".join(LINES) if name == "a.ndjson" else "[" + ",\n".join(LINES) + "]"
    (tmp_path / name).write_text(body + "\n", encoding="utf-8")
    by = route(PROFILES)
    whole = drop(tmp_path / name, by)
    again = tmp_path / "mend.ndjson"
    again.write_bytes(rejects_of(whole, lambda id_: id_ != "3"))
    assert again.read_bytes().count(b'"batchdrop_line"') == 3

    found = sent(drop(again, by)).decode().splitlines()
    kept = [LINES[n] for n in (0, 1, 3)]
    assert [json.loads(line, parse_float=str) for line in found] == [json.loads(line, parse_float=str) for line in kept]
    assert "12345678901234567890.10" in found[0]
    assert "batchdrop_" not in "".join(found)
