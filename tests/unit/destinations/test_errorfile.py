"""Error files of a form nobody has published."""

from __future__ import annotations

import pytest

from batchdrop.errorfile import IdSpec, rejects_in

ID = IdSpec(("user.id", "at"), "/")


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ('{"user": {"id": "a"}, "at": 5}', ("a/5", "", "")),
        ('{"user.id": "a", "at": "5", "error": "bad", "code": "E1"}', ("a/5", "E1", "bad")),
        ('{"error": {"message": "bad"}, "record": {"user": {"id": "a"}, "at": 5}}', ("a/5", "", "bad")),
        ('{"reason": "bad", "line": "{\\"user\\": {\\"id\\": \\"a\\"}, \\"at\\": 5}"}', ("a/5", "", "bad")),
        ('7;bad;{"user": {"id": "a"}, "at": 5}', ("a/5", "", "7;bad")),
        ('7,"{""user"": {""id"": ""a""}, ""at"": 5}","bad"', ("a/5", "", "7   bad")),
        ('[{"user": {"id": "a"}, "at": 5, "message": "bad"},\n{"other": 1}]', ("a/5", "", "bad")),
        ('\ufeff{"user": {"id": "a"}, "at": 5}\r', ("a/5", "", "")),
        ('{"user": {"id": 12345678901234567890.10}, "at": 5}', ("12345678901234567890.10/5", "", "")),
    ],
)
def test_the_refused_record_is_recognised(file: str, expected: tuple[str, str, str]) -> None:
    (reject,) = rejects_in(file.encode().splitlines(keepends=True), ID, as_csv=False)

    assert (reject.id, reject.code) == expected[:2]
    assert reject.message.split() == expected[2].split() or expected[2].split()[-1] in reject.message


@pytest.mark.parametrize(
    "file", [b"", b"\xff\xfe\n", b"line 7: bad\n", b'{"line": 7}\n', b"{" * 5000, b"[1, 2]", b"[{", b'{"at": true}']
)
def test_what_names_no_record_is_passed_over(file: bytes) -> None:
    assert list(rejects_in(file.splitlines(keepends=True), ID, as_csv=False)) == []


@pytest.mark.parametrize(
    "file",
    [
        b'\n[{"id": "1"}, {"id": "2"}]',
        b'\xef\xbb\xbf\r\n [{"id": "1"},\n{"id": "2"}]',
        b'[null, {"id": "1"}, {"id": "2"}]',
        b'[true, -1.5, [7], {"id": "1"}, {"id": "2"}]',
        b'[[{"id": "1"}], {"id": "2"}]',
        b'[[ERROR] {"id": "1"}\n{"id": "2"}',
        b'[ERROR] {"id": "1"}\n[ERROR] {"id": "2"}',
        b'[12] {"id": "1"}\n[13] {"id": "2"}',
        b'[2026-11-28T10:00] bad {"id": "1"}\n[2026-11-28T10:01] bad {"id": "2"}',
    ],
)
def test_an_array_is_told_from_lines_in_brackets_whatever_it_begins_with(file: bytes) -> None:
    found = rejects_in(file.splitlines(keepends=True), IdSpec(("id",), "/"), as_csv=False)

    assert [reject.id for reject in found] == ["1", "2"]


COLUMNS = IdSpec.of_route(
    {"id": "mail", "rename": {"mail": "email_hash"}, "drop": ["note"]}, ["mail", "note", "segment_id"]
)


@pytest.mark.parametrize(
    "file",
    [
        b'a,1,"bad, very"\n',
        b'email_hash,segment_id,error\na,1,"bad, very"\n',
        b'error,email_hash\n"bad, very",a\n',
    ],
    ids=["as sent, with a word", "with a header", "in another order"],
)
def test_rows_of_a_csv_batch_are_recognised(file: bytes) -> None:
    (reject,) = rejects_in(file.splitlines(keepends=True), COLUMNS, as_csv=True)

    assert (reject.id, reject.message) == ("a", "bad, very")


def test_a_cell_with_a_line_end_does_not_split_its_row() -> None:
    rows = rejects_in([b'a,"1\n', b'2"\n', b"b,3\n"], COLUMNS, as_csv=True)

    assert [reject.id for reject in rows] == ["a", "b"]


def test_without_an_id_nothing_is_read() -> None:
    assert list(rejects_in([b'{"a": 1}\n'], IdSpec((), "/"), as_csv=False)) == []


@pytest.mark.parametrize("header", [b"", b"\xef\xbb\xbfmail,name,reason,field\n", b"\n\nmail,name,reason,field\n"])
def test_a_cell_that_holds_the_name_of_a_column_makes_no_header(header: bytes) -> None:
    rows = b"1,Ann,missing,name\n2,Bob,invalid,mail\n3,Cy,invalid,name\n"
    spec = IdSpec(("mail",), "/", ("mail", "name"))

    found = list(rejects_in((header + rows).splitlines(keepends=True), spec, as_csv=True))

    assert [reject.id for reject in found] == ["1", "2", "3"]
    assert "invalid" in found[1].message
