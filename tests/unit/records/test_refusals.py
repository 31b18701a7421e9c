"""Drops that are refused as a whole, before anything is sent."""

from __future__ import annotations

import bz2
import gzip
import json
import re
import struct
import time
import zlib
from itertools import product
from unittest.mock import patch

import pytest

from batchdrop.errors import DropRefused
from batchdrop.records import expand, reading
from batchdrop.records.expand import BLOCK
from batchdrop.records.inspect import inspect
from batchdrop.records.jsonhead import ArrayFinder
from batchdrop.records.source import BytesSource
from batchdrop.records.spec import InputFormat, InputSpec
from batchdrop.records.utf8 import BOM
from tests.unit.records.drops import gzipped, look, problems, refusal, sent, zipped


@pytest.mark.acceptance("B1")
@pytest.mark.parametrize("data", [b"", b"id,name\n", b"id,name", b"\n\n  \n", b"\xef\xbb\xbf", b"\xef\xbb\xbfid\n\n\n"])
def test_a_file_without_records_is_empty(data: bytes) -> None:
    assert refusal(data).reason == "empty"


@pytest.mark.acceptance("B1")
@pytest.mark.parametrize("data", [b"[]", b" [ \n ] ", gzip.compress(b"", mtime=0), gzip.compress(b"\n\n", mtime=0)])
def test_an_empty_array_or_an_empty_packed_file_is_empty(data: bytes) -> None:
    assert refusal(data).reason == "empty"


@pytest.mark.acceptance("B3")
@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("text", ["id,name\n1,x\n", '[{"id": 1}]', '{"id": 1}\n'])
def test_wide_encodings_are_named_and_refused(encoding: str, text: str) -> None:
    error = refusal(text.encode(encoding))
    assert error.reason == "encoding"
    assert "UTF-16 or UTF-32" in str(error)


@pytest.mark.acceptance("B4")
@pytest.mark.parametrize(
    ("data", "offset", "line"),
    [
        ("id,name\n1,café\n".encode("cp1252"), 13, 2),
        (b'{"a":"ok"}\n{"a":"\xed\xa0\x80"}\n', 17, 2),
        (b'[{"a":"x"},\n{"a":"caf\xc3', 21, 2),
        (b"id\n1\n\xe2\x82", 5, 3),
    ],
)
def test_what_is_not_utf8_is_refused_with_its_place(data: bytes, offset: int, line: int) -> None:
    error = refusal(data)
    assert (error.reason, error.offset, error.line) == ("encoding", offset, line)


@pytest.mark.acceptance("B4")
@pytest.mark.parametrize(
    ("encoding", "bad"), [("windows-1252", b"\x81"), ("utf-16", b"\x00\xd8a\x00"), ("utf-16-be", b"\xd8\x00\x00a")]
)
@pytest.mark.parametrize("lines", [0, 3000, 70_000])
def test_what_is_not_in_the_routes_encoding_is_refused_with_its_line(encoding: str, bad: bytes, lines: int) -> None:
    before = "id,t\n" + "".join(f"{i},é\n" for i in range(lines)) + "9,"
    error = refusal(before.encode(encoding) + bad + "\n8,x\n".encode(encoding)[-10:], InputSpec(encoding=encoding))
    assert (error.reason, error.line, error.offset) == ("encoding", lines + 2, len(before.encode()))


@pytest.mark.acceptance("B4")
def test_what_has_not_the_byte_order_mark_its_encoding_needs_is_refused() -> None:
    assert refusal("é,1\n".encode("utf-16-be")[1:] * 3, InputSpec(encoding="utf-16")).reason == "encoding"


@pytest.mark.acceptance("B4")
def test_a_character_cut_by_a_block_border_is_whole_again() -> None:
    data = b"id,name\n" + "".join(f"{i},é😀é\n" for i in range(60_000)).encode()
    assert look(data).expanded_bytes == len(data)
    with pytest.raises(DropRefused) as caught:
        look(data + b"x,\xff\n")
    assert (caught.value.offset, caught.value.line) == (len(data) + 2, 60_002)


