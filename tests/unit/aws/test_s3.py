"""Objects on S3: pinned reads that survive a broken connection, writes that never leave half an object."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import IncompleteReadError, ReadTimeoutError
from botocore.stub import Stubber

from batchdrop.aws import s3 as adapter
from batchdrop.aws.s3 import S3Objects
from batchdrop.errors import ConditionFailed, ObjectGone, WriteConflict
from batchdrop.ports import ObjectRef, Upload

BUCKET = "results"


def put(s3: Any, key: str, body: bytes) -> ObjectRef:
    version = s3.put_object(Bucket=BUCKET, Key=key, Body=body)["VersionId"]
    return ObjectRef(BUCKET, key, version, len(body))


@pytest.mark.acceptance("A7")
def test_a_pinned_version_is_read_though_the_object_was_overwritten_and_deleted(s3: Any, objects: S3Objects) -> None:
    first = put(s3, "drops/r/a b+c%20é.csv", b"old")
    put(s3, first.key, b"new")
    s3.delete_object(Bucket=BUCKET, Key=first.key)
    assert objects.open(first).read() == b"old"
    assert objects.head(first).size == 3


@pytest.mark.acceptance("A7")
@pytest.mark.parametrize("version", ["", "gone"])
def test_a_version_that_is_gone_is_said_to_be_gone(s3: Any, objects: S3Objects, version: str) -> None:
    pinned = put(s3, "k", b"x")
    s3.delete_object(Bucket=BUCKET, Key="k", VersionId=pinned.version_id)
    ref = ObjectRef(BUCKET, "k", pinned.version_id if version else "")
    with pytest.raises(ObjectGone):
        objects.open(ref)
    with pytest.raises(ObjectGone):
        objects.head(ref)


def test_a_deleted_object_read_without_a_version_is_gone_too(s3: Any, objects: S3Objects) -> None:
    put(s3, "k", b"x")
    s3.delete_object(Bucket=BUCKET, Key="k")
    with pytest.raises(ObjectGone):
        objects.open(ObjectRef(BUCKET, "k"))


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [(0, None, b"0123456789"), (3, None, b"3456789"), (3, 5, b"34"), (0, 1, b"0"), (9, 10, b"9"), (10, None, b"")],
)
def test_a_range_ends_before_its_end(s3: Any, objects: S3Objects, start: int, end: int | None, found: bytes) -> None:
    assert objects.open(put(s3, "k", b"0123456789"), start, end).read() == found


def test_an_empty_range_and_an_empty_object_read_as_nothing(s3: Any, objects: S3Objects) -> None:
    assert objects.open(put(s3, "k", b"abc"), 2, 2).read() == b""
    assert objects.open(put(s3, "e", b"")).read() == b""


@pytest.mark.acceptance("B1")
def test_a_range_beyond_the_end_reads_as_nothing(s3: Any, objects: S3Objects) -> None:
    assert objects.open(put(s3, "e", b""), 0, 4096).read() == b""
    assert objects.open(ObjectRef(BUCKET, put(s3, "k", b"abc").key), 3).read() == b""


def test_a_listing_names_key_size_and_time_over_all_pages(s3: Any, objects: S3Objects) -> None:
    for n in range(1001):
        s3.put_object(Bucket=BUCKET, Key=f"drops/{n:04d}", Body=b"x")
    s3.put_object(Bucket=BUCKET, Key="jobs/other", Body=b"x")
    found = list(objects.list(BUCKET, "drops/"))
    assert len(found) == 1001
    assert (found[-1].key, found[-1].size) == ("drops/1000", 1)
    assert found[0].modified > 1_600_000_000


@pytest.mark.acceptance("G9")
def test_a_new_object_is_written_once_only(objects: S3Objects) -> None:
    objects.put(BUCKET, "report.json", b"first", new=True)
    with pytest.raises(ConditionFailed):
        objects.put(BUCKET, "report.json", b"second", new=True)
    assert objects.open(ObjectRef(BUCKET, "report.json")).read() == b"first"


@pytest.mark.acceptance("G9")
def test_a_write_that_met_another_one_is_neither_done_nor_refused(s3: Any, objects: S3Objects) -> None:
    """409 ConditionalRequestConflict: another write of the key was under way; the caller's retry decides."""
    with Stubber(s3) as stub:
        stub.add_client_error("put_object", "ConditionalRequestConflict", http_status_code=409)
        with pytest.raises(WriteConflict, match=r"somebody else writes report.json at this very moment: try again"):
            objects.put(BUCKET, "report.json", b"x", new=True)


