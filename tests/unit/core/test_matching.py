"""The vendor's refusals come home to the source lines: by id, never by position."""

from __future__ import annotations

import csv
import io
import json

import pytest

from batchdrop.destinations.base import Reject
from batchdrop.matching import GAVE_WAY, Tally, commonest, rows_of_batch, untold
from batchdrop.records.model import Problem, SourceRecord
from batchdrop.records.rejects import RejectsWriter
from batchdrop.records.verdicts import MESSAGE
from batchdrop.refusals import SAMPLE, Refusals


def record(n: int, id_: str | None = "", problem: Problem | None = None) -> SourceRecord:
    id_ = f"id{n}" if id_ == "" else id_
    return SourceRecord(n, n + 1, id_, problem is None, f"{id_},name {n}".encode(), problem)


def matched(
    records: list[SourceRecord], rejects: list[Reject], whole: tuple[str, str, str] | None = None
) -> tuple[list[dict[str, str]], Tally]:
    writer, tally = RejectsWriter.for_format("csv", ("id", "name")), Tally()
    rows = b"".join(rows_of_batch(records, Refusals(rejects), writer, tally, whole))
    return list(csv.DictReader(io.StringIO((writer.head() + rows).decode()))), tally


@pytest.mark.acceptance("G6", "G8")
def test_refusals_in_any_order_find_their_lines() -> None:
    rejects = [Reject("id9", "TOO_LONG", "title"), Reject("id2", "NO_PRICE", "price")]
    rows, tally = matched([record(n) for n in range(1, 11)], rejects)
    assert [(r["id"], r["batchdrop_line"], r["batchdrop_outcome"], r["batchdrop_code"]) for r in rows] == [
        ("id2", "3", "rejected", "NO_PRICE"),
        ("id9", "10", "rejected", "TOO_LONG"),
    ]
    assert (tally.matched, tally.unmatched) == (2, [])


@pytest.mark.acceptance("G6")
def test_an_id_whose_case_the_vendor_changed_is_known_where_it_can_be_no_other() -> None:
    rows, _ = matched([record(1, "Straße-A"), record(2, "b")], [Reject("STRASSE-a", "X", "m")])
    assert [row["id"] for row in rows] == ["Straße-A"]


@pytest.mark.acceptance("G6")
def test_ids_that_differ_by_case_alone_are_kept_apart() -> None:
    rows, tally = matched([record(1, "a"), record(2, "A")], [Reject("A", "X", "m")])
    assert [row["id"] for row in rows] == ["A"]
    assert tally.matched == 1


@pytest.mark.acceptance("G6")
def test_a_refusal_that_could_be_of_either_of_two_records_is_of_neither() -> None:
    rows, tally = matched([record(1, "ab"), record(2, "AB")], [Reject("Ab", "X", "m")])
    assert rows == []
    assert [u["id"] for u in tally.unmatched] == ["Ab"]


@pytest.mark.acceptance("G7")
def test_a_refusal_of_an_id_we_never_sent_is_kept_aside() -> None:
    rows, tally = matched([record(1)], [Reject("ghost", "X", "m"), Reject("id1", "Y", "n")])
    assert [row["id"] for row in rows] == ["id1"]
    assert tally.unmatched == [{"id": "ghost", "code": "X", "message": "m"}]


@pytest.mark.acceptance("G7")
def test_refusals_of_ids_we_never_sent_fit_into_a_ledger_item_however_long_they_are() -> None:
    _, tally = matched([record(1)], [Reject(f"{i}{'界' * 5000}", "界" * 5000, "界" * 5000) for i in range(SAMPLE)])
    assert len(tally.unmatched) == SAMPLE
    assert tally.unmatched[7]["id"].startswith("7界界")
    assert tally.unmatched[7]["id"].endswith("界…")
    assert len(json.dumps(tally.unmatched, ensure_ascii=False).encode()) < 300_000  # of 400 kB


@pytest.mark.acceptance("D13")
def test_a_record_that_was_there_already_is_no_failure() -> None:
    rows, tally = matched([record(1), record(2)], [Reject("id1", "EntityAlreadyExists", "m", already_present=True)])
    assert rows == []
    assert (tally.already, tally.matched) == (1, 0)
    assert (tally.sample[0]["outcome"], tally.sample[0]["code"]) == ("unconfirmed", "already_present")


def test_our_own_refusals_keep_their_reason_and_are_not_the_vendors() -> None:
    rows, tally = matched([record(1, problem=Problem("row_too_short", "2 cells, not 3"))], [Reject("id1", "X", "m")])
    assert [(r["batchdrop_outcome"], r["batchdrop_code"]) for r in rows] == [("invalid", "row_too_short")]
    assert (tally.invalid, tally.matched) == (1, 0)