@pytest.mark.acceptance("B19")
@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("people.csv", b"\x89PNG\r\n\x1a\n" + bytes(1000)),
        ("people.csv", b"%PDF-1.7\n1 0 obj"),
        ("people.json", b"\xff\xd8\xff\xe0" + bytes(50)),
        ("people.csv", b"PAR1" + bytes(100)),
        ("people.csv", b"PAR1\x15\x04\x15\x80" + bytes(100)),
        ("people.csv", bz2.compress(b"id\n1\n")),
        ("people.csv", b"GIF89a\x01\0\x01\0"),
        ("page", b"<!DOCTYPE HTML>"),
        ("people.csv", zipped({"[Content_Types].xml": b"<x/>", "xl/workbook.xml": b"<x/>"})),
        ("people.json", b"id,name\n1,x\n"),
        ("people.csv", b'[{"id": 1}]'),
        ("people.csv", b"<html><body>sign in</body></html>"),
        ("people.csv.gz", gzipped(b"\x89PNG\r\n\x1a\n")),
        ("people.csv.gz", gzipped(gzipped(b"id\n1\n"))),
    ],
)
def test_another_kind_of_file_is_refused_at_once(name: str, data: bytes) -> None:
    began = time.monotonic()
    assert refusal(data, name=name).reason == "content"
    assert time.monotonic() - began < 1


@pytest.mark.acceptance("B19")
@pytest.mark.parametrize("header", ["par1,par2", "PAR1,PAR2", "bzh_code,x", "BZh,x", "gif8,x", "obj,x", "Sqlite,x"])
def test_a_header_may_begin_as_other_kinds_of_file_do(header: str) -> None:
    assert sent(f"{header}\n1,2\n".encode(), name="a.csv") == [dict(zip(header.split(","), "12", strict=True))]


@pytest.mark.acceptance("B20")
@pytest.mark.parametrize(
    ("format_", "data"),
    [("ndjson", b'[{"id":1}]'), ("json", b'{"id":1}'), ("json", b"id\n1\n"), ("ndjson", b"id\n1\n")],
)
def test_a_format_other_than_the_routes_is_refused(format_: str, data: bytes) -> None:
    assert refusal(data, InputSpec(format=format_)).reason == "format"  # type: ignore[arg-type]


@pytest.mark.acceptance("B5")
def test_a_quote_that_never_closes_is_refused_with_its_line() -> None:
    error = refusal(b'id,name\n1,x\n2,"open\n3,y\n4,z\n')
    assert (error.reason, error.line) == ("quotes", 3)


@pytest.mark.acceptance("B5")
def test_a_stray_opening_quote_that_would_swallow_records_is_refused() -> None:
    error = refusal(b'id,name\n1,"open\n2,"fine"\n3,z\n')
    assert (error.reason, error.line) == ("quotes", 2)


@pytest.mark.acceptance("B5")
def test_an_open_quote_is_found_at_the_end_of_a_file_bigger_than_a_record_may_be() -> None:
    spec = InputSpec(max_record_bytes=10_000)
    assert refusal(b'id,name\n1,"open\n' + b"2,x\n" * 500_000, spec).reason == "quotes"


@pytest.mark.acceptance("B6")
@pytest.mark.parametrize(
    ("header", "spec", "reason"),
    [
        (b"id,name,id", InputSpec(), "duplicate_header"),
        (b"id,name,a", InputSpec(rename={"a": "name"}), "duplicate_header"),
        (b"id,name", InputSpec(id=("key",)), "missing_column"),
        (b"id,name", InputSpec(required=("mail",)), "missing_column"),
        (b"id,", InputSpec(), "header"),
        (b"a,a.b", InputSpec(), "header"),
        (b"a,b..c", InputSpec(), "header"),
        (b"a\rb,c", InputSpec(), "line_ends"),
        (b"a,b\0", InputSpec(), "header"),
    ],
)
def test_a_header_that_cannot_be_used_is_refused(header: bytes, spec: InputSpec, reason: str) -> None:
    assert refusal(header + b"\n1,2,3\n", spec).reason == reason


