"""Objects on S3."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import Any, BinaryIO, cast

from botocore.exceptions import ClientError, IncompleteReadError, ReadTimeoutError, ResponseStreamingError

from batchdrop.blocks import in_blocks
from batchdrop.errors import ConditionFailed, ObjectGone, ObjectRefused, WriteConflict
from batchdrop.ports import ObjectRef, Upload

_GONE = {"NoSuchKey", "NoSuchVersion", "NoSuchUpload", "404", "MethodNotAllowed"}  # the last: a delete marker
_REFUSED = {"AccessDenied", "403", "InvalidObjectState"}  # the last: archived
_BEYOND = {"InvalidRange", "416"}  # a range that begins at or after the end: any range of an empty object does
_PART = 8 << 20  # bytes; S3 takes at most 10,000 parts, so streams of up to 80 GB
_BROKEN = (IncompleteReadError, ReadTimeoutError, ResponseStreamingError, ConnectionError)
_REOPENS = 5


class S3Objects:
    """`Objects` on S3."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def open(self, ref: ObjectRef, start: int = 0, end: int | None = None) -> BinaryIO:
        if start and ref.size and start >= ref.size:
            return io.BytesIO()
        return cast("BinaryIO", io.BufferedReader(_Resuming(self, ref, start, end), 1 << 16))

    def body(self, ref: ObjectRef, start: int, end: int | None) -> Any:
        """The raw stream of one GET; `ObjectGone` where there is nothing to get."""
        version = {"VersionId": ref.version_id} if ref.version_id else {}
        if start or end is not None:
            version["Range"] = f"bytes={start}-{'' if end is None else end - 1}"
        try:
            answer = self._client.get_object(Bucket=ref.bucket, Key=ref.key, **version)
        except ClientError as error:
            if "Range" in version and error.response["Error"]["Code"] in _BEYOND:
                return io.BytesIO()
            raise _translated(error) from None
        if start and "ContentRange" not in answer:
            # Not every S3 heeds a range together with a version: what was not asked for must not be taken for it.
            _skip(answer["Body"], start)
        return answer["Body"]

    def head(self, ref: ObjectRef) -> ObjectRef:
        version = {"VersionId": ref.version_id} if ref.version_id else {}
        with _translating():
            found = self._client.head_object(Bucket=ref.bucket, Key=ref.key, **version)
        version_id = str(found.get("VersionId") or ref.version_id)
        return ObjectRef(ref.bucket, ref.key, version_id, int(found["ContentLength"]), ref.modified)

    def list(self, bucket: str, prefix: str) -> Iterable[ObjectRef]:
        for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
            for found in page.get("Contents", []):
                modified = found["LastModified"].timestamp()
                yield ObjectRef(bucket, found["Key"], size=int(found["Size"]), modified=modified)

    def versions(self, bucket: str, prefix: str, *, after: str = "") -> Iterable[ObjectRef]:
        start = {"KeyMarker": after} if after else {}
        for page in self._client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix, **start):
            for found in page.get("Versions", []):
                modified = found["LastModified"].timestamp()
                yield ObjectRef(bucket, found["Key"], found["VersionId"], int(found["Size"]), modified)

    def put(
        self,
        bucket: str,
        key: str,
        body: bytes | bytearray | BinaryIO,
        *,
        content_type: str = "",
        new: bool = False,
    ) -> None:
        extra: dict[str, str] = {"ContentType": content_type} if content_type else {}
        extra |= {"IfNoneMatch": "*"} if new else {}
        try:
            self._client.put_object(Bucket=bucket, Key=key, Body=body, **extra)
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code in ("PreconditionFailed", "412"):
                raise ConditionFailed(None) from None
            if code == "ConditionalRequestConflict":
                raise WriteConflict(f"somebody else writes {key} at this very moment: try again in a while") from None
            raise

    def put_stream(self, bucket: str, key: str, chunks: Iterator[bytes], *, content_type: str = "") -> int:
        parts = in_blocks(chunks, _PART)
        first = next(parts, b"")
        if len(first) < _PART:
            self.put(bucket, key, first, content_type=content_type)
            return len(first)
        return self._multipart(self.begin(bucket, key, content_type=content_type), chain((first,), parts))

    def _multipart(self, upload: Upload, parts: Iterable[bytes]) -> int:
        marks, size = [], 0
        try:
            for number, part in enumerate(parts, 1):
                marks.append(self._add(upload, number, part))
                size += len(part)
            self._complete(upload, marks)
        except BaseException:
            self._client.abort_multipart_upload(**_where(upload))
            raise
        return size

    def begin(self, bucket: str, key: str, *, content_type: str = "") -> Upload:
        extra = {"ContentType": content_type} if content_type else {}
        begun = self._client.create_multipart_upload(Bucket=bucket, Key=key, **extra)
        return Upload(bucket, key, str(begun["UploadId"]))

    def add(self, upload: Upload, number: int, block: bytes) -> str:
        with _translating():
            return self._add(upload, number, block)

    def complete(self, upload: Upload, marks: Sequence[str]) -> None:
        with _translating():
            self._complete(upload, marks)

    def _add(self, upload: Upload, number: int, block: bytes) -> str:
        return str(self._client.upload_part(**_where(upload), PartNumber=number, Body=block)["ETag"])

    def _complete(self, upload: Upload, marks: Sequence[str]) -> None:
        parts = [{"ETag": mark, "PartNumber": number} for number, mark in enumerate(marks, 1)]
        self._client.complete_multipart_upload(**_where(upload), MultipartUpload={"Parts": parts})

    def delete(self, bucket: str, key: str) -> None:
        self._client.delete_object(Bucket=bucket, Key=key)

    def signed_url(self, bucket: str, key: str, seconds: int) -> str:
        params = {"Bucket": bucket, "Key": key}
        return str(self._client.generate_presigned_url("get_object", Params=params, ExpiresIn=seconds))


class _Resuming(io.RawIOBase):
    """An object's bytes; a connection that breaks in the middle is opened again where it broke."""

    def __init__(self, objects: S3Objects, ref: ObjectRef, start: int, end: int | None) -> None:
        self._objects, self._ref, self._at, self._end = objects, ref, start, end
        self._left = _REOPENS
        self._body = objects.body(ref, start, end)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._read(len(buffer))
        buffer[: len(data)] = data
        self._at += len(data)
        return len(data)

    def _read(self, size: int) -> bytes:
        while True:
            try:
                most = size if self._end is None else min(size, self._end - self._at)
                return cast("bytes", self._body.read(most)) if most else b""
            except _BROKEN:
                if not self._left:
                    raise
                self._left -= 1
                self._body = self._objects.body(self._ref, self._at, self._end)

    def close(self) -> None:
        self._body.close()
        super().close()


def _skip(body: Any, size: int) -> None:
    while size and (block := body.read(min(size, 1 << 20))):
        size -= len(block)


def _where(upload: Upload) -> dict[str, str]:
    return {"Bucket": upload.bucket, "Key": upload.key, "UploadId": upload.id}


@contextmanager
def _translating() -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        raise _translated(error) from None


def _translated(error: ClientError) -> Exception:
    code = error.response["Error"]["Code"]
    if code in _REFUSED:
        return ObjectRefused(f"the storage refuses to give it: {code}")
    return ObjectGone("no such object version") if code in _GONE else error
