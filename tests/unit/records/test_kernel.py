"""What the kernel makes of records must be what the careful way makes of them, byte for byte, or be left to it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from batchdrop.errors import DropRefused
from batchdrop.records import expand
from batchdrop.records.idhashes import HEAD, IdHashes
from batchdrop.records.inspect import inspect
from batchdrop.records.jsoncheck import record_problem
from batchdrop.records.kernel import CsvSpec, Kernel, Run, Stop, utf8_prefix
from batchdrop.records.model import SourceRecord
from batchdrop.records.packager import Packager
from batchdrop.records.source import BytesSource
from batchdrop.records.spec import MOST_DEPTH, Empty, InputSpec, OutputFormat, OutputSpec, Quoting
from batchdrop.records.verdicts import Verdicts, Wanted

quick = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
KINDS = {
    "integer": ["0", "-7", "12345678901234567890", "007", "1_0", "+1", "-0", "1.0", " 1", "-", "9" * 201, "９"],
    "number": ["1.50", "2.25", "3", "-0.01", "1e5", "1E-07", ".5", "5.", "1e999", "0.10", "nan", "1e", "--1", "0x1F"],
    "boolean": ["true", "false", "TRUE", "fAlse", "1", "0", "yes", "tru"],
    "timestamp": [
        *("2025-01-31", "2025-02-29", "2024-02-29", "2025-01-31T12:00:00Z", "2025-01-31 12:00", "x", "0000-01-01"),
        *("2025-13-01", "2025-06-31", "2025-01-01T24:00", "2025-01-01T10:00:00.1234567890", "2025-01-01T10:00+05:30"),
        *("2025-01-01T10:00:00,5", "2025-01-01T10:00+0530", "2025-01-01T10", "2025-01-01T10:00:60Z"),
    ],
    "list": ["a,b", ",", "x", 'say "hi",b', "a\\,b\n"],
    "json": ['{"a": [1]}', "[", "1.10", '{"a":1,"a":2}', '{"a":\n"\\ud83d\\ude00"}', '"\\ud800"', "[" * 70 + "]" * 70],
    "string": [
        "x",
        "é😀",
        'say "hi"',
        "a,b",
        "x\ny",
        "a\r\nb",
        "back\\slash",
        "\t",
        "\x01\x7f\x1f",
        "=1",
        "'",
        " ",
        "\0",
    ],
}


def told(packs: Packager) -> Iterator[object]:
    """All that can be seen of a drop."""
    for batch in packs.batches():
        body = b""
        if batch.payload:
            body = batch.payload.open().read()
            batch.payload.close()
        yield batch.start, batch.end, batch.records, batch.invalid, body
    yield from packs.replay()
    if packs._spec.id:
        ids = IdHashes()
        ids.key = b"0123456789abcdef"
        packs.hash_ids(ids)
        yield bytes(ids.held[HEAD:])


def carefully(packs: Packager) -> Packager:
    """The same, every record looked at by itself."""
    spec = packs._codec.form.kernel._spec
    if isinstance(spec, CsvSpec):
        spec.all_careful = True
    else:
        spec.deepest = 0
    return packs


def same(data: bytes, spec: InputSpec, output: OutputSpec) -> None:
    source = BytesSource("drop", data)
    try:
        inspection = inspect(source, spec)
    except DropRefused:
        return
    fast = list(told(Packager(source, spec, output, inspection)))
    slow = list(told(carefully(Packager(source, spec, output, inspection))))
    assert fast == slow
    assert inspection.records == sum(1 for _ in Packager(source, spec, output, inspection).replay())


@pytest.mark.parametrize("delimiter", ["\t", ";", "\x1f"])
def test_a_delimiter_within_quotes_is_escaped_where_json_wants_it(delimiter: str) -> None:
    source = BytesSource("drop", f'a{delimiter}b\n1{delimiter}"x{delimiter}y"\n'.encode())
    spec = InputSpec(format="csv", delimiter=delimiter)
    (batch,) = Packager(source, spec, OutputSpec("ndjson", 1 << 40), inspect(source, spec)).batches()
    assert batch.payload is not None
    assert json.loads(batch.payload.open().read()) == {"a": "1", "b": f"x{delimiter}y"}


def test_a_header_bigger_than_a_batch_leaves_no_room_for_any_record() -> None:
    """Less than no room is not very much room: what is written must stay within it."""
    data = f"{'h' * 100},b\n".encode() + b"x,y\n" * 3000
    source, spec = BytesSource("drop", data), InputSpec(format="csv", id=("b",))
    packs = Packager(source, spec, OutputSpec("csv", 50), inspect(source, spec))
    (batch,) = packs.batches()
    assert (batch.records, batch.invalid, batch.payload) == (0, 3000, None)
    assert {r.problem.code for r in packs.replay() if r.problem} == {"over_batch_limit"}
    found = packs.find(Wanted(Verdicts([("y", "code", "message", False)])))
    assert {r.problem.code for r in found if isinstance(r, SourceRecord) and r.problem} == {"over_batch_limit"}


def test_a_renamed_record_does_not_depend_on_the_one_before() -> None:
    """It may be the first one of a batch when that is made again."""
    data = b'{"a":1,"b":2}\n{"a": 1,"b":\t2}\n{"a":  1,"b":2}\n'
    spec = InputSpec(format="ndjson", rename={"a": "c"})
    same(data, spec, OutputSpec("ndjson", 1 << 40))
    source = BytesSource("drop", data)
    (batch,) = Packager(source, spec, OutputSpec("ndjson", 1 << 40), inspect(source, spec)).batches()
    assert batch.payload is not None
    assert batch.payload.open().read() == b'{"c":1,"b":2}\n' * 3


def test_the_deepest_a_route_allows_is_no_danger() -> None:
    def nested(depth: int) -> bytes:
        return b'{"a":' * (depth - 1) + b"{" + b"}" * depth + b"\n"

    data = nested(MOST_DEPTH) + nested(MOST_DEPTH + 1) + b"[" * 1_000_000 + b"\n"
    spec, source = InputSpec(format="ndjson", max_depth=MOST_DEPTH), BytesSource("drop", data)
    packs = Packager(source, spec, OutputSpec("ndjson", 1 << 40), inspect(source, spec))
    with ThreadPoolExecutor() as threads:  # where batches are made ahead
        records = threads.submit(lambda: list(packs.replay())).result()
    assert [r.problem and r.problem.code for r in records] == [None, "too_deep", "too_deep"]


@pytest.mark.parametrize("blank", [b"\n", b"\r\n", b"\n\r\n\n", b"\n" * 500])
@pytest.mark.parametrize("format_", ["csv", "ndjson"])
def test_blank_lines_before_a_record_too_big_are_no_records(format_: Literal["csv", "ndjson"], blank: bytes) -> None:
    big = b'"' + b"x" * 300 + b'"'
    lines = [b'"a"', b'"1"', big, b'"2"', big] if format_ == "csv" else [b'{"a":1}', big, b'{"a":2}', big]
    data = blank.join(lines) + blank
    for block in (5, 64, 1 << 18):
        with patch.object(expand, "BLOCK", block):
            source, spec = BytesSource("drop", data), InputSpec(format=format_, max_record_bytes=100)
            inspection = inspect(source, spec)
            packs = Packager(source, spec, OutputSpec("ndjson", 1 << 40), inspection)
            records = list(packs.replay())
        assert [r.problem and r.problem.code for r in records] == [None, "too_big", None, "too_big"]
        assert inspection.records == 4
        first = 2 if format_ == "csv" else 1
        assert [r.line for r in records] == [1 + blank.count(b"\n") * (i + first - 1) for i in range(4)]


@pytest.mark.parametrize("data", [b"[\x0c]", b'[{"a":1},\x0b\n]', b'[{"a":1}, \r\n]'])
def test_what_is_no_space_in_json_is_a_record_at_the_end_too(data: bytes) -> None:
    same(data, InputSpec(format="json"), OutputSpec("ndjson", 1 << 40))


def test_a_quote_within_a_cell_of_a_row_too_big_opens_nothing() -> None:
    """Wherever the blocks end: else the rows behind it would be part of it in one pass and not in another."""
    rows = [b"a;b", b"1;2", b'x;y"' + b"z" * 200, b"3;4", b'"q""\n""r' + b"s" * 200 + b'\n";5', b"6;7", b'8;""']
    data = b"\n".join(rows) + b"\n"
    for block in (1, 3, 20, 1 << 18):
        with patch.object(expand, "BLOCK", block):
            source, spec = BytesSource("drop", data), InputSpec(format="csv", delimiter=";", max_record_bytes=100)
            inspection = inspect(source, spec)
            records = list(Packager(source, spec, OutputSpec("ndjson", 1 << 40), inspection).replay())
        assert inspection.records == 6
        assert [r.problem is not None for r in records] == [False, True, False, True, False, False]
        assert [r.line for r in records] == [2, 3, 4, 5, 8, 9]


columns = st.sampled_from(list(KINDS)).flatmap(
    lambda kind: st.tuples(
        st.just(kind),
        st.lists(st.one_of(st.sampled_from(["", *KINDS[kind]]), st.text(max_size=4)), min_size=4, max_size=4),
    )
)
outputs = st.builds(
    OutputSpec,
    st.sampled_from(["ndjson", "json_array", "csv"]),
    st.sampled_from([60, 120, 1 << 40]),
    st.sampled_from([None, 1, 3]),
    st.sampled_from(["minimal", "strings"]),
)
empties = st.sampled_from(["omit", "null", "string"])


@quick
@given(
    st.lists(columns, min_size=1, max_size=5),
    empties,
    outputs,
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    st.sampled_from([(",", '"'), (";", "'"), ("\t", '"')]),
    st.booleans(),
    st.sampled_from([(), ("c0",), ("c0", "n.b")]),
)
def test_tables(
    table: list[tuple[str, list[str]]],
    empty: Empty,
    output: OutputSpec,
    end: str,
    quoting: int,
    dialect: tuple[str, str],
    nested: bool,
    ids: tuple[str, ...],
) -> None:
    names = [("c0", "n.a", "c2", "n.b", "n.m.x") if nested else ("c0", "n", "c2", "c3", "c4")][0][: len(table)]
    text = io.StringIO()
    writer = csv.writer(text, quoting=quoting, lineterminator=end, delimiter=dialect[0], quotechar=dialect[1])  # type: ignore[arg-type]
    writer.writerow(names)
    writer.writerows(zip(*(cells for _, cells in table), strict=True))
    types = {n: kind for n, (kind, _) in zip(names, table, strict=True) if kind != "string"}
    spec = InputSpec(
        format="csv", empty=empty, types=types, delimiter=dialect[0], quote=dialect[1],
        id=tuple(i for i in ids if i in names), forbidden_in_id="/ x",
    )  # fmt: skip
    same(text.getvalue().encode("utf-8", "replace"), spec, output)


@quick
@given(
    st.lists(
        st.sampled_from(["a", "b", ",", '"', "\n", "\r", "\r\n", " ", "\\", "é", "\0", '""', ',"', '",']), max_size=40
    ),
    empties,
    outputs,
)
def test_any_text_as_a_table(pieces: list[str], empty: Empty, output: OutputSpec) -> None:
    same(
        ("a,b\n" + "".join(pieces)).encode(),
        InputSpec(format="csv", empty=empty, duplicates="reject", id=("a",)),
        output,
    )


texts = st.text(st.sampled_from('ab"\\é\n,:{}[]\u2028😀\x01'), max_size=5)
numbers = st.sampled_from(
    ["0", "-1.50", "1e5", "1E+99", "12345678901234567890123", "1e308", "0.1e-7", "1e400", "01", "9" * 1001]
)
words = st.sampled_from(
    [
        "true",
        "null",
        "NaN",
        "nul",
        "Infinity",
        '"\\ud800"',
        '"\\ud83d\\ude00"',
        '"\\u00e9"',
        '"\\x"',
        "'a'",
        '"batchdrop_line"',
    ]
)
spaces = st.sampled_from(["", "", " ", "\t", " \n", "\r\n"])


@st.composite
def written(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    """A JSON object, keys repeated as they come, with space where it may be."""
    pairs = draw(
        st.lists(st.tuples(st.sampled_from(["id", "b", "n", "é", "n.id", "\\", "batchdrop_line"]), values), max_size=4)
    )
    body = draw(spaces).join(
        f"{json.dumps(k, ensure_ascii=draw(st.booleans()))}{draw(spaces)}:{draw(spaces)}{v}," for k, v in pairs
    )
    return "{" + draw(spaces) + body[:-1] + draw(spaces) + "}"


raw_values = st.recursive(
    st.one_of(texts.map(json.dumps), texts.map(lambda t: json.dumps(t, ensure_ascii=False)), numbers, words),
    lambda v: st.one_of(st.lists(v, max_size=3).map(lambda items: "[" + ", ".join(items) + "]"), written(v)),
    max_leaves=6,
)
json_specs = st.builds(
    InputSpec,
    id=st.sampled_from([(), ("id",), ("n.id",), ("id", "n.id")]),
    required=st.sampled_from([(), ("b",), ("n",)]),
    rename=st.sampled_from([{}, {"b": "c"}, {"b": "é"}, {"id": "key", "b": "x"}]),
    drop=st.sampled_from([(), ("é",)]),
    forbidden_in_id=st.sampled_from(["", "/ a"]),
    max_depth=st.sampled_from([2, 64]),
    max_record_bytes=st.sampled_from([30, 10_000]),
)


@quick
@given(
    st.lists(st.one_of(written(raw_values), raw_values), min_size=1, max_size=6),
    json_specs,
    outputs,
    st.booleans(),
    spaces,
)
def test_json(items: list[str], spec: InputSpec, output: OutputSpec, array: bool, space: str) -> None:
    output = replace(output, format="ndjson") if output.format == "csv" else output
    if array:
        text = "[" + space + f"{space},{space}".join(items) + space + "]\n"
    else:
        text = "\n".join(item.replace("\n", " ") + space for item in items)
    same(text.encode("utf-8", "replace"), replace(spec, format="json" if array else "ndjson"), output)


@quick
@given(st.lists(written(raw_values), min_size=1, max_size=3), st.data(), json_specs, outputs, st.booleans())
def test_json_whose_records_are_alike(
    kinds: list[str], data: st.DataObject, spec: InputSpec, output: OutputSpec, array: bool
) -> None:
    """Keys that the record before had are not looked at again: they must be taken for what they are here."""
    items = data.draw(st.lists(st.sampled_from(kinds), min_size=2, max_size=8))
    output = replace(output, format="ndjson") if output.format == "csv" else output
    text = "[" + ",".join(items) + "]" if array else "\n".join(item.replace("\n", " ") for item in items)
    same(text.encode("utf-8", "replace"), replace(spec, format="json" if array else "ndjson"), output)


@quick
@given(st.lists(written(raw_values), min_size=1, max_size=4), st.data())
def test_json_with_any_byte_changed(items: list[str], data: st.DataObject) -> None:
    text = bytearray(("[" + ",".join(items) + "]").encode("utf-8", "replace"))
    text[data.draw(st.integers(1, len(text) - 1))] = data.draw(st.sampled_from(b'{}[],:"\\ a0\n\0\xff'))
    same(bytes(text), InputSpec(format="json", id=("id",)), OutputSpec("ndjson", 1 << 40))


@quick
@given(st.lists(written(raw_values), min_size=1, max_size=8))
def test_a_record_is_sound_whatever_the_one_before_it_was(items: list[str]) -> None:
    """Keys seen in the record before are not compared again; a repeated one must not slip through by that."""
    lines = [item.replace("\n", " ") for item in items]
    source = BytesSource("x", "".join(line + "\n" for line in [*lines, *lines]).encode("utf-8", "replace"))
    packs = Packager(source, InputSpec(format="ndjson"), OutputSpec("ndjson", 1 << 40), inspect(source, InputSpec()))
    sound = [record.problem is None for record in packs.replay()]
    assert sound == [_is_sound(line) for line in [*lines, *lines]]


@pytest.mark.acceptance("B9")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"l":[{"x":1},{"x":2}]}', '{"l":[{"x":1,"x":2}]}'),
        ('{"a":{"x":1},"x":2}', '{"a":{"x":1,"x":2}}'),
        ('{"a":{"x":1},"b":{"x":2}}', '{"a":{"x":1,"b":2,"x":2}}'),
        ('{"l":[{"x":1},[{"x":2}],{"y":3}]}', '{"l":[{"x":1},[{"x":2,"y":3,"y":4}]]}'),
        ('{"a":1,"b":2}', '{"a":1,"a":2}'),
        ('{"\\u0061":1,"a":2}', '{"\\u0061":1,"a":2}'),
    ],
)
def test_a_key_that_stood_in_another_object_of_the_record_before_is_still_repeated(before: str, after: str) -> None:
    source = BytesSource("x", f"{before}\n{after}\n".encode())
    packs = Packager(source, InputSpec(format="ndjson"), OutputSpec("ndjson", 1 << 40), inspect(source, InputSpec()))
    found = [record.problem.code if record.problem else None for record in packs.replay()]
    assert found[1] == "duplicate_key"


def _is_sound(line: str) -> bool:
    return record_problem(line.encode("utf-8", "replace")) is None


@quick
@given(st.binary(max_size=20).flatmap(lambda b: st.tuples(st.just(b), st.integers(0, 9000))))
def test_utf8_is_what_python_says_it_is(sample: tuple[bytes, int]) -> None:
    for data in (sample[0], b"a" * sample[1] + sample[0], "é".encode() * sample[1] + sample[0] + b"z" * 5000):
        prefix = utf8_prefix(data)
        data[:prefix].decode()
        assert prefix <= len(data.decode("utf-8", "ignore").encode())
        assert (prefix == len(data)) == _is_utf8(data)


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


GOOD = {
    "integer": ["0", "-7", "", "9223372036854775807"],
    "number": ["1.50", "2.25", "", "-0.01"],
    "boolean": ["true", "false", ""],
    "timestamp": ["2025-01-31", "2024-02-28T23:59:59.123Z", ""],
    "list": ["a,b", "x"],
    "json": ['{"a":1}', "[]"],
    "string": ["x", "é😀", 'say "hi"', "a,b", "x\ny"],
}


@pytest.mark.parametrize("empty", ["omit", "null", "string"])
@pytest.mark.parametrize(("output", "quoting"), [("ndjson", "minimal"), ("csv", "minimal"), ("csv", "strings")])
def test_plain_rows_are_the_kernels(
    empty: Empty, output: OutputFormat, quoting: Quoting, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fast way nobody takes would go unnoticed."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([GOOD, *([c[i % len(c)] for c in GOOD.values()] for i in range(2000))])
    _nothing_by_itself(monkeypatch)
    spec = InputSpec(empty=empty, types={k: k for k in GOOD}, rename={"string": "n.s", "number": "n.x"})
    sent = _sent(text.getvalue().encode(), spec, OutputSpec(output, 1 << 40, csv_quoting=quoting))
    assert len(list(csv.reader(io.StringIO(sent.decode(), newline="")))[output == "csv" :]) == 2000


@pytest.mark.parametrize("array", [True, False])
@pytest.mark.parametrize(
    "spec", [InputSpec(id=("id", "n.v")), InputSpec(rename={"t": "u"}, drop=("n",)), InputSpec(required=("t",))]
)
def test_plain_json_is_the_kernels(array: bool, spec: InputSpec, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"id": i, "t": 'x\n"\\é'[: 1 + i % 4], "n": {"v": i, "w": [None]}} | ({"o": 1.50} if i % 3 else {})
        for i in range(2000)
    ]
    lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    _nothing_by_itself(monkeypatch)
    sent = _sent(json.dumps(rows, indent=1).encode() if array else lines, spec, OutputSpec("ndjson", 1 << 40))
    kept = [{spec.rename.get(k, k): v for k, v in row.items() if k not in spec.drop} for row in rows]
    assert [json.loads(line) for line in sent.splitlines()] == kept


def _nothing_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor in runs of a few, as a record that seems unusual only after the one before ends a run."""

    def refuse(*_: object) -> None:
        raise AssertionError("a plain record was looked at by itself")

    def run(kernel: Kernel, *call: Any) -> Run:
        done = does(kernel, *call)
        assert done.stop is not Stop.CAREFUL, "a plain record was not taken as one"
        return done

    does = Kernel.run
    monkeypatch.setattr(Packager, "_one", refuse)
    monkeypatch.setattr(Kernel, "run", run)


def _sent(data: bytes, spec: InputSpec, output: OutputSpec) -> bytes:
    source = BytesSource("drop", data)
    (batch,) = Packager(source, spec, output, inspect(source, spec)).batches()
    assert batch.payload
    body = batch.payload.open().read()
    batch.payload.close()
    return body
