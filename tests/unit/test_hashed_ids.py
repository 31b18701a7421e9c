"""A route can keep the ids of records out of its reports."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from batchdrop.matching import hashed
from tests.unit.destinations.sets_fixtures import Desk, mediarithmics_desk


@pytest.fixture
def desk() -> Iterator[Desk]:
    with mediarithmics_desk(hash_ids=True) as found:
        yield found


def test_a_report_tells_no_id_and_the_rejects_file_has_them_all(desk: Desk) -> None:
    desk.raw["input"] = {**desk.raw.get("input", {}), "id": "user_account_id", "required": ["name"]}
    people = [{"user_account_id": f"someone{n}@example.org", "name": "" if n == 1 else "x"} for n in range(3)]
    lines = "".join(json.dumps(person) + "\n" for person in people)
    report = desk.run(desk.drop({"people.ndjson": lines.encode()}, ready=None))

    assert report["counts"]["invalid"] == 1
    assert [row["id"] for row in report["rejects"]] == [hashed("someone1@example.org")]
    assert "example.org" not in json.dumps(report["rejects"] + report["reject_reasons"])
    assert [row["user_account_id"] for row in desk.rejects(report["job_id"])] == ["someone1@example.org"]
