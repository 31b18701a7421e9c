"""Records too long to be held: they are passed over, and where they end does not depend on how the bytes come."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from batchdrop.records.codec import Form
from batchdrop.records.csvcodec import csv_form
from batchdrop.records.jsoncodec import json_form
from batchdrop.records.kernel import Stop
from batchdrop.records.model import Checkpoint
from batchdrop.records.packager import Packager
from batchdrop.records.scans import count
from batchdrop.records.source import BytesSource
from batchdrop.records.spec import InputSpec, OutputSpec
from tests.unit.records.drops import look, packager, problems, refusal, sent

SHORT = InputSpec(max_record_bytes=1000)
BLOCK = 1 << 18


@pytest.mark.acceptance("B5")
@pytest.mark.parametrize("rows", [10, 40_000])
def test_a_stray_quote_swallows_no_records_however_long_it_makes_one(rows: int) -> None:
    plain = b"".join(b"%d,some plain name\n" % n for n in range(rows))
    error = refusal(b'id,name\n1,x\n2,"oops\n' + plain + b'8,"quoted"\n9,y\n', SHORT)
    assert (error.reason, error.line) == ("quotes", 3)


@pytest.mark.acceptance("B5")
@pytest.mark.parametrize("behind", [b"x\n", b' "\n', b"\rx\n", b'\r"\n', b'"x"y\n'])
@pytest.mark.parametrize("room", [0, 1, 2, 3])
def test_text_behind_a_closing_quote_is_refused_wherever_blocks_end(behind: bytes, room: int) -> None:
    """The quote closes before, at or behind the end of the second block."""
    begun = b'id,name\n1,x\n2,"'
    data = begun + b"y" * (2 * BLOCK - len(begun) - room) + b'"' + behind + b"3,c\n" * 80_000
    error = refusal(data, InputSpec(max_record_bytes=300_000))
    assert (error.reason, error.line) == ("quotes", 3)


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b'\n3,"y"'])
@pytest.mark.parametrize("cell", [b"x" * 5000, b'"' + b"x\n" * 2500 + b'"', b'"' + b'""' * 2500 + b'"'])
def test_a_last_row_that_is_too_long_is_invalid_with_a_line_end_and_without(cell: bytes, end: bytes) -> None:
    data = b"id,t\n1,a\n2," + cell + end
    assert problems(data, SHORT) == [(3, "too_big")]
    assert [r["id"] for r in sent(data, SHORT)] == (["1", "3"] if b"3" in end else ["1"])


def test_a_row_too_long_within_quotes_that_never_close_is_refused() -> None:
    assert refusal(b'id,t\n1,a\n2,"' + b"x" * 5000, SHORT).reason == "quotes"


def test_a_bracket_that_closes_nothing_is_told_in_an_element_too_long_to_be_held() -> None:
    long = b'{"id":"' + b"x" * (2 * BLOCK) + b'"}'
    data = b'[{"id":1},' + long + b'},{"id":2},' * 3 + b'{"id":2}]'
    assert refusal(data, InputSpec(max_record_bytes=300_000)).reason == "json"


def test_a_file_with_a_long_row_is_packaged_from_any_batch_on_as_it_was_at_first() -> None:
    data = b"id,t\n" + b"1,a\n" * 500 + b'2,"' + b"y" * (2 * BLOCK) + b'"\r\n' + b"3,c\n" * 500
    spec, source = InputSpec(max_record_bytes=300_000), BytesSource("drop", data)
    packs = Packager(source, spec, OutputSpec("ndjson", 5000), look(data, spec))
    batches = list(packs.batches())
    for at, batch in enumerate(batches):
        assert [b.end for b in packs.batches(batch.start)] == [b.end for b in batches[at:]]


def walked(form: Form, pieces: list[bytes], cap: int) -> tuple[object, ...]:
    """How a walk through these pieces ends: broken, open, or sound with so many records."""
    walk = form.walk(iter(pieces), Checkpoint(0, 1, 0), cap)
    count(walk)
    if walk.stop is Stop.BROKEN:
        return "broken", walk.ordinal
    if walk.is_unended or (walk.rest.strip() and walk.stop is Stop.MORE):
        return ("open",)
    return walk.stop, walk.ordinal


@given(
    text=st.lists(st.sampled_from(['"', '"', ",", "\n", "\r", "\r\n", "a", "b" * 9, '"c"']), max_size=30).map("".join),
    cap=st.sampled_from([1, 4, 20]),
)
@example('a,"b"\r\nc', 1)
@example('"a"\r', 1)
def test_rows_end_at_the_same_places_in_one_piece_and_byte_by_byte(text: str, cap: int) -> None:
    data = text.encode()
    form = csv_form(InputSpec(max_record_bytes=cap))
    assert walked(form, [bytes([c]) for c in data], cap) == walked(form, [data], cap)


@given(
    text=st.lists(st.sampled_from(["{", "}", "}", "[", "]", ",", '"', "\\", " ", "1", '"a"']), max_size=30).map(
        "".join
    ),
    cap=st.sampled_from([1, 4, 20]),
)
@example("  ]", 1)
@example("1,  ]", 1)
def test_elements_end_at_the_same_places_in_one_piece_and_byte_by_byte(text: str, cap: int) -> None:
    data, form = text.encode(), json_form(is_array=True)
    assert walked(form, [bytes([c]) for c in data], cap) == walked(form, [data], cap)


def test_a_record_passed_over_has_its_place_and_none_of_its_bytes() -> None:
    data = b"id,t\n1,a\n2," + b"x" * (2 * BLOCK) + b"\n3,b\n"
    first, long, last = packager(data, SHORT).replay()
    assert (first.line, long.line, last.line) == (2, 3, 4)
    assert (long.raw, long.sent) == (b"", False)