@pytest.mark.parametrize(
    ("header", "spec"),
    [
        (b"ann@x,b,ann@x", InputSpec()),
        (b"a,b,ann@x", InputSpec(rename={"a": "ann@x"})),
        (b"q,ann@x.a,ann@x", InputSpec()),
        (b"q,ann@x..a", InputSpec()),
    ],
)
def test_a_first_line_that_is_no_header_is_not_told(header: bytes, spec: InputSpec) -> None:
    said = str(refusal(header + b"\n1,2,3\n", spec))
    assert "ann@" not in said
    assert re.search(r"columns? [1-3]( and [1-3])? of the header", said)


@pytest.mark.acceptance("B6")
@pytest.mark.parametrize(
    "header", [b",".join(b"column_%0100d" % n for n in range(4000)), b"A" * 600_000, b'"' + b"a\n" * 40_000 + b'",b']
)
def test_a_header_too_long_to_be_kept_is_refused_with_what_to_do(header: bytes) -> None:
    error = refusal(header + b"\n1,2\n")
    assert (error.reason, error.line) == ("header", 1)
    assert "at most 60,000" in str(error)
    assert "input.delimiter" in str(error)


@pytest.mark.acceptance("B6")
@pytest.mark.parametrize("block", [20, 1 << 18])
def test_carriage_returns_for_line_ends_are_told_of_a_file_larger_than_a_record_may_be(block: int) -> None:
    with patch.object(expand, "BLOCK", block):
        assert refusal(b"a,b\r" + b"1,2\r" * 100, InputSpec(max_record_bytes=50)).reason == "line_ends"
        assert refusal(b'a,"b\r\n' + b"1,2\r\n" * 100, InputSpec(max_record_bytes=50)).reason == "header"


def test_a_header_of_many_columns_is_taken() -> None:
    names = [f"column_{n:05d}" for n in range(4000)]
    (record,) = sent((",".join(names) + "\n" + ",".join("1" for _ in names) + "\n").encode())
    assert list(record) == names


def test_a_wrong_delimiter_is_hinted_at() -> None:
    assert "';'" in str(refusal(b"id;name\n1;x\n", InputSpec(id=("id",))))


@pytest.mark.acceptance("B14")
@pytest.mark.parametrize("cut", [5, 15, 40, -1, -8])
def test_a_truncated_gzip_is_refused(cut: int) -> None:
    whole = gzipped(b"id,name\n" + b"".join(b"%d,x%d\n" % (i, i * i) for i in range(1000)))
    assert refusal(whole[:cut]).reason == "truncated"


@pytest.mark.acceptance("B14")
def test_a_damaged_gzip_is_refused() -> None:
    whole = bytearray(gzipped(b"id,name\n" + b"".join(b"%d,x%d\n" % (i, i * i) for i in range(1000))))
    whole[-6] ^= 1
    assert refusal(bytes(whole)).reason == "corrupt"


@pytest.mark.acceptance("B14")
@pytest.mark.parametrize("junk", [b"x", b"junk after it", b"\x1f", b"\x1fx", b"\x1f\x8b"])
def test_junk_after_a_gzip_is_refused(junk: bytes) -> None:
    assert refusal(gzipped(b"id\n1\n") + junk).reason in ("corrupt", "truncated")


@pytest.mark.acceptance("B14")
def test_gzip_members_are_one_stream_and_zero_padding_is_none_of_it() -> None:
    data = gzipped(b"id,na", b"me\n1,", b"", b"x\n2,y\n") + bytes(100)
    assert sent(data) == [{"id": "1", "name": "x"}, {"id": "2", "name": "y"}]


def member(text: bytes, flags: int) -> bytes:
    """A gzip member with more in its header than Python's module writes."""
    head = b"\x1f\x8b\x08" + bytes([flags]) + b"\0\0\0\0\0\xff"
    head += struct.pack("<H", 300) + b"x\0" * 150 if flags & 4 else b""
    head += b"name.csv\0" if flags & 8 else b""
    head += b"a comment\0" if flags & 16 else b""
    head += struct.pack("<H", zlib.crc32(head) & 0xFFFF) if flags & 2 else b""
    packer = zlib.compressobj(wbits=-15)
    return head + packer.compress(text) + packer.flush() + struct.pack("<LL", zlib.crc32(text), len(text))


