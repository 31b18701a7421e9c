"""Ids that repeat."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from batchdrop.records import idhashes
from batchdrop.records.inspect import inspect
from batchdrop.records.inspection import Inspection
from batchdrop.records.source import BytesSource
from batchdrop.records.spec import Duplicates, InputSpec
from tests.unit.records.drops import array, lines, look, problems, records, refusal, sent

REPEATING = [{"id": i % 7, "v": i} for i in range(20)]


@pytest.mark.acceptance("B11")
@pytest.mark.parametrize(
    ("policy", "kept", "code"),
    [
        ("allow", list(range(20)), None),
        ("reject", list(range(7)), "duplicate_id"),
        ("last_wins", list(range(13, 20)), "replaced"),
    ],
)
@pytest.mark.parametrize("csv", [True, False])
def test_repeated_ids_are_found_before_anything_is_sent(
    policy: Duplicates, kept: list[int], code: str | None, csv: bool
) -> None:
    spec = InputSpec(id=("id",), duplicates=policy, types={"v": "integer"})
    data = b"id,v\n" + b"".join(b"%d,%d\n" % (r["id"], r["v"]) for r in REPEATING) if csv else lines(REPEATING)
    assert [r["v"] for r in sent(data, spec)] == kept
    assert {c for _, c in problems(data, spec)} == ({code} if code else set())
    assert len(look(data, spec).duplicates) == 20 - len(kept)


@pytest.mark.acceptance("B11")
def test_the_message_names_the_line_a_record_yields_to() -> None:

    data = lines([{"id": "a"}, {"id": "b"}, {"id": "a"}])
    reject = [r.problem.message for r in records(data, InputSpec(id=("id",), duplicates="reject")) if r.problem]
    last = [r.problem.message for r in records(data, InputSpec(id=("id",), duplicates="last_wins")) if r.problem]
    assert reject == ["duplicate id, first at line 1"]
    assert last == ["replaced by the record with the same id at line 3"]


@pytest.mark.acceptance("B11")
def test_an_invalid_record_takes_no_id_from_a_valid_one() -> None:
    data = b"id,n\n1,x\n1,5\n"
    spec = InputSpec(id=("id",), types={"n": "integer"}, duplicates="reject")
    assert sent(data, spec) == [{"id": "1", "n": 5}]


def test_far_too_many_duplicates_refuse_the_drop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idhashes, "MAX_DUPLICATES", 100)
    spec = InputSpec(id=("id",), duplicates="reject")
    assert refusal(array([{"id": 1}] * 102), spec).reason == "duplicates"
    assert len(look(array([{"id": 1}] * 101), spec).duplicates) == 100


def test_an_inspection_survives_being_stored() -> None:
    spec = InputSpec(id=("id",), duplicates="reject", types={"nope": "integer"})
    for data in (lines(REPEATING), b"id,v\n1,2\n1,3\n", array(REPEATING)):
        inspection = inspect(BytesSource("x", data), spec)
        assert Inspection.from_json(json.loads(json.dumps(inspection.to_json()))) == inspection


@pytest.mark.acceptance("B11")
@pytest.mark.parametrize(
    "make", [lines, array, lambda rows: b"id,v\n" + b"".join(b'%d,"a\nb"\n' % r["id"] for r in rows)]
)
def test_repeated_ids_far_apart_are_found_among_invalid_records(
    make: Callable[[list[dict[str, object]]], bytes],
) -> None:
    rows: list[dict[str, object]] = [{"id": i, "v": "x" * 20} for i in range(30_000)]
    rows[29_000] = {"id": 5, "v": ""}
    spec = InputSpec(id=("id",), duplicates="reject", max_record_bytes=5_000_000)
    found = look(make(rows), spec)
    assert list(found.duplicates) == [29_001]
    assert found.records == 30_000
    assert len(problems(make(rows), spec)) == 1
