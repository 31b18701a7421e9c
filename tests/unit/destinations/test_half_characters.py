"""A vendor's JSON may hold half a character, as an escape: no reason for a job to end without its report."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator

import pytest

from batchdrop.aws.attributes import plain, typed
from batchdrop.destinations.base import Collected
from batchdrop.destinations.mediarithmics import Mediarithmics
from batchdrop.errorfile import IdSpec, RejectLines
from tests.unit.destinations.sets_fixtures import Desk, mediarithmics_desk

ID = "user_account_id"
CSV = {"mime_type": "TEXT_CSV", "document_type": "USER_SEGMENT"}
DROPS = {
    "people.ndjson": "".join(f'{{"{ID}":"p{n}"}}\n' for n in range(3)),
    "people.csv": f"{ID},name\np0,x\np1,x\np2,x\n",
}


@pytest.fixture
def desk() -> Iterator[Desk]:
    with mediarithmics_desk() as found:
        yield found


@pytest.mark.parametrize("hashes", [False, True])
@pytest.mark.parametrize("name", DROPS)
@pytest.mark.parametrize("field", ["error", "code", ID])
def test_half_a_character_in_a_vendors_words_or_ids_is_reported(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, name: str, field: str, hashes: bool
) -> None:
    desk.raw |= {"input": {"id": ID}, "hash_ids": hashes}
    desk.raw["account"] |= CSV if name.endswith(".csv") else {}
    line = json.dumps({ID: "p1", "error": "gone", "code": "E"} | {field: "p1\ud83d"}).encode()
    lines = RejectLines(lambda: io.BytesIO(line), IdSpec((ID,), "/"))
    monkeypatch.setattr(Mediarithmics, "collect", lambda *_: Collected(accepted=2, rejected=1, rejects=lines))

    report = desk.run(desk.drop({name: DROPS[name].encode()}, ready=None))

    assert (report["counts"]["rejected"], report["outcome"]) == (1, "completed_with_rejects")
    (told,) = report["rejects"] or report["unmatched_vendor_errors"]
    if not hashes:
        assert told[{"error": "message", ID: "id"}.get(field, field)] == "p1?"


def test_the_ledger_is_given_only_what_it_can_hold() -> None:
    stored = typed({"word": "caf\ud83d", "warnings": ["é\ud83d", "😀"]})

    assert plain(stored) == {"word": "caf?", "warnings": ["é?", "😀"]}
