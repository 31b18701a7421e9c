"""What the records engine hands around."""

from __future__ import annotations

from msgspec.structs import replace

from batchdrop.records.model import Problem, SourceRecord

RECORD = SourceRecord(1, 2, "7", True, b"7,anna")


def test_a_record_is_the_same_whether_or_not_it_is_known_to_be_plain() -> None:
    plain = replace(RECORD, is_plain=True)
    assert plain == RECORD
    assert not plain != RECORD  # noqa: SIM202 - `!=` is asked by itself
    assert hash(plain) == hash(RECORD)


def test_a_record_is_another_with_any_other_field() -> None:
    for change in (
        {"ordinal": 2},
        {"line": 3},
        {"id": None},
        {"sent": False},
        {"raw": b""},
        {"problem": Problem("a", "b")},
    ):
        assert replace(RECORD, **change) != RECORD
    assert RECORD != (1, 2, "7", True, b"7,anna", None)
