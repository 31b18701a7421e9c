"""The page of a route: its jobs over time and the latest of them."""

from __future__ import annotations

from batchdrop.report.index import render_index
from tests.unit.report import samples
from tests.unit.report.parsed import Parsed


def test_the_latest_jobs_come_first_with_the_numbers_of_their_reports() -> None:
    jobs = samples.jobs(10)
    page = Parsed(render_index("products", list(reversed(jobs))))
    assert page.links[0] == "./2026/02/01/job-0-0/report.html"
    assert page.numbers["0.counts.records"] == [("1000", "1,000")]


def test_only_the_latest_hundred_are_listed_and_all_are_counted() -> None:
    jobs = samples.jobs(60)
    page = Parsed(render_index("products", jobs))
    assert f"{len(jobs)} jobs: " in page.text
    assert f"The latest 100 of {len(jobs)}." in page.text
    assert len(page.links) == 100


def test_every_job_is_in_the_numbers_of_the_chart() -> None:
    page = Parsed(render_index("products", [*samples.jobs(3), samples.report("", started_at=samples.at(0))]))
    assert "2026-03-02 1 0 0 1" in page.text
    assert "1 running" in page.text


def test_years_of_jobs_give_a_chart_of_few_bars() -> None:
    jobs = [samples.report(started_at=samples.at(-86_400.0 * day)) for day in range(0, 4000, 10)]
    page = Parsed(render_index("products", jobs))
    assert "Jobs per 91 days." in page.text
    assert sum(1 for tag, a in page.attributes if tag == "rect" and a.get("class") == "good") <= 46


def test_a_route_without_jobs_and_jobs_without_times_still_give_a_page() -> None:
    assert "No job yet." in Parsed(render_index("products", [])).text
    assert "1 job: 1 running." in Parsed(render_index("products", [{"job_id": "abc"}])).text
