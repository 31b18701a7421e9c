"""A file is put in the bucket; a report comes out that accounts for every record of it."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Iterator

import boto3
import pytest
from boto3.s3.transfer import TransferConfig

from batchdrop.drop import job_id
from local import stack
from local.simulators.datagroup import MAX_UPLOAD, DataGroupSimulator
from tests.e2e.rig import Rig

PEOPLE = 'id,first_name,zip\n1,"Ann, É",01234\n2,Bob\n3,"Cy",00001\n'


def counts(**given: int) -> dict[str, int]:
    names = ("accepted", "invalid", "rejected", "unprocessed", "unconfirmed")
    return {"records": sum(given.values())} | {name: given.get(name, 0) for name in names}


def test_a_csv_file_ends_in_a_report_and_its_bad_row_in_the_rejects(rig: Rig, vendor: DataGroupSimulator) -> None:
    rig.route("people", vendor)
    job = rig.drop("people", "people list.csv", PEOPLE)
    report = rig.report(job)
    assert report["outcome"] == "completed_with_rejects"
    assert report["counts"] == counts(accepted=2, invalid=1)
    rows = list(csv.DictReader(io.StringIO(rig.beside(report, "rejects.csv").decode())))
    assert [(row["id"], row["batchdrop_line"], row["batchdrop_outcome"]) for row in rows] == [("2", "3", "invalid")]
    assert vendor.received_records == [
        {"id": "1", "first_name": "Ann, É", "zip": "01234"},
        {"id": "3", "first_name": "Cy", "zip": "00001"},
    ]
    assert [row["email"] for row in json.loads(rig.beside(report, report["results"][0]))] != []
    assert b"<html" in rig.beside(report, "report.html")
    assert rig.execution(job)["status"] == "SUCCEEDED"
    assert vendor.violations == []


FORMS: dict[str, bytes] = {
    "lines.ndjson": b'{"id": "1", "zip": "01234"}\n{"id": "2", "zip": "00001"}\n',
    "array.json": b'[{"id": "1", "zip": "01234"},\n {"id": "2", "zip": "00001"}]',
    "packed.csv.gz": gzip.compress(b"id,zip\n1,01234\n2,00001\n"),
    "with+plus %20 and é//two.csv": b"\xef\xbb\xbfid,zip\r\n1,01234\r\n2,00001\r\n",
}


@pytest.mark.acceptance("A5", "B2")
def test_every_form_of_file_arrives_as_the_same_records(rig: Rig, vendor: DataGroupSimulator) -> None:
    rig.route("forms", vendor)
    reports = rig.reports(rig.drop("forms", name, body) for name, body in FORMS.items())
    assert [(r["outcome"], r["counts"]) for r in reports] == [("completed", counts(accepted=2))] * len(FORMS)
    assert [r["drop"]["key"].removeprefix("drops/forms/") for r in reports] == list(FORMS)
    assert vendor.received_records == [{"id": "1", "zip": "01234"}, {"id": "2", "zip": "00001"}] * len(FORMS)
    assert vendor.violations == []


@pytest.mark.acceptance("B1", "B17", "A6")
def test_what_cannot_be_sent_ends_in_a_failed_report_and_no_call(rig: Rig, vendor: DataGroupSimulator) -> None:
    rig.route("strict", vendor)
    rig.drop("strict", "folder/", b"")  # a folder marker makes no job
    jobs = [
        rig.drop("no-such-route", "a.csv", PEOPLE),
        rig.drop("Not A Name", "a.csv", PEOPLE),
        rig.drop("strict", "empty.csv", b""),
        rig.drop("strict", "picture.csv", b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(64)),
        rig.drop("strict", "latin.csv", "id,name\n1,café\n".encode("latin-1")),
    ]
    reports = rig.reports(jobs)
    assert {report["outcome"] for report in reports} == {"failed"}
    assert [r["failure"]["reason"] for r in reports][:3] == ["no_route", "no_route", "empty"]
    assert "no-such-route" in reports[0]["reason"]
    assert all(rig.beside(report, report["rejects_file"]) is not None for report in reports)
    assert all(rig.execution(job)["status"] == "FAILED" for job in jobs)
    assert rig.execution(jobs[2])["error"] == "failed"
    assert vendor.requests == []


def test_the_exported_variables_are_all_that_a_plain_client_needs(
    rig: Rig, vendor: DataGroupSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.route("plain", vendor)
    for name in stack.IN_THE_WAY:
        monkeypatch.delenv(name, raising=False)
    variables = stack.variables(rig.stack)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    bucket = variables["BATCHDROP_DROP_BUCKET"]
    s3 = boto3.Session().client("s3")
    # As `aws s3 cp` puts a large file: in parts.
    many = "id\n" + "".join(f"{n}\n" for n in range(10))
    s3.upload_fileobj(
        io.BytesIO(many.encode()), bucket, "drops/plain/parts.csv",
        Config=TransferConfig(multipart_threshold=1),
    )  # fmt: skip
    version = s3.head_object(Bucket=bucket, Key="drops/plain/parts.csv")["VersionId"]
    report = rig.report(job_id(bucket, "drops/plain/parts.csv", version))
    assert report["counts"] == counts(accepted=10)


@pytest.mark.acceptance("B12")
def test_a_file_over_the_vendors_limit_goes_in_batches_cut_between_records(
    rig: Rig, vendor: DataGroupSimulator
) -> None:
    rig.route("large", vendor)
    filler, n = "x" * 20_000, 2_600  # 52 MB

    def lines() -> Iterator[bytes]:
        for i in range(n):
            yield b'{"id":"%d","note":"%s"}\n' % (i, filler.encode())

    report = rig.report(rig.drop("large", "large.ndjson", b"".join(lines())), 90)
    assert report["counts"] == counts(accepted=n)
    assert [batch["n"] for batch in report["batches"]] == [1, 2]
    assert sum(batch["records"] for batch in report["batches"]) == n
    sizes = [commit.size for commit in vendor.commits]
    assert sizes == [batch["bytes"] for batch in report["batches"]]
    assert 49_000_000 < sizes[0] <= MAX_UPLOAD
    assert [record["id"] for record in vendor.received_records] == [str(i) for i in range(n)]
    assert vendor.violations == []


@pytest.mark.acceptance("A15")
def test_the_same_bytes_under_another_name_are_a_job_that_says_so(rig: Rig, vendor: DataGroupSimulator) -> None:
    rig.route("twice", vendor)
    first = rig.report(rig.drop("twice", "one.csv", PEOPLE))
    second = rig.report(rig.drop("twice", "two.csv", PEOPLE))
    assert (first["duplicate_content_of"], second["duplicate_content_of"]) == (None, first["job_id"])
    assert second["counts"] == first["counts"]
