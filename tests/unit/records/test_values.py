"""What becomes of cells and fields: types, names, empties, and every digit as it was written."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from unittest.mock import patch

import pytest

from batchdrop.records import expand
from batchdrop.records.inspect import inspect
from batchdrop.records.source import BytesSource
from batchdrop.records.spec import TYPES, Empty, InputSpec
from tests.unit.records.drops import gzipped, lines, packager, payloads, problems, records, refusal, sent


def body(data: bytes, spec: InputSpec) -> bytes:
    return b"".join(payloads(packager(data, spec)))


def test_undeclared_columns_stay_texts_byte_for_byte() -> None:
    data = b'a,b,c,d,e\n007,1.10,TRUE," x ",=1+1\n'
    assert sent(data) == [{"a": "007", "b": "1.10", "c": "TRUE", "d": " x ", "e": "=1+1"}]


@pytest.mark.acceptance("B10")
@pytest.mark.parametrize(
    "digits", ["12345678901234567890.0", "1.10", "0", "-0.0", "1e5", "123456789012345678901234567890", "9" * 999]
)
def test_numbers_keep_every_digit(digits: str) -> None:
    spec = InputSpec(types={"n": "number"})
    assert body(f"n\n{digits}\n".encode(), spec) == f'{{"n":{digits}}}\n'.encode()
    assert body(f'[{{"n":{digits}}}]'.encode(), spec) == f'{{"n":{digits}}}\n'.encode()
    assert body(f'{{"n":{digits}}}\n'.encode(), spec) == f'{{"n":{digits}}}\n'.encode()


@pytest.mark.acceptance("B10")
def test_number_ids_are_never_floats() -> None:
    (record,) = records(b'[{"id":12345678901234567890.0}]', InputSpec(id=("id",)))
    assert record.id == "12345678901234567890.0"


@pytest.mark.parametrize(
    ("kind", "cell", "value"),
    [
        ("integer", "-12", -12),
        ("number", "-1.50", Decimal("-1.50")),
        ("boolean", "TRUE", True),
        ("boolean", "0", False),
        ("timestamp", "2025-01-31T12:00:00.123456Z", "2025-01-31T12:00:00.123456Z"),
        ("timestamp", "2025-01-31", "2025-01-31"),
        ("list", "red,green", ["red", "green"]),
        ("json", '{"x": [1.10]}', {"x": [Decimal("1.10")]}),
        ("string", "12", "12"),
    ],
)
def test_declared_types(kind: str, cell: str, value: object) -> None:
    quoted = cell.replace('"', '""')
    out = body(f'c,d\n"{quoted}",x\n'.encode(), InputSpec(types={"c": kind}))
    assert json.loads(out, parse_float=Decimal) == {"c": value, "d": "x"}


@pytest.mark.parametrize(
    ("kind", "cell"),
    [
        *[("integer", c) for c in ("007", "1_000", " 7", "7 ", "+7", "1.0", "1e3", "٣", "0x1F", "9" * 1001)],
        *[("number", c) for c in ("nan", "Infinity", "1_0.5", ".5", "5.", "1,5", "1e999", "-", "٣.1")],
        *[("boolean", c) for c in ("yes", "2", "t")],
        *[("timestamp", c) for c in ("2025-02-30", "31/01/2025", "2025-01-31T25:00Z", "1735689600")],
        *[("json", c) for c in ("{", "nan", '{"a":1,"a":2}', "[1] x")],
    ],
)
def test_a_cell_that_does_not_fit_its_type_is_an_invalid_record(kind: str, cell: str) -> None:
    quoted = cell.replace('"', '""')
    data = f'id,c\n1,\n2,"{quoted}"\n'.encode()
    spec = InputSpec(types={"c": kind})
    (bad,) = [r for r in records(data, spec) if r.problem]
    assert bad.problem
    assert (bad.line, bad.problem.code, bad.problem.column) == (3, "wrong_type", "c")
    assert [r["id"] for r in sent(data, spec)] == ["1"]


@pytest.mark.parametrize(
    ("data", "spec", "told"),
    [
        (b"id,n\n1,x\n", {"types": {"n": "number"}}, "n: the cell is not a number such as"),
        (b"key,n\n,2\n", {"id": ("key",)}, "key: the cell is empty"),
        (b"old,b\n,\n", {"required": ("new",), "rename": {"old": "new"}}, "old: the cell is empty"),
        (b"id\na/b\n", {"id": ("id",), "forbidden_in_id": "/"}, "id: the id must not hold /"),
        (b"id,n\n1,2\0\n", {"id": ("id",)}, "column 2: the cell holds a NUL"),
        (b"1,2\0\n", {"header": ("a", "b")}, "b: the cell holds a NUL"),
        (b'[{"n":1}]', {"id": ("a.b",)}, "a.b: the field is missing"),
        (b'[{"id":[]}]', {"id": ("id",)}, "id: an id must be a text"),
        (b'[{"id":"a/b"}]', {"id": ("id",), "forbidden_in_id": "/"}, "id: the id must not hold /"),
        (b"id,n\n1\n", {}, "the row has 1 cell"),
    ],
)
def test_a_report_tells_the_field_by_its_name_in_the_route_and_none_that_is_only_in_the_file(
    data: bytes, spec: dict[str, Any], told: str
) -> None:
    """The file may have no header: what is read as one can be somebody's values."""
    (bad,) = [r.problem for r in records(data + b"\n", InputSpec(**spec)) if r.problem]
    assert bad.told.startswith(told)
    assert bad.message == bad.told.removeprefix(f"{bad.place}: ")


