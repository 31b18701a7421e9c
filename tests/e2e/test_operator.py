"""The operator's decisions, given with the command itself: held jobs resolved, jobs canceled, ended ones run again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from local.simulators.datagroup import DataGroupSimulator
from local.simulators.mediarithmics import MediarithmicsSimulator
from local.simulators.sherpa import SherpaSimulator
from tests.e2e.rig import FAST, Rig

FILE = "id,zip\n1,01234\n2,00001\n3,7,too long\n"
BATCHDROP = Path(sys.executable).with_name("batchdrop")


def batchdrop(*words: str) -> dict[str, Any]:
    """What a command that must succeed printed as JSON."""
    environment = {k: v for k, v in os.environ.items() if k != "BATCHDROP_STACK"}
    done = subprocess.run(
        [BATCHDROP, *words, "--json"], env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def until(what: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come to that in time"
        time.sleep(0.05)


@pytest.fixture(scope="module")
def held(rig: Rig) -> Iterator[dict[str, tuple[str, DataGroupSimulator]]]:
    """Three jobs whose one upload was done, its answer lost, and whose fate the route gives no way to look up."""
    decisions = ("adopt", "abandon", "resubmit")
    with ExitStack() as stack:
        vendors = {name: stack.enter_context(DataGroupSimulator(seconds_per_state=600)) for name in decisions}
        jobs = {}
        for name, vendor in vendors.items():
            vendor.fault("reset_after", "upload")
            rig.route(f"held-{name}", vendor, account__state_before_upload=None)
            jobs[name] = rig.drop(f"held-{name}", "a.csv", FILE)
        rig.until_closed(jobs.values(), 90)
        yield {name: (jobs[name], vendors[name]) for name in decisions}


def decide(
    rig: Rig, case: tuple[str, DataGroupSimulator], words: Callable[[dict[str, Any]], list[str]]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The report before and after a decision; the vendor is quick from then on."""
    job, vendor = case
    before = rig.report(job)
    vendor.options.seconds_per_state = 0.1
    assert batchdrop("resolve", job[:10], *words(before))["outcome"] is None
    return before, rig.report(job, 90)


def figures(report: dict[str, Any]) -> tuple[Any, ...]:
    counts = report["counts"]
    return (
        report["outcome"],
        report["revision"],
        *(counts[name] for name in ("records", "accepted", "invalid", "unprocessed", "unconfirmed")),
    )


def test_a_held_job_is_adopted_by_the_vendors_receipt(
    rig: Rig, held: dict[str, tuple[str, DataGroupSimulator]]
) -> None:
    before, after = decide(rig, held["adopt"], lambda report: ["--adopt", report["batches"][0]["receipt"]["batch_id"]])
    assert figures(before) == ("held", 1, 3, 0, 1, 0, 2)
    assert figures(after) == ("completed_with_rejects", 2, 3, 2, 1, 0, 0)
    kept = json.loads(rig.beside(after, "report.r1.json"))
    assert kept == before
    assert len(held["adopt"][1].commits) == 1


def test_a_held_job_is_abandoned_and_its_records_stay_unconfirmed(
    rig: Rig, held: dict[str, tuple[str, DataGroupSimulator]]
) -> None:
    before, after = decide(rig, held["abandon"], lambda _: ["--abandon"])
    assert figures(before) == ("held", 1, 3, 0, 1, 0, 2)
    assert figures(after) == ("failed", 2, 3, 0, 1, 0, 2)
    assert "abandoned by operator" in after["reason"]
    assert len(held["abandon"][1].commits) == 1


def test_a_held_job_is_sent_again_as_a_flagged_attempt(
    rig: Rig, held: dict[str, tuple[str, DataGroupSimulator]]
) -> None:
    before, after = decide(rig, held["resubmit"], lambda _: ["--resubmit"])
    assert figures(before) == ("held", 1, 3, 0, 1, 0, 2)
    assert figures(after) == ("completed_with_rejects", 2, 3, 2, 1, 0, 0)
    batch = after["batches"][0]
    assert (batch["attempts"], batch["flagged"]) == (2, True)
    assert before["batches"][0]["receipt"]["batch_id"] != batch["receipt"]["batch_id"]
    assert len(held["resubmit"][1].commits) == 2


def test_a_waiting_job_is_canceled_where_the_vendor_can_and_honestly_not_where_it_cannot(rig: Rig) -> None:
    with (
        SherpaSimulator(seconds_per_state=600) as sherpa,
        MediarithmicsSimulator(seconds_per_state=600) as mediarithmics,
        DataGroupSimulator(seconds_per_state=600) as datagroup,
    ):
        rig.route("cancel-sherpa", sherpa)
        rig.route("cancel-mics", mediarithmics, input={"id": "$user_account_id"})
        rig.route("cancel-dg", datagroup, account__notification_method="none", poll=FAST)
        jobs = [
            rig.drop("cancel-sherpa", "a.csv", "itemId,name,quantity,price\na,A,1,1.5\nb,B,2,2.5\n"),
            rig.drop("cancel-mics", "a.ndjson", '{"$user_account_id": "1"}\n{"$user_account_id": "2"}\n'),
            rig.drop("cancel-dg", "a.csv", FILE),
        ]
        until(lambda: all((found := rig.ledger.job(job)) and found.packaged_at for job in jobs))
        for job in jobs:
            assert batchdrop("cancel", job)["state"] == "canceling"
        for report in rig.reports(jobs[:2], 60):
            assert (report["outcome"], report["counts"]["unprocessed"]) == ("canceled", 2)
        # The Data Group knows no cancel: what it has begun ends as it says, and that is what the report tells.
        datagroup.options.seconds_per_state = 0.1
        report = rig.report(jobs[2], 60)
        assert figures(report) == ("completed_with_rejects", 1, 3, 2, 1, 0, 0)
        assert any("cancel" in warning for warning in report["warnings"]), report["warnings"]


def test_an_ended_job_is_run_again_whole_or_for_what_was_not_accepted(rig: Rig) -> None:
    items = "itemId,name,quantity,price\na,A,1,1.5\nb,B,2,n/a\nc,C,3.5,3.5\nd,D,4,4.5\n"
    types = {"id": "itemId", "types": {"price": "number", "quantity": "number"}}
    with SherpaSimulator(seconds_per_state=0.1) as vendor:
        rig.route("again", vendor, input=types)
        first = rig.report(rig.drop("again", "items.csv", items))
        assert figures(first)[:5] == ("completed_with_rejects", 1, 4, 2, 1)
        assert [(row["line"], row["outcome"]) for row in first["rejects"]] == [(3, "invalid"), (4, "rejected")]

        vendor.options.types["items"]["quantity"] = "double"  # the vendor has mended its table
        only = batchdrop("rerun", first["job_id"], "--only-rejected")
        second = rig.report(only["job_id"], 90)
        assert second["previous"] == only["previous"] == first["job_id"]
        assert figures(second)[:5] == ("completed_with_rejects", 1, 2, 1, 1)  # `n/a` is still no number
        assert [row["id"] for row in second["rejects"]] == ["b"]

        whole = rig.report(batchdrop("rerun", first["job_id"])["job_id"], 90)
        assert (whole["previous"], whole["revision"]) == (first["job_id"], 2)
        assert whole["counts"]["records"] == 4
