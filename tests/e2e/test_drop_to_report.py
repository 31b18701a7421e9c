"""A file is put in the bucket; a report comes out that accounts for every record of it."""

from __future__ import annotations

import csv
import io
import json

from local.simulators.datagroup import DataGroupSimulator
from tests.e2e.rig import Rig

PEOPLE = 'id,first_name,zip\n1,"Ann, É",01234\n2,Bob\n3,"Cy",00001\n'


def adds_up(report: dict[str, object]) -> bool:
    counts = report["counts"]
    assert isinstance(counts, dict)
    return bool(counts["records"] == sum(value for name, value in counts.items() if name != "records"))


def test_a_csv_file_ends_in_a_report_and_its_bad_row_in_the_rejects(rig: Rig, vendor: DataGroupSimulator) -> None:
    rig.route("people", vendor)
    report = rig.report(rig.drop("people", "people list.csv", PEOPLE))
    assert report["outcome"] == "completed_with_rejects"
    assert report["counts"] == {
        "records": 3, "accepted": 2, "invalid": 1, "rejected": 0, "unprocessed": 0, "unconfirmed": 0,
    }  # fmt: skip
    rows = list(csv.DictReader(io.StringIO(rig.beside(report, "rejects.csv").decode())))
    assert [(row["id"], row["batchdrop_line"], row["batchdrop_outcome"]) for row in rows] == [("2", "3", "invalid")]
    assert vendor.received_records == [
        {"id": "1", "first_name": "Ann, É", "zip": "01234"},
        {"id": "3", "first_name": "Cy", "zip": "00001"},
    ]
    assert json.loads(rig.beside(report, report["results"][0])) != []
    assert b"<html" in rig.beside(report, "report.html")
    assert vendor.violations == []
