"""A drop is packaged while it is looked into: the same batches as when it is read again, and none if it is refused."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace

import pytest

from batchdrop.errors import DropRefused
from batchdrop.records.inspect import Looked, look
from batchdrop.records.packager import Packager, Packed
from batchdrop.records.source import BytesSource
from batchdrop.records.spec import InputSpec, OutputFormat, OutputSpec

ROWS = [{"id": str(n), "name": f"name {n}" * (n % 7), "n": n} for n in range(400)]
LINES = b"".join(json.dumps(row).encode() + b"\n" for row in ROWS)
TABLE = b"id,name,n\n" + b"".join(
    f'{r["id"]},"{r["name"]}\n",{r["n"] if r["n"] != 7 else "x"}\n'.encode() for r in ROWS
)
SAMPLES = {
    "csv": TABLE,
    "csv without an end": TABLE[:-1],
    "gzip": gzip.compress(TABLE),
    "ndjson": LINES,
    "json": json.dumps(ROWS, indent=1).encode() + b" \n",
    "json in an object": json.dumps({"more": 1, "data": ROWS, "rest": [2]}).encode(),
    "one record": b'[{"id": "1"}]',
    "invalid ones": LINES + b"1\n[]\n\n" + LINES + b"3",
}
SPEC = InputSpec(id=("id",), types={"n": "integer"})


def seen(batch: Packed) -> tuple[object, ...]:
    body = b""
    if batch.payload:
        body = batch.payload.open().read()
        batch.payload.close()
    return batch.start, batch.end, batch.records, batch.invalid, batch.last, body


def looked(data: bytes, spec: InputSpec, output: OutputSpec, room: int) -> tuple[Looked, list[tuple[object, ...]]]:
    """What is found, and all batches as they are when the drop is read again."""
    source = BytesSource("drop", data)
    found = look(source, spec, output, room=room)
    assert found.inspection == look(source, spec, None).inspection
    return found, [seen(batch) for batch in Packager(source, spec, output, found.inspection).batches()]


@pytest.mark.parametrize("name", SAMPLES)
@pytest.mark.parametrize("format_", ["ndjson", "json_array"])
@pytest.mark.parametrize("room", [0, 3000, 1 << 30])
def test_batches_made_on_the_way_are_those_made_later(name: str, format_: OutputFormat, room: int) -> None:
    spec = replace(SPEC, json_key="data" if "object" in name else None)
    found, again = looked(SAMPLES[name], spec, OutputSpec(format_, 1000), room)
    ready = [seen(batch) for batch in found.ready]
    assert ready == again[: len(ready)]
    assert ready
    assert (len(ready) == len(again)) == (room > 3000 or len(again) == 1)


@pytest.mark.parametrize(
    "broken", [TABLE + b'"', SAMPLES["json"][:-9], SAMPLES["json"] + b"x", gzip.compress(TABLE)[:-9], TABLE + b"\xff\n"]
)
@pytest.mark.acceptance("B14")
def test_nothing_of_a_drop_that_breaks_off_is_ready(broken: bytes) -> None:
    with pytest.raises(DropRefused):
        look(BytesSource("drop", broken), SPEC, OutputSpec("ndjson", 1000))


def test_batches_with_records_that_yield_to_others_are_made_again() -> None:
    spec = replace(SPEC, duplicates="last_wins")
    found, again = looked(LINES + LINES, spec, OutputSpec("ndjson", 1000), 1 << 30)
    assert found.ready == []
    assert sum(int(str(batch[2])) for batch in again) == len(ROWS)
    found, again = looked(LINES, spec, OutputSpec("ndjson", 1000), 1 << 30)
    assert [seen(batch) for batch in found.ready] == again


def test_a_batch_that_is_never_sent_leaves_no_file_behind() -> None:
    """Warnings are errors here: an open file would be one."""
    found = look(BytesSource("drop", LINES * 2000), SPEC, OutputSpec("ndjson", 1 << 30))
    assert found.ready[0].payload is not None
    assert found.ready[0].payload.size > 32_000_000
    del found
