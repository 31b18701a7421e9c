"""Ometria's simulator against the sample and rules of the vendor's pages."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from local.simulators.clock import ManualClock
from local.simulators.ometria import OmetriaSimulator
from tests.unit.simulators.plain import Answer, ask, sample

SECONDS = 10.0
BASIC = "Basic " + base64.b64encode(b"ometria-key:ometria-secret").decode()
AUTH = {"Authentication": BASIC}


def zipped(**members: Any) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.json", content if isinstance(content, bytes) else json.dumps(content))
    return file.getvalue()


GOOD = zipped(products=[{"id": "1"}, {"id": "2"}], categories=[{"id": "c"}])


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def sim(clock: ManualClock) -> Iterator[OmetriaSimulator]:
    with OmetriaSimulator(clock=clock, seconds_per_state=SECONDS) as simulator:
        yield simulator


def upload(
    sim: OmetriaSimulator,
    data: bytes = GOOD,
    *,
    part: str = "files",
    kind: str = "full",
    headers: dict[str, str] | None = None,
    fields: dict[str, str] | None = None,
) -> requests.Response:
    return requests.post(
        f"{sim.url}/batch/upload/{kind}",
        headers=AUTH if headers is None else headers,
        files={part: ("upload.zip", data, "application/zip")},
        data=fields,
        timeout=5,
    )


def receipt_of(sim: OmetriaSimulator) -> str:
    return str(upload(sim).json()["data"]["receipt"])


def put(sim: OmetriaSimulator, what: str, receipt: str, query: str = "") -> Answer:
    return ask("PUT", f"{sim.url}/batch/{what}/{receipt}{query}", AUTH)


def report(sim: OmetriaSimulator, receipt: str) -> Answer:
    return ask("GET", f"{sim.url}/reporting/report/{receipt}", AUTH)


def rules(sim: OmetriaSimulator) -> list[str]:
    return [violation.rule for violation in sim.violations]


def test_an_upload_gets_a_receipt_and_does_nothing_until_processed(sim: OmetriaSimulator, clock: ManualClock) -> None:
    answer = upload(sim)
    assert answer.status_code == 200
    documented = json.loads(sample("ometria", "upload_response.json"))
    assert {name: list(value) for name, value in answer.json().items()} == {"data": list(documented["data"])}
    receipt = answer.json()["data"]["receipt"]
    clock.advance(100)
    assert (report(sim, receipt).status, sim.commits) == (404, [])

    assert put(sim, "process", receipt, "?delete_on_completion=false").status == 200
    assert report(sim, receipt).status == 404
    clock.advance(SECONDS)

    done = report(sim, receipt).json["data"]
    assert (done["status"], done["products"], done["categories"]) == ("completed", {"received": 2}, {"received": 1})
    assert sim.received_records == [{"id": "1"}, {"id": "2"}, {"id": "c"}]
    assert sim.commits_by_sha == {hashlib.sha256(GOOD).hexdigest(): 1}
    assert sim.violations == []


@pytest.mark.parametrize(
    "headers",
    [{"Authentication": BASIC}, {"Authorization": BASIC}, dict.fromkeys(("Authentication", "Authorization"), BASIC)],
)
def test_credentials_may_come_in_either_header_or_both(sim: OmetriaSimulator, headers: dict[str, str]) -> None:
    assert upload(sim, headers=headers).status_code == 200


@pytest.mark.parametrize("name", ["Authentication", "Authorization"])
def test_it_can_be_told_to_read_one_header_only(name: str) -> None:
    with OmetriaSimulator(reads_header=name) as sim:
        assert upload(sim, headers={name: BASIC}).status_code == 200
        other = {"Authentication": "Authorization", "Authorization": "Authentication"}[name]
        assert upload(sim, headers={other: BASIC}).status_code == 401


@pytest.mark.parametrize(
    "headers", [{}, {"Authentication": "Basic ometria-key"}, {"Authentication": BASIC, "Authorization": "Basic x"}]
)
def test_missing_wrong_or_contradictory_credentials_are_refused(sim: OmetriaSimulator, headers: dict[str, str]) -> None:
    assert upload(sim, headers=headers).status_code == 401
    assert rules(sim) == ["credentials"]


@pytest.mark.parametrize(
    ("data", "rule"),
    [
        (b"not a zip", "zip"),
        (zipped(), "zip"),
        (zipped(products=b"[{]"), "zip"),
        (zipped(products=b"\xff"), "zip"),
        (zipped(**{"sub/products": []}), "zip"),
        (zipped(prices=[]), "zip"),
    ],
)
def test_anything_but_a_zip_of_the_json_files_is_refused(sim: OmetriaSimulator, data: bytes, rule: str) -> None:
    assert (upload(sim, data).status_code, rules(sim)) == (400, [rule])


def test_the_form_has_one_file_in_the_part_files(sim: OmetriaSimulator) -> None:
    assert upload(sim, part="file").status_code == 400
    assert upload(sim, fields={"comment": "x"}).status_code == 400
    assert ask("POST", sim.url + "/batch/upload/full", AUTH | {"Content-Type": "application/zip"}, GOOD).status == 400
    assert upload(sim, kind="partial").status_code == 400
    assert rules(sim) == ["multipart", "multipart", "multipart", "type"]


@pytest.mark.parametrize("body", [b"junk\r\n--x--\r\n", b"--x\r\n\r\n\r\n", b"--x\r\nno headers\r\n--x--", b""])
def test_a_form_that_is_not_well_formed_is_refused(sim: OmetriaSimulator, body: bytes) -> None:
    headers = AUTH | {"Content-Type": "multipart/form-data; boundary=x"}

    assert ask("POST", sim.url + "/batch/upload/full", headers, body).status == 400
    assert rules(sim) == ["multipart"]


def test_an_md5_is_checked_wherever_it_is_given(sim: OmetriaSimulator) -> None:
    digest = hashlib.md5(GOOD, usedforsecurity=False)
    in_base64 = base64.b64encode(digest.digest()).decode()

    assert upload(sim, fields={"md5": digest.hexdigest()}).status_code == 200
    assert upload(sim, headers={**AUTH, "Content-MD5": in_base64}).status_code == 200
    assert upload(sim, fields={"md5": "0" * 32}).status_code == 400
    assert rules(sim) == ["md5"]


def test_cancel_ends_a_running_upload_and_nothing_is_imported(sim: OmetriaSimulator, clock: ManualClock) -> None:
    receipt = receipt_of(sim)
    put(sim, "process", receipt)

    assert put(sim, "cancel", receipt).status == 200
    clock.advance(100)

    assert (report(sim, receipt).status, sim.commits) == (404, [])
    assert put(sim, "process", receipt).status == 400


def test_reprocess_needs_a_success_whose_content_was_kept(sim: OmetriaSimulator, clock: ManualClock) -> None:
    kept, deleted = receipt_of(sim), receipt_of(sim)
    assert put(sim, "reprocess", kept).status == 400
    put(sim, "process", kept)
    put(sim, "process", deleted, "?delete_on_completion=true")
    clock.advance(SECONDS)

    assert put(sim, "reprocess", kept).status == 200
    assert put(sim, "reprocess", deleted).status == 400
    assert report(sim, kept).status == 404
    assert rules(sim) == ["order"]


def test_processing_twice_imports_twice(sim: OmetriaSimulator) -> None:
    receipt = receipt_of(sim)
    for _ in range(2):
        put(sim, "process", receipt)

    assert list(sim.commits_by_sha.values()) == [2]


def test_a_wrong_process_call_is_refused(sim: OmetriaSimulator) -> None:
    receipt = receipt_of(sim)

    assert put(sim, "process", receipt, "?delete_on_completion=True").status == 400
    assert put(sim, "process", receipt, "?delete=true").status == 400
    assert put(sim, "process", "unknown").status == 404
    assert ask("PUT", f"{sim.url}/batch/process/{receipt}", AUTH, b"{}").status == 400
    assert ask("POST", f"{sim.url}/batch/process/{receipt}", AUTH).status == 405
    assert rules(sim) == ["parameter", "parameter", "order", "payload", "method"]


def test_the_report_can_be_early_odd_failed_or_never_there(sim: OmetriaSimulator, clock: ManualClock) -> None:
    def processed() -> str:
        receipt = receipt_of(sim)
        put(sim, "process", receipt)
        clock.advance(SECONDS)
        return receipt

    sim.options.report_too_early = "processing"
    assert report(sim, receipt_of(sim)).json == {"status": "processing"}
    sim.fault("failed", "process")
    assert report(sim, processed()).json["data"]["status"] == "failed"
    sim.fault("report", value=[1, {"x": None}])
    assert report(sim, processed()).json == [1, {"x": None}]
    sim.fault("unknown_state")
    assert report(sim, processed()).json["data"]["status"] == "marinating"
    sim.fault("never")
    assert report(sim, processed()).json == {"status": "processing"}
    sim.fault("expired_token", "report")
    assert report(sim, "x").status == 401
    assert sim.violations == []
