"""When a drop is cut, and what is to be done next with its spans."""

from __future__ import annotations

from typing import Any

import pytest

from batchdrop.destinations import REGISTRY, destination
from batchdrop.errors import RouteError
from batchdrop.job import Job, Span
from batchdrop.route import MOST_SPANS, SideBySide, read_route
from batchdrop.spans import Spans

NOW = 1_700_000_000_000
GB = 10**9


def spans(*each: dict[str, Any]) -> Spans:
    return Spans(tuple(Span("j", number, **more) for number, more in enumerate(each, 1)), NOW)


@pytest.mark.parametrize(
    ("size", "wanted"),
    [(10 * GB, 0), (10 * GB + 1, 1.25 * GB), (100 * GB, 1.25 * GB), (200 * GB, 200 * GB // 90)],
)
def test_spans_are_an_eighth_of_the_threshold_and_not_more_than_a_job_can_keep(size: int, wanted: float) -> None:
    each = SideBySide(10 * GB, 8).span_bytes(size)
    assert each == wanted
    assert not each or size / each <= MOST_SPANS + 1


def test_one_worker_needs_no_spans() -> None:
    assert SideBySide(10, 1).span_bytes(1000) == 0


def _route(name: str, **more: object) -> dict[str, object]:
    account: dict[str, dict[str, object]] = {
        "sherpa": {"table_id": "t", "dataset": "items"},
        "mediarithmics": {"datamart_id": "1", "document_type": "USER_ACTIVITY"},
        "ometria": {"domain_key": "d", "location_key": "l", "type": "full"},
        "haplo": {"base_url": "https://haplo.example.com", "control": "c.json"},
    }
    return {"destination": name, "secret": "s", "account": account.get(name, {}), **more}


@pytest.mark.parametrize("name", REGISTRY)
def test_only_batches_that_do_not_need_one_another_are_submitted_side_by_side(name: str) -> None:
    vendor = destination(name)
    assert vendor.side_by_side is (name in ("datagroup", "sherpa"))
    assert (read_route("r", _route(name)).side_by_side.span_bytes(20 * GB) > 0) is vendor.side_by_side
    if not vendor.side_by_side:
        with pytest.raises(RouteError, match="one after the other: leave it out"):
            read_route("r", _route(name, side_by_side={"workers": 4}))


def test_a_span_that_nobody_began_with_is_due() -> None:
    assert spans({}, {"packaged_at": 1}, {}).due == (1, 3)


def test_one_that_rests_or_is_held_is_not_due_and_says_when_it_will_be() -> None:
    found = spans({"not_before": NOW + 30_000}, {"lease_until": NOW + 60_000}, {"packaged_at": 1})
    assert found.due == ()
    assert found.due_in() == 30.0
    assert [span.span for span in found.held] == [2]
    assert found.free_in() == found.room_in() == 61.0


def test_there_is_room_for_another_worker_once_the_first_lease_is_over() -> None:
    found = spans({"lease_until": NOW + 60_000}, {"lease_until": NOW + 5_000})
    assert (found.room_in(), found.free_in()) == (6.0, 61.0)
    assert spans({}).room_in() == spans({}).free_in() == 0.0


def test_a_lease_is_over_for_him_who_waits_only_when_another_can_take_it() -> None:
    at_its_end = spans({"lease_until": NOW})
    assert at_its_end.held
    assert at_its_end.due == ()


def test_the_first_that_gave_up_tells_why() -> None:
    assert spans({}, {"packaged_at": 1, "failure": {"reason": "credentials"}}).failure == {"reason": "credentials"}
    assert spans({}, {"packaged_at": 1}).failure == {}


def test_a_job_that_is_not_spread_is_one_of_number_0() -> None:
    job = Job("j", "r", "b", "k", "v", created_at=1, deadline_at=2)
    assert list(job.spans) == [0]
    job.spread = 3
    assert list(job.spans) == [1, 2, 3]
