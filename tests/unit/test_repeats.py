"""Dropping again: what counts as the same bytes, and what must be mended first."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from batchdrop.operate import CannotOperate, rerun
from local.simulators.clock import ManualClock
from local.simulators.datagroup import DataGroupSimulator
from tests.unit.destinations.sets_fixtures import Desk


@pytest.fixture
def desk() -> Iterator[Desk]:
    clock = ManualClock()
    with DataGroupSimulator(seconds_per_state=0.1, clock=clock) as simulator:
        example = simulator.example()
        yield Desk(simulator, clock, {**example["route"], "on_duplicate_content": "skip"}, example["secret"])


@pytest.mark.acceptance("A15")
def test_bytes_of_a_job_that_came_to_nothing_are_no_repeat(desk: Desk) -> None:
    good, desk.secret = desk.secret, {**desk.secret, "password": "wrong"}
    failed = desk.run(desk.drop({"a.csv": b"id\n1\n"}, ready=None))
    assert (failed["outcome"], failed["counts"]["unprocessed"]) == ("failed", 1)

    desk.secret = good
    desk.clock.advance(3600)  # by then the account's circuit lets one job try
    second = desk.run(desk.drop({"b.csv": b"id\n1\n"}, ready=None))
    third = desk.run(desk.drop({"c.csv": b"id\n1\n"}, ready=None))

    assert (second["outcome"], second["duplicate_content_of"]) == ("completed", None)
    assert third["failure"]["reason"] == "duplicate_content"
    assert third["duplicate_content_of"] == second["job_id"]


def test_rows_whose_cells_do_not_fit_the_header_are_not_dropped_again_unmended(desk: Desk) -> None:
    report = desk.run(desk.drop({"a.csv": b"id,n\n1,a\n3\n2,b,c\n"}, ready=None))
    assert (report["outcome"], report["counts"]["invalid"]) == ("completed_with_rejects", 2)

    with pytest.raises(CannotOperate, match="mend them"):
        rerun(desk, report["job_id"], only_rejected=True)


def test_of_a_drop_that_was_refused_as_a_whole_there_is_no_record_to_drop_again(desk: Desk) -> None:
    report = desk.run(desk.drop({"a.csv": b"id,n\n1,caf\xe9\n"}, ready=None))
    assert (report["outcome"], report["failure"]["reason"]) == ("failed", "encoding")

    with pytest.raises(CannotOperate, match="refused, so its rejects file is empty: mend the file and drop it again"):
        rerun(desk, report["job_id"], only_rejected=True)


def test_of_a_drop_all_of_which_was_accepted_there_is_nothing_to_drop_again(desk: Desk) -> None:
    report = desk.run(desk.drop({"a.csv": b"id\n1\n"}, ready=None))
    assert report["outcome"] == "completed"

    with pytest.raises(CannotOperate, match="no record is named that was refused or never sent"):
        rerun(desk, report["job_id"], only_rejected=True)