def test_a_content_type_is_kept(s3: Any, objects: S3Objects) -> None:
    objects.put(BUCKET, "a.html", b"x", content_type="text/html; charset=utf-8")
    objects.put_stream(BUCKET, "b.csv", iter([b"x"]), content_type="text/csv")
    assert s3.head_object(Bucket=BUCKET, Key="a.html")["ContentType"] == "text/html; charset=utf-8"
    assert s3.head_object(Bucket=BUCKET, Key="b.csv")["ContentType"] == "text/csv"


@pytest.mark.parametrize("size", [0, 1, adapter._PART - 1, adapter._PART, adapter._PART + 1, 2 * adapter._PART])
def test_a_stream_arrives_whole_whatever_its_length(s3: Any, objects: S3Objects, size: int) -> None:
    body = bytes(range(256)) * (size // 256 + 1)
    chunks = (body[i : min(i + 700_001, size)] for i in range(0, size, 700_001))
    assert objects.put_stream(BUCKET, "k", chunks) == size
    assert objects.open(ObjectRef(BUCKET, "k")).read() == body[:size]


@pytest.mark.acceptance("G4")
def test_a_stream_that_breaks_leaves_neither_an_object_nor_parts(s3: Any, objects: S3Objects) -> None:
    def broken() -> Iterator[bytes]:
        yield b"x" * (adapter._PART + 1)
        raise TimeoutError

    with pytest.raises(TimeoutError):
        objects.put_stream(BUCKET, "k", broken())
    assert s3.list_multipart_uploads(Bucket=BUCKET).get("Uploads", []) == []
    with pytest.raises(ObjectGone):
        objects.head(ObjectRef(BUCKET, "k"))


def test_an_object_is_written_in_several_goes_and_an_upload_that_is_over_is_said_to_be_gone(
    s3: Any, objects: S3Objects
) -> None:
    blocks = [b"x" * adapter._PART, b"y" * 7]
    upload = objects.begin(BUCKET, "k", content_type="text/csv")
    again = Upload(upload.bucket, upload.key, upload.id)  # as another process knows it
    marks = [objects.add(again, number, block) for number, block in enumerate(blocks, 1)]
    objects.complete(again, marks)
    assert objects.open(ObjectRef(BUCKET, "k")).read() == b"".join(blocks)
    with Stubber(s3) as stub:
        stub.add_client_error("complete_multipart_upload", "NoSuchUpload", http_status_code=404)
        stub.add_client_error("upload_part", "NoSuchUpload", http_status_code=404)
        with pytest.raises(ObjectGone):
            objects.complete(again, marks)
        with pytest.raises(ObjectGone):
            objects.add(again, 3, b"z")


def test_a_signed_url_names_its_object_and_its_end(objects: S3Objects) -> None:
    url = objects.signed_url(BUCKET, "jobs/a b.csv", 600)
    assert "/jobs/a%20b.csv?" in url
    assert "Expires=" in url


# --- a connection that breaks in the middle ---


class _Client:
    """A client whose streams break after so many bytes each; `heeds`: it serves ranges, as S3 does."""

    def __init__(self, data: bytes, *lengths: int, error: Exception | None = None, heeds: bool = True) -> None:
        self.data, self.lengths, self.ranges, self.heeds = data, list(lengths), list[str](), heeds
        self.error = error or IncompleteReadError(actual_bytes=1, expected_bytes=2)

    def get_object(self, **arguments: Any) -> dict[str, Any]:
        self.ranges.append(arguments.get("Range", ""))
        length = self.lengths.pop(0) if self.lengths else None
        if not self.heeds or "Range" not in arguments:
            return {"Body": _Breaking(self.data, length, self.error)}
        start = int(arguments["Range"][6:].partition("-")[0])
        return {"Body": _Breaking(self.data[start:], length, self.error), "ContentRange": "bytes"}


class _Breaking:
    def __init__(self, data: bytes, length: int | None, error: Exception) -> None:
        self._data, self._left, self._error = data, length, error

    def read(self, size: int) -> bytes:
        if self._left == 0:
            raise self._error
        size = size if self._left is None else min(size, self._left)
        data, self._data = self._data[:size], self._data[size:]
        if self._left is not None:
            self._left -= len(data)
        return data

    def close(self) -> None: ...


DATA = bytes(range(200))


@pytest.mark.parametrize(
    "error",
    [
        IncompleteReadError(actual_bytes=1, expected_bytes=2),
        ReadTimeoutError(endpoint_url="https://s3"),
        ConnectionResetError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_broken_read_goes_on_where_it_broke(error: Exception) -> None:
    client = _Client(DATA, 50, 70, error=error)
    assert S3Objects(client).open(ObjectRef(BUCKET, "k", "v", 200)).read() == DATA
    assert client.ranges == ["", "bytes=50-", "bytes=120-"]


def test_a_broken_read_of_a_range_keeps_to_the_range() -> None:
    client = _Client(DATA, 10)
    stream = S3Objects(client).open(ObjectRef(BUCKET, "k", "v", 200), 100, 150)
    assert stream.read(50) == DATA[100:150]
    assert client.ranges == ["bytes=100-149", "bytes=110-149"]


def test_a_read_that_keeps_breaking_fails_in_the_end() -> None:
    client = _Client(DATA, *[1] * 20)
    with pytest.raises(IncompleteReadError):
        S3Objects(client).open(ObjectRef(BUCKET, "k", "v", 200)).read()
    assert len(client.ranges) == 6


def test_a_range_answered_with_the_whole_object_is_cut_to_what_was_asked_for() -> None:
    stream = S3Objects(_Client(DATA, heeds=False)).open(ObjectRef(BUCKET, "k", "v", 200), 100, 150)
    assert stream.read() == DATA[100:150]


@pytest.mark.acceptance("A4")
def test_a_listing_of_versions_has_the_overwritten_and_the_deleted_but_no_delete_markers(
    s3: Any, objects: S3Objects
) -> None:
    first, second = put(s3, "drops/r/a.csv", b"old"), put(s3, "drops/r/a.csv", b"newer")
    s3.delete_object(Bucket=BUCKET, Key=first.key)
    put(s3, "elsewhere", b"x")
    found = {(ref.key, ref.version_id, ref.size) for ref in objects.versions(BUCKET, "drops/")}
    assert found == {(first.key, first.version_id, 3), (first.key, second.version_id, 5)}
    assert all(ref.modified > 0 for ref in objects.versions(BUCKET, "drops/"))


def test_a_listing_of_versions_goes_on_after_a_key(objects: S3Objects) -> None:
    for key in ("drops/r/a b+ü.csv", "drops/r/b.csv", "drops/r/b.csv", "drops/r/c.csv"):
        objects.put(BUCKET, key, b"x")
    found = [ref.key for ref in objects.versions(BUCKET, "drops/", after="drops/r/a b+ü.csv")]
    assert found == ["drops/r/b.csv", "drops/r/b.csv", "drops/r/c.csv"]
    assert list(objects.versions(BUCKET, "drops/", after="drops/r/c.csv")) == []
