"""Which rejects file a job without a valid route has."""

from __future__ import annotations

from typing import Any

from batchdrop.job import Job
from batchdrop.rejects_writer import writer_without_route


def _job(given: dict[str, Any], **inspection: Any) -> Job:
    return Job("j", "prices", "drops", "a", "v1", 0, 0, config={"input": given}, inspection=inspection)


def test_that_of_a_csv_drop_has_its_header_as_the_route_would_write_it() -> None:
    writer = writer_without_route(
        _job({"delimiter": ";", "encoding": "windows-1252"}, format="csv", header=["id", "name"])
    )
    assert writer is not None
    assert writer.name == "rejects.csv"
    assert writer.head().startswith("\ufeffid;name;batchdrop_line;".encode())


def test_that_of_a_set_or_of_a_drop_nobody_looked_into_has_json_lines() -> None:
    for inspection in ({"entries": [{"name": "a"}]}, {}):
        writer = writer_without_route(_job({}, **inspection))
        assert writer is not None
        assert (writer.name, writer.head()) == ("rejects.ndjson", b"")


def test_there_is_none_where_the_route_does_not_say_any_more_how_the_drop_is_read() -> None:
    assert writer_without_route(_job({"delimeter": ";"}, format="csv", header=["id"])) is None