@pytest.mark.acceptance("B14")
@pytest.mark.parametrize("flags", range(0, 32, 2))
@pytest.mark.parametrize("block", [1, 3, 7, 100, 311, 1 << 18])
def test_a_gzip_header_may_be_cut_by_a_block_anywhere(flags: int, block: int) -> None:
    data = member(b"id,n\n1,", flags) + b"\0" * 3 + member(b"x\n", flags)
    assert gzip.decompress(data) == b"id,n\n1,x\n"
    with patch.object(expand, "BLOCK", block):
        assert sent(data) == [{"id": "1", "n": "x"}]
        assert refusal(data + member(b"x", flags)[: 9 + len(member(b"", flags)) // 2]).reason == "truncated"


@pytest.mark.acceptance("B14")
def test_a_gzip_name_that_does_not_end_is_damage() -> None:
    assert refusal(gzipped(b"id\n1\n") + b"\x1f\x8b\x08\x08\0\0\0\0\0\xff" + b"x" * 3_000_000).reason == "corrupt"


@pytest.mark.acceptance("B2")
def test_a_first_gzip_member_of_one_byte_hides_nothing() -> None:
    text = b'\xef\xbb\xbf [{"id":1}]'
    assert sent(gzipped(*(text[i : i + 1] for i in range(len(text))))) == [{"id": 1}]


@pytest.mark.acceptance("B13")
def test_a_gzip_bomb_is_refused_early() -> None:
    bomb = gzip.compress(b"id\n" + bytes(1) + b"0" * 60_000_000)
    read = 0

    def check() -> None:
        nonlocal read
        read += 1

    with pytest.raises(DropRefused) as caught:
        inspect(BytesSource("x.gz", bomb), InputSpec(), check=check)
    assert caught.value.reason == "bomb"
    assert "beyond 200 times its stored size; raise input.max_ratio in the route" in str(caught.value)
    assert read < 60_000_000 / 2 / (1 << 18)


@pytest.mark.acceptance("B13")
def test_expansion_beyond_the_absolute_cap_is_refused() -> None:
    data = gzipped(b"id\n" + b"".join(b"%d\n" % i for i in range(100_000)))
    refused = refusal(data, InputSpec(max_expanded_bytes=300_000))
    assert refused.reason == "bomb"
    assert "beyond 300000 bytes; raise input.max_expanded_bytes in the route" in str(refused)


@pytest.mark.acceptance("B13")
@pytest.mark.parametrize(
    "files", [{"a.csv": b"id\n1\n", "b.csv": b"id\n2\n"}, {}, {"a.zip": zipped({"a.csv": b"id\n1\n"})}]
)
def test_a_zip_that_is_not_one_plain_file_is_refused(files: dict[str, bytes]) -> None:
    assert refusal(zipped(files)).reason in ("zip", "content")


@pytest.mark.acceptance("B13")
def test_a_zip_that_lies_about_its_size_is_refused() -> None:
    data = bytearray(zipped({"a.csv": b"id\n" + b"1\n" * 5000}))
    directory = data.rfind(b"PK\x01\x02")
    struct.pack_into("<L", data, directory + 24, 12)
    assert refusal(bytes(data)).reason == "corrupt"


@pytest.mark.acceptance("B13")
def test_a_zip_bomb_is_refused_by_what_comes_out_of_it() -> None:
    assert refusal(zipped({"a.csv": b"id\n" + b"0" * 30_000_000})).reason == "bomb"


@pytest.mark.acceptance("B15")
def test_an_encrypted_zip_is_refused() -> None:
    data = bytearray(zipped({"a.csv": b"id\n1\n"}))
    data[data.rfind(b"PK\x01\x02") + 8] |= 1
    assert refusal(bytes(data)).reason == "zip"


def test_a_cut_zip_is_refused() -> None:
    assert refusal(zipped({"a.csv": b"id\n1\n"})[:-30]).reason == "corrupt"


def test_a_zip_of_one_file_is_read_folders_and_macos_companions_aside() -> None:
    data = zipped({"export/": b"", "export/a.csv": b"id\n1\n", "__MACOSX/export/._a.csv": b"\0\0"})
    assert sent(data) == [{"id": "1"}]


@pytest.mark.parametrize(
    "data",
    [
        b'[{"id":1},{"id":2}',
        b'[{"id":1},',
        b'[{"id":1},{"id":"2',
        b"[",
        b'[{"a":[{"id":1},{"id":2},{"id":3}]',
    ],
)
def test_a_truncated_array_is_refused(data: bytes) -> None:
    assert refusal(data).reason == "truncated"


@pytest.mark.acceptance("B9")
@pytest.mark.parametrize(
    "data",
    [
        b'[{"id":1}] x',
        b'[{"id":1}]\n[{"id":2}]',
        b'[{"id":1}},{"id":2}]',
        b'[{"id":1},]',
        b'[{"id":1} ,\n\t ]',
        b'[{"id":"' + b"x" * 300 + b'"},]',
        b"[,]",
    ],
)
@pytest.mark.parametrize("block", [1, 2, 7, 1 << 18])
@pytest.mark.parametrize("most", [50, 10_000_000])
def test_a_broken_array_is_refused(data: bytes, block: int, most: int) -> None:
    with patch.object(expand, "BLOCK", block):
        assert refusal(data, InputSpec(max_record_bytes=most)).reason == "json"


@pytest.mark.parametrize("data", [b'[{"id":",]"} ]', b'[ {"id":",]"}]', b'[{"id":",]","t":"' + b"x" * 99 + b'"} ]'])
@pytest.mark.parametrize("block", [1, 2, 7, 1 << 18])
@pytest.mark.parametrize("most", [50, 10_000_000])
def test_a_comma_elsewhere_does_an_array_no_harm(data: bytes, block: int, most: int) -> None:
    with patch.object(expand, "BLOCK", block):
        assert look(data, InputSpec(max_record_bytes=most)).records == len(json.loads(data))


@pytest.mark.parametrize("key", ["data", 'da"t\\a', "é"])
def test_an_array_under_a_key_is_found_whatever_is_around_it(key: str) -> None:
    around = {"meta": {key: [0], "data": "[", "x": "}"}, "n": 1.5, key: [{"id": 1}, {"id": 2}], "after": {"data": [3]}}
    for indent, block in product((None, 2), (1, 3, 1 << 18)):
        data = json.dumps(around, indent=indent).encode()
        with patch.object(expand, "BLOCK", block), patch.object(reading, "_HEAD", min(block, 4096)):
            assert sent(data, InputSpec(json_key=key)) == [{"id": 1}, {"id": 2}]


@pytest.mark.parametrize("short", [1, 5, 60, 150])
def test_an_array_is_found_behind_a_string_in_which_a_block_ends(short: int) -> None:
    """Brackets and quotes in the string tell nothing."""
    begun = b'{"note": "' + b"x" * ((1 << 18) - 10 - short)
    data = begun + b' }] and \\" so on ' + b"y" * 100 + b'", "items": [{"id": 1}]}'
    assert sent(data, InputSpec(json_key="items")) == [{"id": 1}]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"data":{"id":1}}', "format"),
        (b'{"other":[{"id":1}]}', "format"),
        (b'{"data":[{"id":1}]', "json"),
        (b'{"data":[{"id":1}],}', "json"),
        (b'{"data":[{"id":1}', "truncated"),
    ],
)
def test_a_document_without_the_named_array_is_refused(data: bytes, reason: str) -> None:
    assert refusal(data, InputSpec(json_key="data")).reason == reason


