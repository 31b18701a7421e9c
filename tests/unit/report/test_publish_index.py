"""A route's page keeps its jobs, however many other routes have had since."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, BinaryIO, cast

from batchdrop.errors import ObjectGone
from batchdrop.job import Job
from batchdrop.ports import ObjectRef
from batchdrop.report.publish import publish_index
from batchdrop.world import World
from tests.unit.report.parsed import Parsed

DAY = 86_400_000
NOW = 1_767_225_600_000


@dataclass
class Place:
    """A bucket, and a ledger that lists these jobs."""

    latest: list[Job]
    kept: dict[str, bytes] = field(default_factory=dict)

    def open(self, ref: ObjectRef) -> BinaryIO:
        if ref.key not in self.kept:
            raise ObjectGone
        return io.BytesIO(self.kept[ref.key])

    def put(self, bucket: str, key: str, body: bytes, *, content_type: str) -> None:
        self.kept[key] = body

    def jobs(self, limit: int) -> list[Job]:
        return self.latest[:limit]

    def publish(self, job: Job) -> Parsed:
        world: Any = SimpleNamespace(objects=self, ledger=self, settings=SimpleNamespace(results_bucket="results"))
        publish_index(cast("World", world), job)
        return Parsed(self.kept["jobs/people/index.html"])


def job(n: int, route: str = "people", outcome: str = "completed") -> Job:
    known: dict[str, Any] = {"outcome": outcome, "closed_at": NOW + n * DAY + 5000, "counts": {"records": n}}
    return Job(f"job-{n}", route, "drops", f"drops/{route}/{n}.csv", "v", NOW + n * DAY, NOW + 999 * DAY, **known)


def test_jobs_stay_on_the_page_when_the_ledger_no_longer_lists_them_among_the_latest() -> None:
    place = Place([job(1)])
    place.publish(job(1))
    place.latest = [job(n, "busy") for n in range(100, 400)]
    page = place.publish(job(2))
    assert "2 jobs: 2 completed or handed over" in page.text
    assert [link.rsplit("/", 2)[1] for link in page.links] == ["job-2", "job-1"]
    assert [entry["job_id"] for entry in json.loads(place.kept["jobs/people/index.json"])] == ["job-1", "job-2"]


def test_a_job_that_ended_again_is_listed_once_as_it_ended_last() -> None:
    place = Place([])
    place.publish(job(1, outcome="held"))
    assert "1 job: 1 completed or handed over" in place.publish(job(1)).text


def test_the_page_of_a_route_has_an_end() -> None:
    old = [{"job_id": f"old-{n}", "started_at": f"2020-01-01T00:00:00.{n:03d}Z"} for n in range(700)]
    place = Place([], {"jobs/people/index.json": json.dumps(old).encode()})
    place.publish(job(1))
    listed = json.loads(place.kept["jobs/people/index.json"])
    assert (len(listed), listed[0]["job_id"], listed[-1]["job_id"]) == (500, "old-201", "job-1")
