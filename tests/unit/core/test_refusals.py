"""Refusals by id, however the vendor tells them."""

from __future__ import annotations

import io
import json
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchdrop.destinations.base import Reject
from batchdrop.errorfile import IdSpec, RejectLines
from batchdrop.records.verdicts import MESSAGE
from batchdrop.refusals import Refusals

quick = settings(max_examples=400, deadline=None)
Told = list[tuple[str, str, str, bool]]


def told(refusals: Refusals) -> Told:
    return [(id_, *refusal) for id_, refusal in refusals.verdicts.left()]


def lines(data: bytes, spec: IdSpec, otherwise: tuple[str, str] = ("", "")) -> RejectLines:
    return RejectLines(lambda: io.BytesIO(data), spec, otherwise=otherwise)


texts = st.text(st.sampled_from("ab é\u2003\ud800😀"), max_size=3)


@quick
@given(st.lists(st.tuples(texts, texts, texts, st.booleans()), max_size=30), texts)
def test_the_first_refusal_of_an_id_counts(each: Told, other: str) -> None:
    model = {id_: (code, message, there) for id_, code, message, there in reversed(each)}
    found = Refusals(Reject(*one) for one in each)
    assert len(found) == len(model)
    assert [one[0] for one in told(found)] == list(dict.fromkeys(one[0] for one in each))
    assert {one[0]: one[1:] for one in told(found)} == model
    for id_ in (other, *model):
        assert found.of(id_) == (model.get(id_) if id_ else None)
        assert not found.is_open(id_)
    assert [one[0] for one in told(found)] == [id_ for id_ in model if not id_]
    assert found.of(None) is None


def test_more_different_refusals_than_are_shared_are_all_kept() -> None:
    each = [Reject(f"id{i}", f"code {i}", f"message {i % 1700}") for i in range(5000)]
    assert told(Refusals(each)) == each


@pytest.mark.parametrize("character", ["x", "é", "😀"])
def test_messages_are_shortened_by_characters(character: str) -> None:
    found = Refusals([Reject("a", "c", character * 2000), Reject("b", "c", character * MESSAGE)])
    assert [one[2] for one in told(found)] == [character * MESSAGE] * 2


names = ["id", "n", "code", "error_code", "error", "message", "reason", "x", "y", "", "é"]
values = st.recursive(
    st.one_of(
        st.sampled_from(["a", "", " b ", "\u2003c", "c\u2003", "\x85", "é", '"', '{"id": "in"}', "{", "\\", "\n"]),
        st.sampled_from([None, True, 0, -1.5, 12345678901234567890, 1e400]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.sampled_from(names), inner, max_size=3)),
    max_leaves=5,
)
records = st.lists(st.tuples(st.sampled_from(names), values), max_size=5)


@st.composite
def written(draw: st.DrawFn) -> str:
    """A line of an error file, with keys that repeat and words around as they come."""
    escaped, space = draw(st.booleans()), draw(st.sampled_from(["", "", " ", "\t", "\r"]))
    pairs = [
        f"{json.dumps(key, ensure_ascii=escaped)}:{space}{json.dumps(value, ensure_ascii=escaped)}"
        for key, value in draw(records)
    ]
    before, after = draw(st.sampled_from([("", ""), ("", ""), ("", ""), ("7;", ""), ("", ",bad"), ("\ufeff", "}")]))
    return f"{before}{{{space}{f'{space},'.join(pairs)}{space}}}{after}{space}"


@quick
@given(
    st.lists(st.one_of(written(), st.sampled_from(["", " ", "bad", "[]", "[1", '{"id":01}'])), max_size=6),
    st.sampled_from([("id",), ("id", "n"), ("n", "x"), ("x.y",), ()]),
    st.sampled_from([("", ""), ("refused", "see the file")]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([b"", b"\xff", b"\n"]),
)
def test_lines_read_at_once_are_what_they_are_one_by_one(
    each: list[str], fields: tuple[str, ...], otherwise: tuple[str, str], end: str, last: bytes
) -> None:
    given_ = lines(end.join(each).encode("utf-8", "surrogatepass") + last, IdSpec(fields, "/"), otherwise)
    assert told(Refusals(given_)) == told(Refusals(iter(given_)))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('{"x":"{\\"id\\":\\"in\\"}","r":{"id":"b"}}', [("in", "")]),
        ('{"x":"\\u007b\\"id\\":\\"in\\"}","r":{"id":"b"}}', [("in", "")]),
        ('{"r":{"id":"b"},"r":5}', []),
        ('{"r":{"id":"b"},"r":{"id":"c"}}', [("c", "")]),
        ('{"r":{"id":"b"},"s":{"id":"c"}}', [("b", "")]),
        ('{"r":{"id":"b","id":"c"}}', [("c", "")]),
        ('{"r":{"s":{"id":"c"}},"t":{"id":"b"}}', [("c", "")]),
        ('{"id":"","r":{"id":"b"}}', [("b", "")]),
        ('{"id":{"id":"b"}}', [("b", "")]),
        ('{"id":true,"r":{"id":"b"}}', [("b", "")]),
        ('{"i\\u0064":"a","r":{"id":"b"}}', [("a", "")]),
        ('{"id":"a","code":"x","code":"y"}', [("a", "y")]),
        ('{"id":"a","code":{"message":"x"}}', [("a", "x")]),
        ('{"id":"a","code":true}', [("a", "True")]),
        ('{"id":"a","code":"\\u00e9"}', [("a", "é")]),
        ('{"id":"a","code":["x"],"error_code":"y"}', [("a", "y")]),
        ('{"id":"a","x":01}', []),
        ('{"id":"a",}', []),
        ('{"id":"a"} {"id":"b"}', []),
        ('{"x":\r{"a":{"id":"c"}},"b":{"id":"b"}}', [("c", "")]),
        ('{"x":5\r,"a":{"id":"b"}}', [("b", "")]),
    ],
)
def test_what_is_unusual_about_a_line_is_looked_at(line: str, expected: list[tuple[str, str]]) -> None:
    given_ = lines(line.encode() + b"\n", IdSpec(("id",), "/"))
    assert [one[:2] for one in told(Refusals(given_))] == expected
    assert [one[:2] for one in told(Refusals(iter(given_)))] == expected


