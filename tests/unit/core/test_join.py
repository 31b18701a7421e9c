"""What the kernel writes of refused records must be what is written of each by itself."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchdrop import matching
from batchdrop.destinations.base import Reject
from batchdrop.errors import DropRefused
from batchdrop.job import Batch
from batchdrop.matching import Tally, Whole, everyone, refused, rows_of_batch
from batchdrop.parcels import FileParcels
from batchdrop.records.inspect import inspect
from batchdrop.records.model import SourceRecord
from batchdrop.records.packager import Packager
from batchdrop.records.source import BytesSource
from batchdrop.records.spec import Duplicates, InputSpec, OutputSpec
from batchdrop.records.verdicts import MESSAGE, Rows
from batchdrop.refusals import Refusals

quick = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ROOMY = OutputSpec("ndjson", 1 << 40)


def opened(data: bytes, spec: InputSpec, output: OutputSpec = ROOMY) -> FileParcels:
    source = BytesSource("drop", data)
    inspection = inspect(source, spec)
    return FileParcels(Packager(source, spec, output, inspection), inspection, spec)


def the_batch(invalid: int = 1) -> Batch:
    return Batch("job", 1, "owner", "succeeded", 1, invalid=invalid)


def joined(parcels: FileParcels, rejects: list[Reject], whole: Whole | None, *, invalid: int) -> tuple[bytes, Tally]:
    refusals, tally = Refusals(rejects), Tally()
    if whole:
        found = everyone(parcels, None, None, whole, tally)
    else:
        found = refused(parcels, the_batch(invalid), refusals, tally)
    return b"".join(rows_of_batch(found, refusals, parcels.rejects(), tally, whole)), tally


def one_by_one(parcels: FileParcels, rejects: list[Reject], whole: Whole | None) -> tuple[bytes, Tally]:
    refusals, tally, ids = Refusals(rejects), Tally(), {reject.id for reject in rejects}
    records = list(parcels.replay(None, None))
    exact = [r for r in records if whole or r.problem or r.id in ids]
    nearly = [r for r in records if not whole and not r.problem and r.id not in ids]
    rows = rows_of_batch(iter([*exact, *nearly]), refusals, parcels.rejects(), tally, whole)
    return b"".join(rows), tally


def same(data: bytes, spec: InputSpec, output: OutputSpec, rejects: list[Reject], whole: Whole | None) -> None:
    try:
        parcels = opened(data, spec, output)
    except DropRefused:
        return
    invalid = sum(1 for record in parcels.replay(None, None) if record.problem)
    with patch.object(matching, "SAMPLE", 3):
        rows, tally = joined(parcels, rejects, whole, invalid=invalid)
        expected, counted = one_by_one(parcels, rejects, whole)
    assert rows == expected
    assert tally == counted
    assert list(tally.reasons) == list(counted.reasons)


words = st.one_of(
    st.sampled_from(
        ["", "x", "'x", "=1", "''-", "a,b", "a;b", 'say "no"', "x\ny", "a\r\nb", "\t", "\x01\\é😀", "it's", "x\ud83d"]
    ),
    st.text(max_size=3),
)
ids = st.sampled_from(["", "a", "A", "ß", "SS", "b/1", 'q"', "=c", "0", "1", "é\ud800"])
refusals = st.lists(st.builds(Reject, ids, words, words, st.booleans()), max_size=6)
wholes = st.one_of(st.none(), st.tuples(st.sampled_from(["rejected", "unprocessed"]), words, words))
outputs = st.builds(OutputSpec, st.just("ndjson"), st.sampled_from([40, 1 << 40]))
rows_of_text = st.lists(
    st.tuples(ids, st.sampled_from(["", "1", "-5", "é", 'q"', "a\nb", "'", '="x;,\n"', "''=\t'"])), max_size=12
)


@quick
@given(
    rows_of_text,
    refusals,
    wholes,
    outputs,
    st.sampled_from([(",", '"'), (";", "'"), ("\t", '"')]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([(), ("id",), ("id", "v")]),
    st.sampled_from(["reject", "allow"]),
)
def test_rows(
    table: list[tuple[str, str]],
    rejects: list[Reject],
    whole: Whole | None,
    output: OutputSpec,
    dialect: tuple[str, str],
    end: str,
    id_: tuple[str, ...],
    duplicates: Duplicates,
) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator=end, delimiter=dialect[0], quotechar=dialect[1])
    writer.writerows([("id", "v"), *table])
    spec = InputSpec(
        format="csv", id=id_, delimiter=dialect[0], quote=dialect[1], id_joiner="/", types={"v": "string"},
        duplicates=duplicates,
    )  # fmt: skip
    rejects += [Reject(f"{row[0]}/{row[1]}", "both", "m") for row in table[::2]]
    same(text.getvalue().encode("utf-8", "replace"), spec, output, rejects, whole)


@quick
@given(
    st.lists(
        st.sampled_from(["id", "v", "batchdrop_line"]).flatmap(lambda k: st.tuples(st.just(k), words)), max_size=8
    ),
    refusals,
    wholes,
    outputs,
    st.booleans(),
    st.sampled_from(["", " ", "\r", "\n"]),
)
def test_objects(
    fields: list[tuple[str, str]],
    rejects: list[Reject],
    whole: Whole | None,
    output: OutputSpec,
    array: bool,
    space: str,
) -> None:
    items = [json.dumps({"id": reject.id, key: text}) for reject, (key, text) in zip(rejects * 4, fields, strict=False)]
    items += [json.dumps({key: text}, ensure_ascii=False) for key, text in fields]
    lines = "".join(item + space.strip("\n") + "\n" for item in items)
    data = "[" + f"{space},".join(items) + "]" if array else lines
    spec = InputSpec(format="json" if array else "ndjson", id=("id",))
    same(data.encode("utf-8", "replace"), spec, output, rejects, whole)


TABLE = "id,price,note\n" + "".join(f'id{i},{i}.50,"a, ""b"""\n' for i in range(2000))
FORMULAS = "id,price,note\n" + "".join(f'id{i},-{i}.50,"=a, ""b"""\n' for i in range(2000))
LINES = "".join(f'{{"id":"id{i}","price":{i}.50}}\n' for i in range(2000))


