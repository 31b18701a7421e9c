"""Putting files where drops go. Every drop is one object version: its id decides the job's id."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from batchdrop.drop import PREFIX, READY, job_id
from local.trouble import Trouble

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

PART = 16 << 20  # bytes; above this a file goes up in parts
MOST_PARTS = 10_000

Progress = Callable[[int], None]  # bytes that have gone up since the last call


def drop(s3: S3Client, bucket: str, route: str, path: Path, files: Sequence[Path], progress: Progress) -> str:
    """Put a path as a drop, a directory as a set of these files, which `files_of` found; returns the job id."""
    if path.is_dir():
        return drop_set(s3, bucket, route, path, files, progress)
    return drop_file(s3, bucket, route, path, progress)


def drop_file(s3: S3Client, bucket: str, route: str, path: Path, progress: Progress) -> str:
    """Put one file as a drop; returns the job id."""
    key = f"{PREFIX}{route}/{path.name}"
    return job_id(bucket, key, _put(s3, bucket, key, path, progress))


def drop_set(s3: S3Client, bucket: str, route: str, directory: Path, files: Sequence[Path], progress: Progress) -> str:
    """Put these files of a directory as one set, closed by its marker (its own, if there is one); returns the job id.

    The set gets a folder of its own: files of an earlier set of the same name are no part of it.
    """
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    folder = f"{PREFIX}{route}/{directory.name}-{stamp}/"
    for path in files:
        _put(s3, bucket, folder + path.relative_to(directory).as_posix(), path, progress)
    manifest = directory / READY
    marker = s3.put_object(Bucket=bucket, Key=folder + READY, Body=manifest.read_bytes() if manifest.is_file() else b"")
    return job_id(bucket, folder + READY, marker["VersionId"])


def files_of(path: Path) -> list[Path]:
    """The files a drop of this path is made of; `Trouble` where one cannot be dropped."""
    found = members(path) if path.is_dir() else [path]
    for file in found:
        _must_be_readable(file, file.relative_to(path.parent))
    return found


def members(directory: Path) -> list[Path]:
    """The files of a set: all in the directory but hidden ones and its marker. `Trouble` for what is no file."""
    found = sorted(path for path in _visible(directory) if path != directory / READY)
    if not found:
        raise Trouble(f"{directory} holds no files: there is nothing to drop")
    for path in found:
        _must_be_a_file(path)
    return found


def _visible(directory: Path) -> Iterator[Path]:
    """All that is in it and below, and is neither hidden nor a directory of its own."""
    for place, folders, files in os.walk(directory, onerror=_raise):
        links = [name for name in folders if Path(place, name).is_symlink()]
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place, name) for name in (*files, *links) if not name.startswith("."))


def _raise(error: OSError) -> None:
    raise error


def _must_be_a_file(path: Path) -> None:
    """`Trouble` for a part of a set that would be left out of it."""
    if path.is_dir():
        raise Trouble(f"{path} is a link to a directory, which is not followed: put the directory itself there")
    if path.is_symlink() and not path.exists():
        raise Trouble(f"{path} is a link that leads nowhere: mend or remove it")
    if not path.is_file():
        raise Trouble(f"{path} is no regular file: remove it")
    if path.name == READY:
        raise Trouble(f"{path} is the marker of another set: drop {path.parent} by itself")


def _must_be_readable(file: Path, name: Path) -> None:
    try:
        str(name).encode()
    except UnicodeEncodeError:
        raise Trouble(f"{file}: its name is not UTF-8, as names of objects are: rename it") from None
    file.open("rb").close()


def _put(s3: S3Client, bucket: str, key: str, path: Path, progress: Progress) -> str:
    with path.open("rb") as file:
        if path.stat().st_size <= PART:
            answer = s3.put_object(Bucket=bucket, Key=key, Body=file)
            progress(path.stat().st_size)
            return answer["VersionId"]
        part = max(PART, -(-path.stat().st_size // MOST_PARTS))
        return _put_in_parts(s3, bucket, key, _parts(file, part), progress)


def _put_in_parts(s3: S3Client, bucket: str, key: str, bodies: Iterator[bytes], progress: Progress) -> str:
    upload = s3.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    try:
        parts: list[CompletedPartTypeDef] = []
        for n, body in enumerate(bodies, 1):
            part = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=n, Body=body)
            parts.append({"ETag": part["ETag"], "PartNumber": n})
            progress(len(body))
        done = s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": parts})
    except BaseException:
        s3.abort_multipart_upload(Bucket=bucket, Key=key, UploadId=upload)
        raise
    return done["VersionId"]


def _parts(file: BinaryIO, size: int) -> Iterator[bytes]:
    while body := file.read(size):
        yield body
