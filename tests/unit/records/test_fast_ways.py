"""Blocks encoded at once must give the very bytes that record after record gives, or leave it to that."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from batchdrop.records import csvcodec
from batchdrop.records.codec import Codec
from batchdrop.records.inspect import inspect
from batchdrop.records.jsoncheck import record_problem
from batchdrop.records.packager import Packager, make_codec
from batchdrop.records.shapes import Prover
from batchdrop.records.source import BytesSource
from batchdrop.records.spec import Empty, InputSpec, OutputFormat, OutputSpec, Quoting

quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
KINDS = {
    "integer": ["0", "-7", "12345678901234567890", "007", "1_0", "+1", "-0", "1.0", " 1", "9223372036854775807"],
    "number": ["1.50", "2.25", "3", "-0.01", "1e5", "12345678901234567890.12", ".5", "1e999", "0.10", "nan"],
    "boolean": ["true", "false", "TRUE", "1", "0", "yes"],
    "timestamp": ["2025-01-31", "2025-02-29", "2024-02-29", "2025-01-31T12:00:00Z", "2025-01-31 12:00", "x"],
    "list": ["a,b", "", "x"],
    "json": ['{"a": [1]}', "[", "1.10", '{"a":1,"a":2}'],
    "string": ["x", "é😀", 'say "hi"', "a,b", "x\ny", "a\r\nb", "back\\slash", "\t", "\x01\x7f", "=1", "'", " "],
}


def ways(codec: Codec, packs: Packager, source: BytesSource) -> tuple[list[bytes | None], list[bytes | None]]:
    """What each block gives at once, and what it gives record by record (None where a record is invalid)."""
    at_once: list[bytes | None] = []
    singly: list[bytes | None] = []
    for block in packs._blocks(packs._inspection.start):
        whole = codec.whole(block)
        encoded = [entry.encoded for entry in codec.entries(block)]
        sound = all(e is not None for e in encoded)
        at_once.append(whole.body if whole else None)
        singly.append(b"".join(e for e in encoded if e) if sound else None)
        if whole:
            assert whole.records == len(encoded)
    return at_once, singly


def same(data: bytes, spec: InputSpec, output: OutputSpec) -> list[bytes | None]:
    source = BytesSource("drop", data)
    inspection = inspect(source, spec)
    codec = make_codec(spec, output, inspection)
    at_once, singly = ways(codec, Packager(source, spec, output, inspection), source)
    for fast, slow in zip(at_once, singly, strict=True):
        assert fast is None or fast == slow
    return at_once


columns = st.sampled_from(list(KINDS)).flatmap(
    lambda kind: st.tuples(st.just(kind), st.lists(st.sampled_from(["", *KINDS[kind]]), min_size=3, max_size=3))
)


@quick
@given(
    st.lists(columns, min_size=1, max_size=4),
    st.sampled_from(["omit", "null", "string"]),
    st.sampled_from([("ndjson", "minimal"), ("csv", "minimal"), ("csv", "strings")]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
)
def test_csv_at_once_is_csv_row_by_row(
    table: list[tuple[str, list[str]]], empty: Empty, output: tuple[OutputFormat, Quoting], end: str, quoting: int
) -> None:
    names = [f"c{i}" for i in range(len(table))]
    text = io.StringIO()
    writer = csv.writer(text, quoting=quoting, lineterminator=end)  # type: ignore[arg-type]
    writer.writerow(names)
    writer.writerows(zip(*(cells for _, cells in table), strict=True))
    spec = InputSpec(
        format="csv",
        empty=empty,
        types={n: kind for n, (kind, _) in zip(names, table, strict=True) if kind != "string"},
    )
    try:
        inspect(BytesSource("x", text.getvalue().encode()), spec)
    except Exception:  # noqa: BLE001 - a table of nothing but blank lines, or a lone carriage return in the header
        return
    same(text.getvalue().encode(), spec, OutputSpec(output[0], 1 << 40, csv_quoting=output[1]))


GOOD = {
    "integer": ["0", "-7", "", "9223372036854775807"],
    "number": ["1.50", "2.25", "", "-0.01"],
    "boolean": ["true", "false", ""],
    "timestamp": ["2025-01-31", "2024-02-28T23:59:59.123Z", ""],
    "string": KINDS["string"][:5],
}


@pytest.mark.parametrize("empty", ["omit", "null", "string"])
@pytest.mark.parametrize("by_columns", [True, False])
@pytest.mark.parametrize("output", ["ndjson", "csv"])
def test_plain_tables_take_the_fast_ways(
    empty: Empty, by_columns: bool, output: OutputFormat, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fast way nobody takes would go unnoticed."""
    if not by_columns:
        monkeypatch.setattr(csvcodec, "columnar", lambda columns: None)
    rows = [",".join(f'"{c[i % len(c)]}"'.replace('say "hi"', "x") for c in GOOD.values()) for i in range(2000)]
    data = (",".join(GOOD) + "\n" + "\n".join(rows)).encode()
    spec = InputSpec(empty=empty, types={k: k for k in GOOD})
    assert all(same(data, spec, OutputSpec(output, 1 << 40)))


def written(pairs: list[tuple[str, str]]) -> str:
    """A JSON object, keys repeated as they come."""
    return "{" + ",".join(json.dumps(k) + ":" + value for k, value in pairs) + "}"


texts = st.text(st.sampled_from('ab"\\é\n,:{}[]'), max_size=5)
numbers = st.sampled_from(["0", "-1.50", "1e5", "1E+99", "12345678901234567890123", "1e308", "0.1e-7"])
raw_values = st.recursive(
    st.one_of(texts.map(json.dumps), numbers, st.sampled_from(["true", "null"])),
    lambda v: st.one_of(
        st.lists(v, max_size=3).map(lambda items: "[" + ", ".join(items) + "]"),
        st.lists(st.tuples(st.sampled_from(["a", "b", '"', "é"]), v), max_size=3).map(written),
    ),
    max_leaves=6,
)
raw_records = st.lists(st.tuples(st.sampled_from(["a", "b", "c", ",", "}", "", "\\"]), raw_values), max_size=4).map(
    written
)


@quick
@given(st.lists(raw_records, min_size=1, max_size=8), st.booleans())
def test_records_proved_sound_by_their_shape_are_sound_one_by_one(items: list[str], compact: bool) -> None:
    """Repeated keys occur in these at every depth; none may slip through because of the records before it."""
    lines = [item if compact else item.replace(",", " , ") for item in items]
    prover = Prover(record_problem)
    for line in lines:
        sound = record_problem(line.encode()) is None
        assert prover.sound(line.encode() + b"\n") == sound
    assert prover.sound("".join(line + "\n" for line in lines).encode()) == all(
        record_problem(line.encode()) is None for line in lines
    )


def test_plain_json_takes_the_fast_way() -> None:
    rows = [
        {"id": i, "t": 'x\n"\\'[: i % 4], "n": {"v": [1, {"w": None}]}} | ({"o": 1} if i % 3 else {})
        for i in range(2000)
    ]
    lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    array = json.dumps(rows, indent=1).encode()
    for data in (lines, array):
        assert all(same(data, InputSpec(id=("id",)), OutputSpec("ndjson", 1 << 40)))
        assert all(same(data, InputSpec(id=("n.v",), rename={"t": "u"}), OutputSpec("ndjson", 1 << 40))) is False
        assert all(same(data, InputSpec(rename={"t": "u"}, drop=("n",)), OutputSpec("ndjson", 1 << 40)))
