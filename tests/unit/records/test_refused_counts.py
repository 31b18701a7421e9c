"""How many records a drop holds that was refused as a whole."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchdrop.errors import DropRefused
from batchdrop.records import expand
from batchdrop.records.refused import Counted, count_refused
from batchdrop.records.source import BytesSource
from batchdrop.records.spec import InputSpec
from tests.unit.records.drops import ANY, patient, refusal

BAD = b"\xff"  # no UTF-8
WIDE = ('id,t\n1,"a\nb\nc"\n2,x\n', '[{"id":1},\n\n{"id":\n2}]')  # as it reads; of two records each
ROWS = b"id,name\n" + b"".join(b"%d,ann\n" % n for n in range(2000))


def counted(data: bytes, spec: InputSpec = ANY, check: Callable[[], None] = lambda: None) -> Counted:
    return count_refused(BytesSource("drop", data), spec, refusal(data, spec), check)


@pytest.mark.parametrize(
    ("data", "spec", "records"),
    [
        (b"id,name\n1,x\n\n \r\n2," + BAD + b"\n3,y", ANY, 4),
        (b'id,t\n1,"a\nb"\n2,"' + BAD + b'\n\nc"\n3,z\n', ANY, 3),
        (b'[{"id":1},\n{"id":"' + BAD + b'"},{"id":3}]', ANY, 3),
        (b'id,t\n1,"a\nb"\n2,"' + BAD + b'"x\n3,z\n', ANY, 4),
        (b"id,id\n1,x\n2,y\n", ANY, 2),
        (b"1,x\n2," + BAD + b"\n", InputSpec(header=("id", "name")), 2),
        (b'\xef\xbb\xbf{"id":1}\n{"id":"' + BAD + b'"}\n', ANY, 2),
        (b'id,t\n1,"a\nb"\n2,"x"y\n3,z\n', ANY, 3),
        (b'[{"id":1},\n{"id":2},\n{"id":', ANY, 2),
        (b'{"a":1,\n"data":[{"id":1},\n{"id":2},\n{"id":', InputSpec(json_key="data"), 2),
        (b"\x89PNG\r\n\x1a\n\n1\n2\n", ANY, 0),
        (gzip.compress(ROWS, mtime=0)[:-9], ANY, 2000),
        ("id\n1\n2\n".encode("utf-16"), ANY, 2),
        ("id\n1\n2\n".encode("utf-32"), ANY, 2),
        *((text.encode(encoding), ANY, 2) for text in WIDE for encoding in ("utf-16", "utf-16-le", "utf-16-be")),
        *((gzip.compress(text.encode("utf-16-le"), mtime=0), ANY, 2) for text in WIDE),
        (WIDE[0].encode() + BAD, InputSpec(encoding="utf-16"), 3),
        ('id,t\n1,"\u4e2d\n"\n2,x\n'.encode("utf-16-le"), InputSpec(encoding="utf-16"), 2),
        (WIDE[0].encode("utf-16-be") + b"\xd8\0\0a", InputSpec(encoding="utf-16-be"), 3),
        (b'\xef\xbb\xbfid,t\n1,"a\nb\nc"\n2,"' + BAD + b'\ny"\n3,z\n', ANY, 3),
        (b'\xef\xbb\xbfid,t\n1,"a\nb\nc"\n2,"' + BAD + b'\ny"\n3,z\n', InputSpec(encoding="windows-1252"), 3),
        (b'\xef\xbb\xbf[{"id":1},\n{"id":"' + BAD + b'"},{"id":3}]', ANY, 3),
        (b'id,t\n1,"a\nb"\n2,"\x81"\n', InputSpec(encoding="windows-1252"), 2),
    ],
)
@pytest.mark.parametrize("block", [1, 1 << 18])
def test_records_read_and_lines_behind_them_are_counted(data: bytes, spec: InputSpec, records: int, block: int) -> None:
    with patch.object(expand, "BLOCK", block):
        assert counted(data, spec) == (records, True)


@given(st.lists(st.sampled_from([b"a", b"\n", b" ", b"\r\n", b"b" * 7]), max_size=40).map(b"".join), st.integers(1, 9))
def test_lines_that_hold_anything_are_counted_wherever_blocks_end(text: bytes, block: int) -> None:
    data, refused = b"x" + text, DropRefused("header", "no matter why")
    with patch.object(expand, "BLOCK", block):
        found = count_refused(BytesSource("drop", data), ANY, refused, lambda: None)
    assert found == (sum(1 for line in data.split(b"\n") if line.strip()) - 1, True)


def test_an_array_refused_at_its_end_is_not_read_once_more() -> None:
    data, looks = b"[" + b'{"id":1},' * 300_000, 0

    def check() -> None:
        nonlocal looks
        looks += 1

    assert counted(data, check=check) == (300_000, True)
    assert looks < 3


@pytest.mark.acceptance("B13")
def test_what_expands_too_far_is_not_expanded_to_be_counted_either() -> None:
    bomb, looks = gzip.compress(bytes(60_000_000)), 0

    def check() -> None:
        nonlocal looks
        looks += 1

    assert refusal(bomb).reason == "encoding"
    assert counted(bomb, check=check).records == 0
    assert looks < 60_000_000 / 2 / (1 << 18)


def test_when_time_is_up_those_that_were_read_stand_and_that_they_may_not_be_all() -> None:
    data = ROWS + b"9," + BAD + b"\n" + b"1,x\n" * 1000
    with patch.object(expand, "BLOCK", 500):
        assert counted(data) == (3001, True)
        late = counted(data, check=patient(0))
        later = counted(data, check=patient(39))
    assert 1900 < late.records < later.records < 3001
    assert not late.is_all
    assert not later.is_all


def test_time_is_seen_to_pass_on_the_way_to_what_was_not_read_of_a_packed_file() -> None:
    """Else the function would end before it tells of the refusal, in every attempt."""
    data, refused = gzip.compress(ROWS, mtime=0), DropRefused("encoding", "no matter why")
    refused.read = (len(ROWS) - 12, 1998)
    with patch.object(expand, "BLOCK", 500):
        assert count_refused(BytesSource("drop", data), ANY, refused, lambda: None) == (2000, True)
        assert count_refused(BytesSource("drop", data), ANY, refused, patient(9)) == (1998, False)