@pytest.mark.parametrize(
    ("empty", "expected"),
    [
        ("omit", {"id": "1"}),
        ("null", {"id": "1", "s": None, "n": None, "l": None}),
        ("string", {"id": "1", "s": "", "n": None, "l": []}),
    ],
)
def test_empty_cells(empty: Empty, expected: dict[str, object]) -> None:
    spec = InputSpec(empty=empty, types={"n": "number", "l": "list"})
    assert sent(b'id,s,n,l\n1,,"",\n', spec) == [expected]


def test_dotted_columns_build_nested_objects_after_renaming() -> None:
    spec = InputSpec(rename={"town": "address.city"}, drop=("secret",), types={"address.no": "integer"})
    data = b"address.street,town,secret,address.no,x.y.z\nRue,Paris,s,7,deep\n"
    assert sent(data, spec) == [
        {"address": {"street": "Rue", "city": "Paris", "no": 7}, "x": {"y": {"z": "deep"}}},
    ]


@pytest.mark.parametrize("data", [b'[{"a":1.10,"b":{"a":2},"c":3}]', b'{"a":1.10,"b":{"a":2},"c":3}\n'])
def test_json_fields_are_renamed_and_dropped_at_the_top(data: bytes) -> None:
    assert body(data, InputSpec(rename={"a": "x"}, drop=("c",))) == b'{"x":1.10,"b":{"a":2}}\n'


@pytest.mark.acceptance("B2")
@pytest.mark.parametrize("data", [b'"id",name\n1,x\n', b'[{"id":"1","name":"x"}]', b'{"id":"1","name":"x"}'])
def test_a_byte_order_mark_is_no_part_of_the_first_name(data: bytes) -> None:
    assert sent(b"\xef\xbb\xbf" + data, InputSpec(id=("id",))) == [{"id": "1", "name": "x"}]


@pytest.mark.acceptance("B8")
@pytest.mark.parametrize("character", ["\u2028", "\u0085", "\x0b", "\x1c", "\u2029", "\x0c"])
def test_only_line_feeds_end_lines(character: str) -> None:
    value = f"a{character}b"
    raw = json.dumps({"v": value}, ensure_ascii=character < " ").encode()
    assert sent(raw + b"\n" + raw + b"\n") == [{"v": value}] * 2
    assert sent(f'v\n"{value}"\n{value}\n'.encode()) == [{"v": value}] * 2


@pytest.mark.acceptance("B7")
def test_a_cell_of_any_length_up_to_the_record_limit() -> None:
    data = b"id,v\n1," + b"x" * 200_000 + b"\n2,y\n"
    assert [len(str(r["v"])) for r in sent(data)] == [200_000, 1]
    assert problems(data, InputSpec(max_record_bytes=150_000)) == [(2, "too_big")]


@pytest.mark.acceptance("B6")
def test_rows_of_another_length_are_invalid_and_nothing_is_shifted() -> None:
    data = b"id,name,n\n1,x,1\n2,y\n3,z,3,4\n\n4,\0,4\n5,v,5\n"
    assert problems(data) == [(3, "row_too_short"), (4, "row_too_long"), (6, "nul")]
    assert [r["id"] for r in sent(data)] == ["1", "5"]


def test_a_carriage_return_outside_quotes_makes_the_row_invalid() -> None:
    data = b'id,name\r\n1,x\ry\r\n2,"a\r\nb"\r\n3,c\r\n'
    assert problems(data) == [(2, "carriage_return")]
    assert sent(data) == [{"id": "2", "name": "a\r\nb"}, {"id": "3", "name": "c"}]


def test_a_quote_inside_an_unquoted_cell_is_a_character() -> None:
    data = b'id,size\n1,5" pipe\n2,"6"" x\n7"",\n"\n3,8"\n'
    assert [r["size"] for r in sent(data)] == ['5" pipe', '6" x\n7",\n', '8"']