@pytest.mark.parametrize(
    ("line", "spec", "expected"),
    [
        ('{"id":"%d","code":"E","message":"é no"}', IdSpec(("id",), "/"), ("%d", "E", "é no")),
        ('{"id": %d, "error_code": 7, "error": null, "reason": " x "}', IdSpec(("id",), "/"), ("%d", "7", "x")),
        ('{"error": "x", "r": {"u": "%d", "at": 5, "l": [{"id": {}}]}}', IdSpec(("u", "at"), "/"), ("%d/5", "", "x")),
        ('{"id":"%d","tags":["a\\n",{"b":[true]}],"n":"\\u00e9"}\r', IdSpec(("id",), "/"), ("%d", "", "")),
    ],
)
def test_plain_lines_are_the_kernels(
    line: str, spec: IdSpec, expected: tuple[str, str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fast way nobody takes would go unnoticed."""
    data = "".join(line.replace("%d", str(i)) + "\n" for i in range(30_000)).encode()  # more than a block

    def refuse(_: object, left: list[bytes]) -> list[Reject]:
        assert left == [b""], "a plain line was looked at by itself"
        return []

    monkeypatch.setattr(RejectLines, "each", refuse)
    found = told(Refusals(lines(data, spec)))
    assert found == [(expected[0].replace("%d", str(i)), *expected[1:], False) for i in range(30_000)]


@pytest.mark.parametrize("between", [b", ", b",", b"\n,\n"])
def test_an_array_is_read_to_its_end(between: bytes) -> None:
    array = json.dumps([{"id": f"é{i}"} for i in range(20_000)], ensure_ascii=False)
    assert len(Refusals(lines(array.encode().replace(b", ", between), IdSpec(("id",), "/")))) == 20_000


def test_an_endless_line_is_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("batchdrop.errorfile.LONGEST_LINE", 3_000_000)
    monkeypatch.setattr("batchdrop.refusals.LONGEST_LINE", 3_000_000)
    data = b"x" * 6_500_000 + b'{"id":"a"}\n{"id":"b"}\n'
    given_ = lines(data, IdSpec(("id",), "/"))
    assert [one[0] for one in told(Refusals(given_))] == ["a", "b"]
    assert told(Refusals(given_)) == told(Refusals(iter(given_)))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ('[ERROR] bad record {"id":"1"}\n[ERROR] bad {"id":"2"}\nbad {"id":"3"}\n', "123"),
        ('{"id":"0"}\n[ERROR] bad record {"id":"1"}\n[{"id":"2"}]\n', "012"),
        ('["E1"] bad record {"id":"1"}\n["E1"] bad record {"id":"2"}\n', "12"),
        ('[{"id":"1"}] bad\n[{"id":"2"}] bad\n', "12"),
        ('[\n {\n  "id": "1"\n },\n {"id": "2"}\n]\n', "12"),
        ('\ufeff[{"id":"1"},{"id":"2"}]', "12"),
        ('[{"id":"1"},{"id":"2"}', "12"),
        ('[{"id":"1"}\n{"id":"2"}\n{"id":"3"}\n', "123"),
        ('[{"id":"1"},\nbad {"id":"2"},\n}\n{"id":"3"}\n', "123"),
        ('["a\n{"id":"1"}\n', "1"),
    ],
)
def test_lines_that_begin_as_an_array_does_lose_no_refusal(data: str, expected: str) -> None:
    given_ = lines(data.encode(), IdSpec(("id",), "/"))
    assert [one[0] for one in told(Refusals(given_))] == list(expected)
    assert [one[0] for one in told(Refusals(iter(given_)))] == list(expected)


def test_of_an_array_no_more_is_held_than_an_element() -> None:
    data = b"[" + b",".join(b'{"id":"%d","x":"%b"}' % (i % 50, b"x" * 10_000) for i in range(2000)) + b"]"
    given_ = lines(data.replace(b"},", b"},\n"), IdSpec(("id",), "/"))
    tracemalloc.start()
    assert len(Refusals(given_)) == 50
    assert tracemalloc.get_traced_memory()[1] < 1.5 * len(data)  # the test's own copy of the file is one
    tracemalloc.stop()
