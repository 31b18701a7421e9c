"""What was refused is sent again by one command, whatever the route demands of drops."""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Iterator

import pytest

from batchdrop.destinations.base import Collected, Reject
from batchdrop.destinations.mediarithmics import Mediarithmics
from batchdrop.operate import CannotOperate, rerun
from tests.unit.destinations.sets_fixtures import Desk, mediarithmics_desk

ID = "user_account_id"
LINES = f'{{"{ID}":"Zoé","n":1}}\n{{"{ID}":"p2","n":2}}\n'


@pytest.fixture
def desk() -> Iterator[Desk]:
    with mediarithmics_desk() as found:
        yield found


@pytest.mark.parametrize(
    ("input_", "name", "data"),
    [
        ({"encoding": "windows-1252"}, "a.ndjson", LINES.encode("windows-1252")),
        ({"encoding": "utf-16"}, "a.ndjson", LINES.encode("utf-16")),
        ({"compression": "gzip"}, "a.ndjson.gz", gzip.compress(LINES.encode())),
        ({"json_key": "items"}, "a.json", f'{{"items":[{LINES.strip().replace(chr(10), ",")}]}}'.encode()),
    ],
    ids=["windows-1252", "utf-16", "gzip", "json_key"],
)
def test_rejects_are_taken_again_by_their_route(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, input_: dict[str, str], name: str, data: bytes
) -> None:
    desk.raw |= {"input": {"id": ID} | input_}
    refused = Collected(accepted=1, rejected=1, rejects=[Reject("Zoé", "E", "no")])
    monkeypatch.setattr(Mediarithmics, "collect", lambda *_: refused)
    first = desk.run(desk.drop({name: data}, ready=None))
    monkeypatch.setattr(Mediarithmics, "collect", lambda *_: Collected(accepted=1, rejected=0))

    job = rerun(desk, first["job_id"], only_rejected=True).job_id
    second = desk.run(job)

    assert (first["counts"]["rejected"], second["counts"]["accepted"], second["outcome"]) == (1, 1, "completed")
    with pytest.raises(CannotOperate, match=f"was dropped again before, as job {job}"):
        rerun(desk, first["job_id"], only_rejected=True)
    assert second["batches"][0]["sha256"] == hashlib.sha256(LINES.partition("\n")[0].encode() + b"\n").hexdigest()