def test_what_is_before_an_array_is_gone_through_in_time_in_proportion_to_it() -> None:
    data, gone_through = b'{"m":[' + b"{}," * 60_000 + b'1],"data":[{"id":1}]}', []

    class Counting(ArrayFinder):
        def find(self, head: bytes) -> int | None:
            gone_through.append(len(head) - self.at)
            return super().find(head)

    with patch.object(expand, "BLOCK", 100), patch("batchdrop.records.scans.ArrayFinder", Counting):
        assert sent(data, InputSpec(json_key="data")) == [{"id": 1}]
    assert 0 < sum(gone_through) < 2 * len(data)


DEEP = b"[" * 200_000 + b"]" * 200_000


@pytest.mark.parametrize(
    "data",
    [
        b'{"data":[{"id":1}],"data":[{"id":2},{"id":3}]}',
        b'{"data":[{"id":1}],"d\\u0061ta":[{"id":2}]}',
        b'{"data":[],"data":[{"id":1}]}',
        b'{"a":1,"a":2,"data":[{"id":1}]}',
        b'{"data":[{"id":1}],"m":{"a":1,"a":2}}',
        b'{"data":[{"id":1}],"m":NaN}',
        b'{"m":1e999,"data":[{"id":1}]}',
        b'{"data":[{"id":1}],"m":' + DEEP + b"}",
        b'{"m":' + DEEP + b',"data":[{"id":1}]}',
    ],
)
def test_what_is_around_an_array_is_held_to_the_rules_of_records(data: bytes) -> None:
    """A second array under the key would be lost without a word."""
    assert refusal(data, InputSpec(json_key="data")).reason == "json"