def found_by_hand(data: str, whole: Whole | None) -> tuple[int, int]:
    """How many records were looked at by themselves, and how many rows were not."""
    parcels, tally = opened(data.encode(), InputSpec(id=("id",))), Tally()
    told = Refusals([Reject(f"id{i}", "E", f"message {i}") for i in reversed(range(2000))])
    found: Iterator[SourceRecord | Rows]
    found = everyone(parcels, None, None, whole, tally) if whole else refused(parcels, the_batch(), told, tally)
    each = [len(one.verdicts) if isinstance(one, Rows) else 0 for one in found]
    return each.count(0), sum(each)


@pytest.mark.parametrize("data", [TABLE, FORMULAS, LINES])
@pytest.mark.parametrize("whole", [None, ("rejected", "E", "all of it")])
def test_rows_of_plain_records_are_the_kernels(data: str, whole: Whole | None) -> None:
    """A fast way nobody takes would go unnoticed."""
    assert found_by_hand(data, whole) == (100, 1900)


@pytest.mark.parametrize("different", [1, 50, 99, 100, 101, 2000])
@pytest.mark.parametrize("codes", [1, 7])
def test_reasons_are_counted_as_if_one_by_one(different: int, codes: int) -> None:
    parcels = opened(TABLE.encode(), InputSpec(id=("id",)))
    rejects = [Reject(f"id{i}", f"E{i % codes}", f"m{i % different}") for i in range(0, 2000, 2)]
    rows, tally = joined(parcels, rejects, None, invalid=0)
    expected, counted = one_by_one(parcels, rejects, None)
    assert (rows, tally) == (expected, counted)
    assert list(tally.reasons) == list(counted.reasons)


def test_reasons_that_tell_the_id_are_counted_together() -> None:
    parcels = opened(TABLE.encode(), InputSpec(id=("id",)))
    rejects = [Reject(f"id{i}", "E", f"id{i} is there") for i in range(2000)]
    rows, tally = joined(parcels, rejects, None, invalid=0)
    assert tally.reasons == {("rejected", "E", "<id> is there"): 2000}
    assert (rows, tally) == one_by_one(parcels, rejects, None)


def test_a_record_is_read_again_where_its_row_was_not_room_for() -> None:
    data = "id,note\n" + "".join(f"id{i},{'x' * 700}\n" for i in range(3000))
    rejects = [Reject(f"id{i}", "E", "é" * MESSAGE) for i in range(3000)]
    parcels = opened(data.encode(), InputSpec(id=("id",)))
    rows, tally = joined(parcels, rejects, None, invalid=0)
    assert len(list(csv.DictReader(io.StringIO(rows.decode()), fieldnames=["id"]))) == 3000
    assert (tally.matched, tally.unmatched) == (3000, [])
    assert rows == one_by_one(parcels, rejects, None)[0]


def test_ids_that_the_report_is_not_to_tell_are_hashed_in_words_about_them() -> None:
    parcels, tally = opened(TABLE.encode(), InputSpec(id=("id",))), Tally(hashes_ids=True)
    told = Refusals([Reject(f"id{i}", "E", f"no id{i}") for i in range(300)])
    records = refused(parcels, the_batch(), told, tally)
    rows = b"".join(rows_of_batch(records, told, parcels.rejects(), tally, None))
    assert rows.count(b"no id") == 300
    assert not [key for key in tally.reasons if "no id" in key[2]]