def test_where_commas_are_quotes_two_of_them_are_one_character_of_a_list() -> None:
    spec = InputSpec(delimiter=";", quote=",", types={"l": "list"})
    assert sent(b"l;n\n,x,,y,;1\n,x,;2\n", spec) == [{"l": ["x", "y"], "n": "1"}, {"l": ["x"], "n": "2"}]


def test_other_delimiters_and_quotes() -> None:
    spec = InputSpec(delimiter="\t", quote="'")
    assert sent(b"id\tname\n1\t'a\tb''c'\n2\t\"q\"\n", spec) == [
        {"id": "1", "name": "a\tb'c"},
        {"id": "2", "name": '"q"'},
    ]


def test_a_given_header_means_the_file_has_none() -> None:
    assert sent(b"1,x\n2,y\n", InputSpec(header=("id", "name")))[0] == {"id": "1", "name": "x"}


@pytest.mark.acceptance("B9")
@pytest.mark.parametrize(
    ("value", "code"),
    [
        ('{"id":1,"a":1,"a":2}', "duplicate_key"),
        ('{"id":1,"n":{"b":1,"b":1}}', "duplicate_key"),
        ('{"id":1,"a":1,"\\u0061":2}', "duplicate_key"),
        ('{"id":1,"a":NaN}', "not_a_number"),
        ('{"id":1,"a":-Infinity}', "not_a_number"),
        ('{"id":1,"a":1e999}', "number_range"),
        ('{"id":1,"a":1' + "0" * 400 + ".0}", "number_range"),
        ('{"id":1,"a":' + "1" * 5000 + "}", "number_length"),
        ('{"id":1,"a":' + "[" * 100_000 + "]" * 100_000 + "}", "too_deep"),
        ('{"id":1,"a":' + '{"a":' * 64 + "1" + "}" * 65, "too_deep"),
        ('{"id":1,"a":"\\ud800"}', "surrogate"),
        ('{"id":1,"a":01}', "syntax"),
        ('{"id":1,"a":"\\x"}', "syntax"),
        ('{"id":1,"a":tru}', "syntax"),
        ('{"id":1,}', "syntax"),
        ("[1,2]", "not_an_object"),
        ('"text"', "not_an_object"),
        ("12", "not_an_object"),
        ("null", "not_an_object"),
    ],
)
@pytest.mark.parametrize("before", [0, 3])
def test_json_records_that_are_no_sound_objects_are_invalid_and_the_rest_goes_on(
    value: str, code: str, before: int
) -> None:
    good = '{"id":1,"a":"ok","n":{"b":[1]}}'
    all_ = [good] * before + [value] + [good] * 2
    if before or value.startswith("{"):
        assert problems("\n".join(all_).encode()) == [(before + 1, code)]
    data = ("[" + ",\n".join(all_) + "]").encode()
    assert problems(data) == [(before + 1, code)]
    assert len(sent(data)) == before + 2


@pytest.mark.acceptance("B9")
def test_a_text_without_end_is_looked_through_once() -> None:
    """Each of its escaped quotes may look like the begin of a text: this record would take hours."""
    endless = b'{"id":1,"a":' + b"[" * 65 + b'"' + b'\\"' * 1_000_000
    assert problems(endless + b'\n{"id":2}\n') == [(1, "too_deep")]


def test_a_broken_last_line_is_one_invalid_record() -> None:
    assert problems(b'{"id":1}\n{"id":2}\n{"id":') == [(3, "syntax")]


def test_pretty_printed_arrays_become_lines() -> None:
    rows = [{"id": i, "t": "a\nb", "n": {"x": [1, 2]}} for i in range(50)]
    data = json.dumps(rows, indent=4).encode()
    assert sent(data) == rows
    assert body(data, InputSpec()).count(b"\n") == 50


@pytest.mark.parametrize("raw", [b'{"id" : 1 , "a":[ ] }', b'{"id":1,"t":"a\\\\"}', b'{"id":1,"t":"\\"\\\\\\""}'])
def test_json_passes_as_its_own_bytes(raw: bytes) -> None:
    assert body(raw + b"\n" + raw, InputSpec()) == (raw + b"\n") * 2
    assert body(b"[" + raw + b" , " + raw + b"]", InputSpec()) == (raw + b"\n") * 2


@pytest.mark.parametrize(
    ("item", "code"),
    [
        ({"id": ""}, "required"),
        ({"id": None}, "required"),
        ({}, "required"),
        ({"id": True}, "wrong_type"),
        ({"id": ["x"]}, "wrong_type"),
        ({"id": "a|b"}, "id_characters"),
        ({"id": "ok", "name": ""}, "required"),
    ],
)
def test_json_ids_and_required_fields(item: dict[str, object], code: str) -> None:
    good = {"id": "x", "name": "y"}
    data = lines([good, {"name": "n"} | item, good])
    forbidden = "|" if code == "id_characters" else ""
    assert problems(data, InputSpec(id=("id",), required=("name",), forbidden_in_id=forbidden)) == [(2, code)]


