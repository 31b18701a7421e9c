"""The demo's last screen, and its honest exit code."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from batchdrop.words import Counts, JobOutcome
from local import demo, samples
from local.connection import connect
from tests.unit.local.conftest import Shop

CASE = demo.Case(
    "people", "mediarithmics", "a.csv", samples.broken_list, JobOutcome.COMPLETED_WITH_REJECTS,
    Counts(2, rejected=1), lines=(7,),
)  # fmt: skip
REPORT: dict[str, Any] = {
    "outcome": "completed_with_rejects",
    "counts": CASE.counts.as_dict(),
    "rejects_file": "rejects.csv",
    "rejects": [{"line": 7, "id": "x", "outcome": "rejected", "code": "c", "message": "m"}],
}


def conclude(shop: Shop, case: demo.Case, report: dict[str, Any] = REPORT) -> int:
    job = shop.job(outcome=report["outcome"], counts=Counts.from_dict(report["counts"]))
    shop.batch(state="succeeded")
    shop.put_result(job, "report.json", json.dumps(report))
    shop.put_result(job, "report.html", "<html>")
    shop.put_result(job, "rejects.csv", "id,batchdrop_line\nx,7\n")
    return demo.conclude(connect("shop"), [(case, job)])


def test_a_table_of_a_hundred_columns_then_reports_and_a_reject(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert conclude(shop, CASE) == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert max(map(len, lines[:4])) <= 100
    assert lines[2].split()[-2:] == ["outcome", "seconds"]
    assert lines[3].split() == [
        "people", "mediarithmics", "3", "2", "1", "0", "0", "1", "completed_with_rejects", "5.0",
    ]  # fmt: skip
    assert "people: home/demo/reports/people/j1/report.html" in lines
    assert "  the last of its rejects.csv: x,7" in lines
    assert lines[-1] == "1 of 1 drops ended as they should"
    assert (tmp_path / "home/demo/reports/people/j1/rejects.csv").exists()


@pytest.mark.parametrize(
    "wrong",
    [
        replace(CASE, outcome=JobOutcome.COMPLETED),
        replace(CASE, counts=Counts(3)),
        replace(CASE, lines=(8,)),
    ],
    ids=["outcome", "counts", "lines"],
)
def test_a_drop_that_did_not_end_as_it_should_makes_the_demo_fail(
    shop: Shop, wrong: demo.Case, capsys: pytest.CaptureFixture[str]
) -> None:
    assert conclude(shop, wrong) == 1
    assert "NOT as it should be" in capsys.readouterr().out


def test_a_drop_without_a_report_makes_the_demo_fail(shop: Shop) -> None:
    world = connect("shop")
    assert demo.conclude(world, [(CASE, None)]) == 1
    assert demo.conclude(world, [(CASE, shop.job())]) == 1


def test_every_destination_has_a_drop_and_one_is_handed_over() -> None:
    assert {case.destination for case in demo.CASES} == {"datagroup", "haplo", "mediarithmics", "ometria", "sherpa"}
    assert any(case.outcome is JobOutcome.HANDED_OVER for case in demo.CASES)
    assert max(len(case.route) for case in demo.CASES) <= 6  # or the table outgrows its hundred columns
