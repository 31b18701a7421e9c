"""A vendor that fails in every way: each job still ends in one report, and nothing is sent twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from local.simulators.datagroup import DataGroupSimulator
from tests.e2e.rig import Rig

FILE = "id,zip\n1,01234\n2,00001\n"


@dataclass(frozen=True)
class Case:
    """One way of failing, and what the job's one batch must look like after it."""

    name: str
    faults: tuple[dict[str, Any], ...]
    attempts: int = 1
    warning: str = ""
    outcome: str = "completed"
    commits: int = 1
    route: dict[str, Any] = field(default_factory=dict)
    pace: float = 0.2  # seconds in each of the vendor's states


def fault(kind: str, endpoint: str, **details: Any) -> dict[str, Any]:
    return {"kind": kind, "endpoint": endpoint, **details}


AT_ONCE = 6
CASES = (
    Case("token-runs-out", (fault("expired_token", "state"),)),
    Case("token-runs-out-at-once", (fault("expired_token", "create_batch_file"),)),
    Case("upload-url-dead", (fault("expired_url", "upload"),), attempts=2, warning="given up"),
    Case("told-to-wait", (fault("429", "create_job", value="1"), fault("429", "create_batch_file", value="1")), 2),
    Case("answer-lost", (fault("reset_after", "upload"),), warning="adopted"),
    Case("call-lost", (fault("reset_before", "upload"),), attempts=2),
    Case("gateway-gives-up", (fault("502", "upload"),), attempts=2),
    Case("server-error-after-all", (fault("500", "upload", acts=True),), warning="adopted"),
    Case("unknown-word", (fault("unknown_state", "state"),), warning="REVIEWING"),
    Case("other-spelling", (fault("wrong_spelling", "state", count=2),)),
    Case("slow-and-odd", (fault("slow", "upload", value=1), fault("trailing_comma", "create_batch_file"))),
    Case("page-instead", (fault("html200", "state"), fault("truncated", "state"), fault("503", "state", value="1"))),
    Case("result-late", (fault("503", "result", value="1"),)),
    Case(
        "nobody-can-tell",
        (fault("reset_after", "upload"),),
        outcome="held",
        route={"account__state_before_upload": None},
        pace=30,
    ),
    Case(
        "sent-again-flagged",
        (fault("reset_before", "upload"),),
        attempts=2,
        warning="possible_duplicate",
        route={"account__state_before_upload": None, "on_doubt": "resubmit"},
    ),
    Case("refused", (fault("422", "create_batch_file"),), outcome="failed", commits=0),
    Case("vendor-fails", (fault("redirect", "upload"),), outcome="failed", commits=0),
)  # fmt: skip


@pytest.fixture(scope="module")
def ended(rig: Rig) -> Iterator[dict[str, tuple[dict[str, Any], DataGroupSimulator]]]:
    """All cases, each with a vendor of its own; a few at once, so that no function waits long for the processor."""
    found: dict[str, tuple[dict[str, Any], DataGroupSimulator]] = {}
    with ExitStack() as stack:
        for begin in range(0, len(CASES), AT_ONCE):
            cases = CASES[begin : begin + AT_ONCE]
            vendors = [stack.enter_context(DataGroupSimulator(seconds_per_state=case.pace)) for case in cases]
            jobs = [_dropped(rig, case, vendor) for case, vendor in zip(cases, vendors, strict=True)]
            names = (case.name for case in cases)
            found |= dict(zip(names, zip(rig.reports(jobs, 120), vendors, strict=True), strict=True))
        yield found


def _dropped(rig: Rig, case: Case, vendor: DataGroupSimulator) -> str:
    for one in case.faults:
        vendor.fault(**one)
    rig.route(case.name, vendor, **case.route)
    return rig.drop(case.name, "a.csv", FILE)


@pytest.mark.acceptance("D2", "D3", "D4", "D5", "C5", "H1", "E1", "E3")
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_one_report_and_nothing_sent_twice(
    ended: dict[str, tuple[dict[str, Any], DataGroupSimulator]], case: Case
) -> None:
    report, vendor = ended[case.name]
    found = (report["outcome"], [batch["attempts"] for batch in report["batches"]], len(vendor.commits))
    assert found == (case.outcome, [case.attempts], case.commits), report
    assert all(times == 1 for times in vendor.commits_by_sha.values())
    assert report["counts"]["records"] == 2
    assert any(case.warning in warning for warning in [*report["warnings"], ""]), report["warnings"]
    assert "X-Amz" not in str(report)
    assert vendor.violations == []