@pytest.mark.parametrize(("row", "code"), [("a|b,x", "id_characters"), (",x", "required"), ("ok,", "required")])
def test_csv_ids_and_required_cells(row: str, code: str) -> None:
    spec = InputSpec(id=("id",), required=("name",), forbidden_in_id="|")
    assert problems(f"id,name\n1,x\n{row}\n".encode(), spec) == [(3, code)]


def test_composite_ids_nested_and_renamed() -> None:
    spec = InputSpec(id=("user.id", "sku"), id_joiner="|", rename={"article": "sku"})
    csv_ = records(b"user.id,article\n007,x\n", spec)
    json_ = records(b'[{"user":{"id":7},"article":"x"},{"user.id":"8","article":"y"}]', spec)
    assert [r.id for r in csv_ + json_] == ["007|x", "7|x", "8|y"]


def test_of_a_key_further_in_that_is_there_twice_the_text_is_not_told() -> None:
    data = b'{"a":[{"ann@x":1,"ann@x":2}],"b":1,"c":"b\\":"}\n{"a":{"a":1},"\\u0061":2}\n'
    assert [r.problem.message for r in records(data) if r.problem] == [
        "a key further in is there twice in its object",
        "the key 'a' is there twice",
    ]


@pytest.mark.acceptance("B4")
@pytest.mark.parametrize("encoding", ["windows-1252", "iso-8859-15", "utf-16", "utf-16-le"])
@pytest.mark.parametrize("pack", [bytes, gzipped])
def test_a_declared_encoding_is_converted(encoding: str, pack: Callable[[bytes], bytes]) -> None:
    rows = [{"id": str(i), "name": "café €"} for i in range(60_000)]
    data = pack(("id,name\n" + "".join(f"{r['id']},{r['name']}\n" for r in rows)).encode(encoding))
    spec = InputSpec(encoding=encoding)
    packs = packager(data, spec, max_bytes=500_000)
    assert [json.loads(line) for body in payloads(packs) for line in body.splitlines()] == rows
    second = list(packs.batches())[1]
    assert next(packs.replay(second.start)).ordinal == second.start.ordinal + 1


@pytest.mark.acceptance("B4")
def test_bytes_a_declared_encoding_does_not_have_are_refused() -> None:
    error = refusal(b"id,name\n1,\x81\n", InputSpec(encoding="windows-1252"))
    assert error.reason == "encoding"


@pytest.mark.parametrize(
    ("data", "is_odd"),
    [
        ("café €\n".encode(), True),
        ("café €\n".encode("windows-1252"), False),
        (b"cafe\n", False),
        ("café".encode("windows-1252"), False),
        ("café".encode(), True),
        (b"x\n" * 40_000 + "é\n".encode(), True),
        (b"x\n" * 40_000 + "é\nb\n".encode("windows-1252"), False),
        ("\ufeffé".encode(), False),
    ],
    ids=["UTF-8", "windows-1252", "ASCII", "a last accent", "UTF-8's", "a late accent", "another", "with a mark"],
)
@pytest.mark.parametrize("block", [1, 2, 5, 1 << 18])
def test_a_file_that_seems_to_be_utf8_after_all_is_warned_of(data: bytes, is_odd: bool, block: int) -> None:
    mark = b"\xef\xbb\xbf" * data.startswith(b"\xef\xbb\xbf")
    source = BytesSource("drop", mark + b"id\n" + data.removeprefix(mark))
    with patch.object(expand, "BLOCK", block):
        warnings = inspect(source, InputSpec(encoding="windows-1252")).warnings
    assert ["seems to be UTF-8" in warning for warning in warnings] == [True] * is_odd


EMPTIES: dict[str, object] = {
    "string": "",
    "timestamp": "",
    "list": [],
    "integer": None,
    "number": None,
    "boolean": None,
    "json": None,
}


def test_an_empty_cell_is_by_default_as_empty_as_its_type_can_be() -> None:
    """As docs/routes.md says, of every type there is."""
    assert set(EMPTIES) == set(TYPES)
    data = (",".join(["plain", *EMPTIES]) + "\nx" + "," * len(EMPTIES) + "\n").encode()
    assert sent(data, InputSpec(types={kind: kind for kind in EMPTIES})) == [{"plain": "x", **EMPTIES}]


@pytest.mark.parametrize("empty", ["omit", "null", "string"])
def test_an_empty_cell_stays_one_in_a_batch_that_is_csv(empty: Empty) -> None:
    data = (",".join(["plain", *EMPTIES]) + "\nx" + "," * len(EMPTIES) + "\n").encode()
    spec = InputSpec(types={kind: kind for kind in EMPTIES}, empty=empty)
    assert b"".join(payloads(packager(data, spec, "csv"))) == data