def test_what_is_around_an_array_may_be_deeper_than_the_routes_records() -> None:
    spec = InputSpec(json_key="data", max_depth=1)
    assert sent(b'{"m":[[[[1]]]],"data":[{"id":1}]}', spec) == [{"id": 1}]
    assert problems(b'{"data":[{"id":[1]}]}', spec) == [(1, "too_deep")]


def test_the_compression_is_told_by_the_content_not_the_name() -> None:
    assert sent(gzipped(b"id\n1\n"), name="people.csv") == sent(b"id\n1\n", name="people.csv.gz") == [{"id": "1"}]
    assert refusal(b"id\n1\n", InputSpec(compression="gzip")).reason == "compression"


@pytest.mark.parametrize(
    ("encoding", "saved"),
    [("utf-8", "utf-8"), ("utf-16", "utf-16"), ("utf-16-be", "utf-16-be"), ("utf-16", "utf-8-sig")],
)
def test_a_rejects_file_need_not_be_packed_in_whatever_encoding_it_was_saved(encoding: str, saved: str) -> None:
    data = "id,batchdrop_line,batchdrop_code\n1,2,x\n".encode(saved)
    assert sent(data, InputSpec(compression="gzip", encoding=encoding)) == [{"id": "1"}]


def test_the_caller_can_stop_the_inspection_when_its_time_is_up() -> None:
    class TimeUpError(Exception):
        pass

    def check() -> None:
        raise TimeUpError

    with pytest.raises(TimeUpError):
        inspect(BytesSource("x.csv", b"id\n1\n"), InputSpec(), check=check)


BLANKS = b"\n" * (BLOCK + 1000)


@pytest.mark.parametrize("most", [10_000_000, 1000], ids=["looked through", "too many"])
@pytest.mark.parametrize(
    ("format_", "name", "data"),
    [
        ("ndjson", "drop", b'{"id":1}\n{"id":2}\n'),
        ("auto", "drop.ndjson", b'{"id":1}\n{"id":2}\n'),
        ("csv", "drop", b"id\n1\n2\n"),
        ("auto", "drop.csv", b"id\n1\n2\n"),
    ],
)
def test_what_follows_many_blank_lines_is_read_as_the_route_or_the_name_says(
    format_: InputFormat, name: str, data: bytes, most: int
) -> None:
    found = look(BLANKS + data, InputSpec(format=format_, max_record_bytes=most), name)
    assert (found.format, found.records) == ("csv" if b"{" not in data else "ndjson", 2)


