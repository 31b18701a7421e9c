"""Drops that a vendor takes as a set of files rather than as one stream of records."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from batchdrop.destinations.base import Output
from batchdrop.entries import entries_of, packed
from batchdrop.errors import DropRefused
from batchdrop.files_parcels import FilesParcels, look_into_files
from batchdrop.itemsize import MOST_BYTES, size_of
from batchdrop.job import Job
from batchdrop.members import enforce_manifest, members_of, set_digest, sha256_of
from batchdrop.parcels import Parcels
from batchdrop.ports import Objects
from batchdrop.records.spec import InputSpec
from batchdrop.zip_parcels import ZipParcels, look_into_zip

_LONGEST_NAME = 200
MOST_KEPT = MOST_BYTES - 40_000  # bytes of what a job keeps of a set, beside the route and all else it keeps


def look_into_set(
    job: Job, spec: InputSpec, output: Output, objects: Objects, check: Callable[[], None]
) -> dict[str, Any]:
    """One pass over all files before anything is sent; `DropRefused` if the set cannot be used."""
    members = members_of(job, objects)
    for member in members:
        if not member.name.isprintable() or len(member.name) > _LONGEST_NAME:
            raise DropRefused("set", f"the name {member.name[:40]!r}… has control characters or is too long")
    if output.format == "zip":
        found = look_into_zip(members, spec, output, check)
    else:
        found = look_into_files(members, output, check)
    sizes = {member.name: member.source.size for member in members}
    if found["ready"]:
        archive = members[0]
        records = sum(entry["records"] for entry in found["entries"])
        seen = [{"name": archive.name, "sha256": sha256_of(archive.source), "records": records}]
    else:
        seen = found["entries"]
    enforce_manifest(job, objects, [{**entry, "size": sizes[entry["name"]]} for entry in seen])
    digest = set_digest((str(entry["name"]), str(entry["sha256"])) for entry in seen)
    kept = {"ready": found["ready"], "entries": packed(found["entries"]), "sha256": digest, "again": output.sets.again}
    kept |= {"warnings": found["warnings"]} if found.get("warnings") else {}
    return _fitting(job, kept)


def _fitting(job: Job, found: dict[str, Any]) -> dict[str, Any]:
    size = size_of(job.members) + size_of(found)
    if size > MOST_KEPT:
        what = f"the names, columns and repeated ids of its {len(job.members) or 1} files take {size:,} bytes"
        raise DropRefused("set", f"{what}, and at most {MOST_KEPT:,} can be kept: drop it as several smaller sets")
    return found


def parcels_of_set(job: Job, spec: InputSpec, output: Output, objects: Objects) -> Parcels:
    """The set as batches; it has been looked into."""
    members, found = members_of(job, objects), job.inspection | {"entries": entries_of(job.inspection)}
    if output.format == "zip":
        return ZipParcels(members, spec, output, found)
    return FilesParcels(members, output, output.sets, found)
