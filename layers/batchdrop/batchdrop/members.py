"""The files of a drop that is sent as a set: what they are, and what their manifest says they must be."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import PurePosixPath
from typing import Any

from msgspec import Struct

from batchdrop.drop import READY, folder_of
from batchdrop.errors import DropRefused, ObjectGone, ObjectRefused
from batchdrop.itemsize import size_of
from batchdrop.job import Job
from batchdrop.parcels import StoredSource
from batchdrop.ports import ObjectRef, Objects
from batchdrop.records.payload import Payload, PayloadBuilder
from batchdrop.records.source import Source
from batchdrop.records.utf8 import BOM

MOST_MEMBERS = 500  # files of a set: they are listed in the ledger
MOST_NAMES = 100_000  # bytes of their names together
CHUNK = 1 << 18
SPOOL_BYTES = 16_000_000  # what is bigger goes to a temporary file
_MANIFEST_BYTES = 1_000_000
_LISTED = 5  # names in a message


class Member(Struct, frozen=True):
    """One file of a set, or the single file of a drop."""

    name: str
    source: Source


def pinned(job: Job, objects: Objects) -> list[dict[str, Any]]:
    """The files that lie beside a set's marker now, each by its version; `DropRefused` if they make no set."""
    place = folder_of(job.key)
    listed = (r for r in objects.list(job.bucket, place) if not r.key.endswith(("/", f"/{READY}")))
    refs = list(islice(listed, MOST_MEMBERS + 1))
    enforce_limits([ref.key.removeprefix(place) for ref in refs])
    try:
        return [_pinned(objects.head(ref), place) for ref in sorted(refs, key=lambda r: r.key)]
    except ObjectGone:
        raise DropRefused("set", f"a file of the set was deleted just after its {READY} came: drop it again") from None
    except ObjectRefused as refused:
        message = f"a file of the set cannot be read ({refused}): mend its permissions, then drop `{READY}` again"
        raise DropRefused("set", message) from None


def enforce_limits(names: Sequence[str]) -> None:
    """`DropRefused` unless so many files, with these names, can be a set."""
    if not names:
        raise DropRefused("set", f"a set must hold 1 to {MOST_MEMBERS} files, and there is none beside its {READY}")
    if len(names) > MOST_MEMBERS:
        why = f"a set must hold 1 to {MOST_MEMBERS} files, and there are more beside its {READY}"
        raise DropRefused("set", f"{why}: drop them as several sets, each in a folder of its own")
    size = sum(size_of(name) for name in names)
    if size > MOST_NAMES:
        why = f"the names of the set's files take {size:,} bytes together, and at most {MOST_NAMES:,} can be kept"
        raise DropRefused("set", f"{why}: give them shorter names, or drop them as several sets")


def _pinned(ref: ObjectRef, place: str) -> dict[str, Any]:
    return {"name": ref.key.removeprefix(place), "version_id": ref.version_id, "size": ref.size}


def members_of(job: Job, objects: Objects) -> list[Member]:
    """The job's files, each pinned to the version it had when the job was claimed."""
    if not job.members:
        return [Member(PurePosixPath(job.key).name, StoredSource(objects, job.drop))]
    return [Member(str(m["name"]), _stored(job, objects, m)) for m in job.members]


def _stored(job: Job, objects: Objects, member: Mapping[str, Any]) -> StoredSource:
    key = folder_of(job.key) + str(member["name"])
    return StoredSource(objects, ObjectRef(job.bucket, key, str(member["version_id"]), int(member["size"])))


# --- reading ---


def chunks(source: Source) -> Iterator[bytes]:
    """The stored bytes of a file."""
    with source.open() as stream:
        while chunk := stream.read(CHUNK):
            yield chunk


def has_mark(member: Member) -> bool:
    """Whether it begins with the byte-order mark of UTF-8."""
    with member.source.open(0, len(BOM)) as stream:
        return stream.read(len(BOM)) == BOM


def sha256_of(source: Source) -> str:
    digest = hashlib.sha256()
    for chunk in chunks(source):
        digest.update(chunk)
    return digest.hexdigest()


def set_digest(files: Iterable[tuple[str, str]]) -> str:
    """One digest of several files, each `(name, sha256)`: that of their list as `sha256sum` prints it."""
    listing = "".join(f"{sha256}  {name}\n" for name, sha256 in sorted(files))
    return hashlib.sha256(listing.encode()).hexdigest()


def spooled(pieces: Iterable[bytes]) -> Payload:
    """The pieces as one payload: in memory while small, in a temporary file above that."""
    builder = PayloadBuilder("ndjson", b"", SPOOL_BYTES)  # whose bytes are just those it is given
    for piece in pieces:
        builder.add(piece)
    return builder.finish()


@contextmanager
def naming(name: str) -> Iterator[None]:
    """Have a refusal say which file it is about."""
    try:
        yield
    except DropRefused as error:
        raise DropRefused(error.reason, f"{name}: {error}", line=error.line, offset=error.offset) from None


# --- the manifest ---


def enforce_manifest(job: Job, objects: Objects, seen: Sequence[Mapping[str, Any]]) -> None:
    """Hold the set against the manifest in its `_READY`, if that begins with a brace; `DropRefused` if they differ.

    `{"files": {NAME: {"sha256": …, "size": …, "records": …}}}`: exactly these files, and of each what is given.
    `seen` has `name`, `sha256`, `size` and `records` of every file.
    """
    wanted = _manifest(job, objects)
    if wanted is None:
        return
    found = {str(member["name"]): member for member in seen}
    _same_names("is missing", wanted.keys() - found.keys())
    _same_names("is not in the manifest", found.keys() - wanted.keys())
    for name, promised in wanted.items():
        for what in ("sha256", "size", "records"):
            if what in promised and str(promised[what]).lower() != str(found[name][what]):
                raise DropRefused("manifest", f"{name}: its {what} is {found[name][what]}, not what the manifest says")


def _same_names(what: str, names: Iterable[str]) -> None:
    listed = sorted(names)
    if listed:
        more = f" and {len(listed) - _LISTED} more" if len(listed) > _LISTED else ""
        raise DropRefused("manifest", f"the set differs from its manifest: {', '.join(listed[:_LISTED])}{more} {what}")


def _manifest(job: Job, objects: Objects) -> Mapping[str, Mapping[str, Any]] | None:
    if not job.members or job.key.rpartition("/")[2] != READY:
        return None  # a single file, or a folder that is only tried out
    with objects.open(ObjectRef(job.bucket, job.key, job.version_id)) as stream:
        text = stream.read(_MANIFEST_BYTES + 1)
    if not text.lstrip().startswith(b"{"):
        return None
    try:
        files = json.loads(text)["files"] if len(text) <= _MANIFEST_BYTES else None
    except (ValueError, KeyError, RecursionError):
        files = None
    if not isinstance(files, dict) or not all(isinstance(promised, dict) for promised in files.values()):
        raise DropRefused("manifest", 'the manifest in _READY is not of the form {"files": {"NAME": {"sha256": …}}}')
    return files