@pytest.mark.parametrize("bom", [b"", BOM])
@pytest.mark.parametrize("name", ["drop", "drop.json"])
@pytest.mark.parametrize("format_", ["auto", "json"])
def test_an_array_may_have_many_blank_lines_before_it(format_: InputFormat, name: str, bom: bytes) -> None:
    found = look(bom + BLANKS + b'[{"id":1}]', InputSpec(format=format_), name)
    assert (found.format, found.records, found.start.line) == ("json", 1, len(BLANKS) + 1)
    keyed = look(bom + BLANKS + b'{"a":[{"id":1}]}', InputSpec(format=format_, json_key="a"), name)
    assert (keyed.format, keyed.records) == ("json", 1)


@pytest.mark.parametrize(("format_", "data"), [("json", b'[{"id":1}]'), ("auto", b'{"id":1}'), ("auto", b"id\n1\n")])
def test_what_is_behind_more_blank_lines_than_are_looked_through_is_refused_as_that(
    format_: InputFormat, data: bytes
) -> None:
    refused = refusal(BLANKS + data, InputSpec(format=format_, max_record_bytes=1000))
    assert (refused.reason, "blank" in str(refused)) == ("format", True)


@pytest.mark.acceptance("B1")
@pytest.mark.parametrize("format_", ["auto", "csv", "json", "ndjson"])
@pytest.mark.parametrize("data", [b"\n \r\n", BLANKS])
@pytest.mark.parametrize("name", ["drop", "drop.json", "drop.csv"])
def test_a_file_of_blank_lines_is_empty_whatever_it_should_be(format_: InputFormat, data: bytes, name: str) -> None:
    assert refusal(data, InputSpec(format=format_), name).reason == "empty"


IDS = InputSpec(id=("id",))
MANY = [{"id": n, "name": "somebody"} for n in range(10_000)]


@pytest.mark.parametrize(
    ("data", "spec"),
    [
        (json.dumps({"total": 2, "items": [{"id": 1}, {"id": 2}]}), IDS),
        (json.dumps({"total": 2, "items": MANY}), IDS),
        (json.dumps({"items": [{"id": 1}]}), InputSpec()),
        (json.dumps({"items": [{"id": 1}], "total": 1}, indent=1), InputSpec()),
        ("\ufeff \n" + json.dumps({"id": 7, "items": MANY}, indent=1), IDS),
        (json.dumps({"items": [{"id": 1}]}), InputSpec(format="ndjson")),
        (json.dumps({"it\u00e9ms": [{"id": 1}]}), InputSpec(rename={"nr": "id"}, id=("id",))),
    ],
)
def test_an_object_that_seems_to_hold_the_records_in_an_array_is_hinted_at(data: str, spec: InputSpec) -> None:
    (warning,) = look(data.encode(), spec).warnings
    assert "with an array under 'it" in warning
    assert "input.json_key to its name" in warning
    assert ("input.format to json" in warning) is (spec.format == "ndjson")


def test_of_a_long_key_the_hint_tells_the_begin() -> None:
    (warning,) = look(json.dumps({"it" + "e" * 200_000: [{"id": 1}]}).encode(), InputSpec()).warnings
    assert len(warning) < 300


@pytest.mark.parametrize(
    ("data", "spec"),
    [
        (json.dumps({"id": 1, "items": [{"id": 1}]}), IDS),
        (json.dumps({"nr": 1, "items": [{"id": 1}]}), InputSpec(rename={"nr": "id"}, id=("id",))),
        (json.dumps({"$type": "VISIT", "$items": [{"id": 1}]}), InputSpec()),
        (json.dumps({"tags": [1, 2]}), IDS),
        (json.dumps({"a": [{"id": 1}], "b": [{"id": 1}]}), InputSpec()),
        (json.dumps({"items": [{"id": 1}], "batchdrop_line": 1}), IDS),
        (json.dumps({"items": [{"id": 1}]}) + "\n" + json.dumps({"items": [{"id": 2}]}) + "\n", IDS),
        (json.dumps({"items": [{"id": 1}]}), InputSpec(json_key="items", id=("id",))),
        ('[{"items": [{"id": 1}]}]', IDS),
        ('{"\\ud800": [{"id": 1}]}', IDS),
    ],
)
def test_a_record_that_holds_an_array_of_its_own_is_not_hinted_at(data: str, spec: InputSpec) -> None:
    assert look(data.encode(), spec).warnings == ()
