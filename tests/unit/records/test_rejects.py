"""The rejects file: the user's own records, safe to open in a spreadsheet, and lossless when dropped again."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchdrop.records.rejects import RejectsWriter
from batchdrop.records.safecell import protect, restore
from batchdrop.records.spec import Compression, InputFormat, InputSpec
from tests.unit.records.drops import gzipped, look, problems, records, refusal, sent, zipped

OURS = ["batchdrop_line", "batchdrop_outcome", "batchdrop_code", "batchdrop_message"]
DANGEROUS = ['=HYPERLINK("http://x","y")', "+1", "-5", "@a", "\tx", "\rx", "'=1", "''-", "-"]
HARMLESS = ["x", "'quoted'", "a=b", "5-3", ""]


def rejects(data: bytes, spec: InputSpec = InputSpec()) -> bytes:  # noqa: B008
    """All records of a drop as a rejects file."""
    inspection = look(data, spec)
    writer = RejectsWriter.for_format(inspection.format, inspection.header, spec.delimiter, spec.quote)
    rows = [writer.row(r, "rejected", "E1", "=bad") for r in records(data, spec)]
    return writer.head() + b"".join(rows)


def as_csv(rows: list[list[str]], delimiter: str = ",") -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, delimiter=delimiter, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


@pytest.mark.acceptance("B16")
def test_cells_a_spreadsheet_could_run_are_made_harmless_in_the_rejects_file() -> None:
    data = as_csv([["id", "v"], *[[str(i), cell] for i, cell in enumerate(DANGEROUS + HARMLESS)]])
    header, *rows = csv.reader(io.StringIO(rejects(data).decode(), newline=""))
    assert header == ["id", "v", *OURS]
    assert [row[1] for row in rows] == ["'" + cell for cell in DANGEROUS] + HARMLESS
    assert rows[0][2:] == ["2", "rejected", "E1", "'=bad"]
    assert not [cell for row in rows for cell in row if cell[:1] in tuple("=+-@\t\r")]


@pytest.mark.acceptance("B16")
@pytest.mark.parametrize("delimiter", [",", ";"])
def test_a_rejects_file_dropped_again_gives_the_same_records(delimiter: str) -> None:
    spec = InputSpec(delimiter=delimiter)
    table = [["id", "v"], *[[str(i), cell] for i, cell in enumerate(DANGEROUS + HARMLESS)]]
    data = as_csv(table, delimiter)
    once = rejects(data, spec)
    assert sent(once, spec) == sent(data, spec)
    assert sent(rejects(once, spec), spec) == sent(data, spec)


@given(st.text(st.sampled_from("'=+-@\t\r\nx5"), max_size=6))
def test_protecting_a_cell_can_always_be_undone(cell: str) -> None:
    assert restore(protect(cell)) == cell


@pytest.mark.parametrize("deleted", OURS)
@pytest.mark.parametrize("header", [None, ("id", "v")])
def test_a_rejects_file_that_lost_one_of_our_columns_is_still_one(deleted: str, header: tuple[str, ...] | None) -> None:
    spec = InputSpec(header=header)
    once = rejects(b"id,v\n1,=1+1\n" if header is None else b"1,=1+1\n", spec)
    names, cells = csv.reader(io.StringIO(once.decode()))
    kept = [[row[i] for i, name in enumerate(names) if name != deleted] for row in (names, cells)]
    assert sent(as_csv(kept), spec) == [{"id": "1", "v": "=1+1"}]
    mended_again = rejects(as_csv(kept), spec)
    assert mended_again.splitlines()[0] == once.splitlines()[0]
    assert sent(mended_again, spec) == [{"id": "1", "v": "=1+1"}]


@pytest.mark.parametrize("deleted", OURS[1:])
def test_a_json_line_of_a_rejects_file_that_lost_one_of_our_fields_is_still_one(deleted: str) -> None:
    line = json.loads(rejects(b'{"id":1,"n":2}\n'))
    del line[deleted]
    assert sent(json.dumps(line).encode()) == [{"id": 1, "n": 2}]


def test_a_file_without_our_columns_is_left_alone() -> None:
    assert sent(b"id,v\n1,'=x\n") == [{"id": "1", "v": "'=x"}]


def test_a_row_of_another_length_keeps_its_cells_and_the_header_s_width() -> None:
    out = rejects(b"id,v\n1\n2,a,b\n")
    rows = list(csv.reader(io.StringIO(out.decode(), newline="")))
    assert [row[:2] for row in rows] == [["id", "v"], ["1", ""], ["2", "a,b"]]
    assert {len(row) for row in rows} == {6}


def test_where_the_route_gives_the_header_that_of_a_rejects_file_is_never_taken_for_a_record() -> None:
    spec = InputSpec(header=("id", "v"))
    assert sent(b"v,batchdrop_line,id\nx,3,1\n", spec) == [{"v": "x", "id": "1"}]
    for header in (b"id,batchdrop_line", b"id,w,batchdrop_line", b"id,v,w,batchdrop_line", b"batchdrop_line"):
        assert refusal(header + b"\n1,2,3,4\n", spec).reason == "header"


def test_a_long_first_record_does_not_hide_that_a_file_is_one_of_rejects() -> None:
    spec, data = InputSpec(compression="gzip"), b'{"a":"%b"}\n' % (b"x" * 600_000)
    assert sent(rejects(data), spec) == sent(data)
    assert refusal(data, spec).reason == "compression"


@pytest.mark.parametrize("header", [None, ("id", "v")])
@pytest.mark.parametrize("other", [";", "\t", "|"])
def test_a_rejects_file_saved_with_another_delimiter_is_refused_with_what_to_do(
    header: tuple[str, ...] | None, other: str
) -> None:
    spec = InputSpec(header=header)
    once = rejects(b"id,v\n1,x\n" if header is None else b"1,x\n", spec)
    for data in (once, b"\n".join(line.rpartition(b",")[0] for line in once.splitlines())):
        found = refusal(data.replace(b",", other.encode()), spec)
        assert found.reason == "header"
        assert "save it with the delimiter" in str(found)


@pytest.mark.parametrize(
    ("mended", "own"),
    [
        (b"1,a,b,3,invalid,row_too_long,x", ["1", "a,b"]),
        (b"1,3,invalid,row_too_short,x", ["1", ""]),
        (b"1,a,3,invalid", ["1", "a"]),
        (b"7,rejected,b,3,rejected,invalid,x", ["7", "rejected,b"]),
        (b"1,a,b", ["1", "a,b"]),
    ],
)
def test_a_mended_row_of_another_length_keeps_its_own_cells_and_none_of_ours(mended: bytes, own: list[str]) -> None:
    _, row = csv.reader(io.StringIO(rejects(b"id,v," + ",".join(OURS).encode() + b"\n" + mended + b"\n").decode()))
    assert row == [*own, "2", "rejected", "E1", "'=bad"]


def test_where_ours_were_moved_before_them_no_cell_of_a_row_of_another_length_is_lost() -> None:
    data = b"batchdrop_line,batchdrop_outcome,id,v\n3,invalid,1,a,b\n"
    _, row = csv.reader(io.StringIO(rejects(data).decode()))
    assert row[:2] == ["3", "invalid,1,a,b"]


def test_a_rejects_file_can_be_dropped_where_the_route_gives_the_header() -> None:
    spec = InputSpec(header=("id", "v"))
    assert sent(rejects(b"1,-5\n2,x\n", spec), spec) == [{"id": "1", "v": "-5"}, {"id": "2", "v": "x"}]


@pytest.mark.parametrize("data", [b'[{"id":1.10,"t":"=1"},\n {"id":2}]', b'{"id":1.10,"t":"=1"}\n{"id":2}\n'])
def test_json_rejects_are_lines_with_our_keys_and_can_be_dropped_again(data: bytes) -> None:
    once = rejects(data)
    first, second = (json.loads(line) for line in once.split(b"\n") if line)
    assert list(first) == ["id", "t", *OURS]
    assert (second["batchdrop_line"], second["batchdrop_message"]) == (2, "=bad")
    assert b"1.10" in once
    for spec in (InputSpec(), InputSpec(format="json")):
        assert sent(once, spec, "rejects.ndjson") == sent(data)
        assert sent(rejects(once), spec, "rejects.ndjson") == sent(data)


@pytest.mark.parametrize("raw", [b'{"id":', b"[1]", b"\xff", b"", b"{}"])
def test_json_that_cannot_be_read_still_makes_a_valid_line(raw: bytes) -> None:
    (record,) = records(b'{"id":1}\n')
    broken = type(record)(7, 9, None, False, raw)
    line = json.loads(RejectsWriter.for_format("ndjson").row(broken, "invalid", "syntax", "no"))
    assert line["batchdrop_line"] == 9


@pytest.mark.parametrize(
    ("format_", "name"), [("csv", "rejects.csv"), ("json", "rejects.ndjson"), ("ndjson", "rejects.ndjson")]
)
def test_the_file_is_named_for_its_format(format_: str, name: str) -> None:
    writer = RejectsWriter.for_format(format_, ["id"])
    assert writer.name == name
    assert writer.head() == (
        b"id,batchdrop_line,batchdrop_outcome,batchdrop_code,batchdrop_message\n" if "csv" in name else b""
    )


@pytest.mark.parametrize("array", [False, True])
def test_a_json_record_that_could_not_be_read_is_not_sent_until_it_is_mended(array: bool) -> None:
    row = rejects(b'{"id":1}\nxx\n').splitlines(keepends=True)[1]
    mended = row.replace(b'"batchdrop_raw":"xx"', b'"id":7')
    data = b"[%b,%b]" % (row.strip(), mended.strip()) if array else row + mended
    for spec in (InputSpec(), InputSpec(id=("id",), required=("id",), rename={"batchdrop_raw": "x"})):
        assert [code for _, code in problems(data, spec)] == ["not_mended"]
        assert sent(data, spec) == [{"id": 7}]


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a":1,"b":{"batchdrop_line":[1,"}"]},"a":2}',
        b'{"b" : [1 , {"c":2}],"a":1.10,"a":"\\",\\"batchdrop_line\\":7","a":null}',
        b'{"a":1,"\\u0061":2}',
    ],
)
def test_a_key_that_is_there_twice_keeps_both_its_values_however_often_its_row_is_dropped(raw: bytes) -> None:
    once = rejects(raw + b"\n")
    assert once.startswith(raw[:-1])
    assert rejects(rejects(once)) == rejects(once) == once
    assert [code for _, code in problems(once)] == ["duplicate_key"]


def test_our_fields_are_replaced_wherever_they_stand() -> None:
    row = b'{"batchdrop_line":7,"id":1, "\\u0062atchdrop_code" : {"a":[1,2]}, "n":[1,2],"batchdrop_message":"x"}\n'
    assert rejects(row) == b'{"id":1,"n":[1,2],' + rejects(b'{"id":1}\n').partition(b",")[2]
    assert rejects(b'{"batchdrop_line":7}\n') == b"{" + rejects(b'{"id":1}\n').partition(b",")[2]


def again(data: bytes, spec: InputSpec, name: str = "drop") -> tuple[list[dict[str, object]], bytes]:
    """What a drop sends, and its rejects file, of which the vendor is sent the same."""
    inspection = look(data, spec, name)
    given = (inspection.header, spec.delimiter, spec.quote, spec.encoding)
    writer = RejectsWriter.for_format(inspection.format, *given)
    rows = [writer.row(r, "rejected", "E1", "naïve 😀") for r in records(data, spec, name)]
    once = writer.head() + b"".join(rows)
    assert sent(once, spec, f"drops/r/0123.{writer.name}") == sent(data, spec, name)
    return sent(data, spec, name), once


@pytest.mark.parametrize("encoding", ["windows-1252", "utf-16", "utf-16-le", "utf-16-be", "iso-8859-15"])
@pytest.mark.parametrize("text", ["id,name\n1,Café\n", '{"id":"1","name":"Café"}\n'])
def test_rejects_of_files_in_another_encoding_are_utf_8_and_say_so(encoding: str, text: str) -> None:
    found, once = again(text.encode(encoding), InputSpec(encoding=encoding))
    assert found == [{"id": "1", "name": "Café"}]
    assert "Café" in once.decode("utf-8-sig")
    assert once.startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize("format_", ["auto", "json"])
def test_rejects_of_an_array_under_a_key_are_lines_that_its_route_takes(format_: InputFormat) -> None:
    spec = InputSpec(format=format_, json_key="items")
    assert again(b'{"items":[{"id":1},{"id":2}]}', spec, "a.json")[0] == [{"id": 1}, {"id": 2}]


@pytest.mark.parametrize(
    ("packed", "compression"),
    [
        (gzipped(b"id,a\n1,2\n"), "gzip"),
        (zipped({"a.csv": b"id,a\n1,2\n"}), "zip"),
        (gzipped(b'{"id":"1","a":"2"}\n'), "gzip"),
    ],
)
def test_rejects_need_no_packing_where_the_route_demands_it_of_drops(packed: bytes, compression: Compression) -> None:
    spec = InputSpec(compression=compression)
    assert again(packed, spec)[0] == [{"id": "1", "a": "2"}]
    assert refusal(b"id,a\n1,2\n", spec).reason == "compression"