def test_the_report_and_the_rejects_file_say_in_which_field_and_file_a_record_is_wrong() -> None:
    wrong = Problem("wrong_type", "the cell is not a number", "price", place="price", file="items.csv")
    rows, tally = matched([record(1, problem=wrong)], [])
    told = "items.csv: price: the cell is not a number"
    assert rows[0]["batchdrop_message"] == tally.sample[0]["message"] == told
    assert list(tally.sample[0]) == ["line", "id", "outcome", "code", "message"]
    assert list(tally.reasons) == [("invalid", "wrong_type", told)]


def test_what_befell_the_whole_batch_befell_each_record_that_was_sent() -> None:
    records = [record(1), record(2, problem=Problem("p", "q")), record(3)]
    rows, tally = matched(records, [], ("unprocessed", "not_sent", "never sent"))
    assert [r["batchdrop_outcome"] for r in rows] == ["unprocessed", "invalid", "unprocessed"]
    assert (tally.whole, tally.invalid) == (2, 1)


def test_a_record_without_an_id_is_never_matched() -> None:
    assert matched([record(1, None)], [Reject("None", "X", "m"), Reject("", "X", "m")])[0] == []


def test_the_sample_and_the_messages_are_bounded_however_many_fail() -> None:
    n = SAMPLE * 3
    rejects = [Reject(f"id{i}", "X", f"{i} " + "long " * 500) for i in range(1, n + 1)]
    rows, tally = matched([record(i) for i in range(1, n + 1)], rejects)
    assert len(rows) == n
    assert len(tally.sample) == SAMPLE
    assert max(len(row["batchdrop_message"]) for row in rows) <= MESSAGE
    assert sum(tally.reasons.values()) == n
    assert len(tally.reasons) <= SAMPLE + 1


def test_reasons_are_counted_together_that_differ_by_what_is_of_one_record_alone() -> None:
    """As Sherpa's words hold the id, the table of reasons had a row for each record."""
    n = SAMPLE * 3
    rejects = [Reject(f"id{i}", "EXISTS", f"'id{i}' exists: id1x is free") for i in range(1, n + 1)]
    again = [record(n + i, None, Problem("duplicate_id", f"duplicate id, first at line {i}")) for i in range(1, n)]
    rows, tally = matched([*again, *map(record, range(1, n + 1))], rejects)
    assert tally.reasons["invalid", "duplicate_id", "duplicate id, first at line <n>"] == n - 1
    assert tally.reasons["rejected", "EXISTS", "'<id>' exists: id1x is free"] == n
    assert rows[0]["batchdrop_message"] == tally.sample[0]["message"] == "duplicate id, first at line 1"


def test_a_message_for_all_records_keeps_what_looks_like_an_id() -> None:
    _, tally = matched([record(1), record(2)], [], ("rejected", "X", "at most id1 things"))
    assert tally.reasons == {("rejected", "X", "at most id1 things"): 2}


@pytest.mark.acceptance("B16")
def test_a_formula_is_defused_in_the_rejects() -> None:
    rows, _ = matched([record(1, "=HYPERLINK(1)")], [Reject("=HYPERLINK(1)", "+X", "@m")])
    assert [(r["id"], r["batchdrop_code"], r["batchdrop_message"]) for r in rows] == [("'=HYPERLINK(1)", "'+X", "'@m")]


@pytest.mark.parametrize(
    "message",
    [
        "no ann@example.org here, nor Ann@Example.ORG",
        "x" * (MESSAGE - 7) + "ann@exa",  # cut within it
        "x" * (MESSAGE - 1) + "A",
    ],
)
def test_a_message_tells_no_part_of_an_id_that_is_not_to_be_told(message: str) -> None:
    id_ = "ann@example.org"
    told = untold(message, id_)
    assert "ann@" not in told.lower()
    assert not told.endswith("A")
    assert untold("nothing about it", id_) == "nothing about it"


def test_that_records_gave_way_is_told_however_many_other_reasons_are_more_frequent() -> None:
    tally = Tally()
    for n in range(SAMPLE):
        tally.reasons["rejected", f"E{n}", ""] = 2
    tally.add(record(1, problem=Problem("replaced", "by line 9")), "invalid", "replaced", "by line 9")
    found = commonest(tally.reasons, 20)
    assert (len(found), found[-1]) == (20, (GAVE_WAY, 1))
