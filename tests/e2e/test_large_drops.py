"""A large drop goes through the real Distributed Map, span by span; the report is the one of a drop that is not cut."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import pytest

from local.simulators.datagroup import DataGroupSimulator
from local.simulators.sherpa import SherpaSimulator
from tests.e2e.rig import Rig
from tests.e2e.test_workers_and_executions_die import submit_workers, until_called

ROWS = 9_000
INVALID, REFUSED = (5, 4_444, 8_999), (1, 3_000, 6_500, 9_000)  # row numbers
WIDE = "x" * 200  # a look cuts where it has read a block of 256 KB


def row(number: int) -> str:
    """One row on two lines: a cell has a line break in it."""
    price = "high" if number in INVALID else "1.50"
    stock = '"""many"""' if number in REFUSED else "7"
    return f'i{number},"{WIDE}\nline two",{price},{stock}\n'


def line(number: int) -> int:
    return 2 * number


def spans_of(report: dict[str, Any]) -> list[int]:
    return [batch["n"] // 100_000 for batch in report["batches"]]


def test_a_large_csv_file_is_submitted_in_spans_and_every_refused_line_is_exact(rig: Rig) -> None:
    body = "itemId,name,price,stock\n" + "".join(row(number) for number in range(1, ROWS + 1))
    with SherpaSimulator(seconds_per_state=0.1) as vendor:
        vendor.options.types["items"] |= {"price": "double", "stock": "integer"}
        rig.route(
            "spans",
            vendor,
            input={"format": "csv", "types": {"price": "number", "stock": "json"}},
            account__format="json",
            account__max_records=700,
            side_by_side={"above": 1_600_000, "workers": 4},
        )
        job = rig.drop("spans", "items.csv", body)
        report = rig.report(job, 200)
        assert vendor.violations == []
        sent = sum(commit.records for commit in vendor.commits)
    assert report["outcome"] == "completed_with_rejects", report
    assert sent == ROWS - len(INVALID)
    refused, invalid = len(REFUSED), len(INVALID)
    wanted = {"records": ROWS, "accepted": ROWS - refused - invalid, "rejected": refused, "invalid": invalid}
    assert {name: report["counts"][name] for name in wanted} == wanted
    found = list(csv.DictReader(io.StringIO(rig.beside(report, "rejects.csv").decode(), newline="")))
    told = [(int(each["batchdrop_line"]), each["itemId"], each["batchdrop_outcome"]) for each in found]
    outcomes = dict.fromkeys(INVALID, "invalid") | dict.fromkeys(REFUSED, "rejected")
    assert sorted(told) == [(line(number), f"i{number}", outcomes[number]) for number in sorted(outcomes)]
    spans = spans_of(report)
    assert spans == sorted(spans)
    assert len(set(spans)) > 4
    assert len(spans) > len(set(spans))
    assert rig.states(job).count("Submit Side by Side") >= 2
    assert rig.execution(job)["status"] == "SUCCEEDED"


@pytest.mark.acceptance("D1", "D2", "D8")
def test_a_worker_of_one_span_that_is_killed_loses_and_repeats_nothing(rig: Rig) -> None:
    rows = [json.dumps({"id": f"{number}", "name": WIDE}) for number in range(4_000)]
    with DataGroupSimulator() as vendor:
        vendor.fault("slow", "upload", value=20)
        rig.route("spans-killed", vendor, side_by_side={"above": 500_000, "workers": 3})
        job = rig.drop("spans-killed", "people.ndjson", "\n".join(rows))
        until_called(vendor, "upload")
        for worker in submit_workers(rig):
            worker.kill()
        report = rig.report(job, 150)
        assert (report["outcome"], report["counts"]["accepted"]) == ("completed", len(rows))
        assert set(vendor.commits_by_sha.values()) == {1}
        assert len(vendor.commits_by_sha) == len(report["batches"]) == len(set(spans_of(report))) > 1
        assert sorted(int(record["id"]) for record in vendor.received_records) == list(range(len(rows)))
        assert vendor.violations == []
        assert rig.versions(job, "report.json") == 1
