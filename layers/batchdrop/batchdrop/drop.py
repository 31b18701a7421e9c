"""From what S3, SQS or EventBridge says to the drops it means. Pure: parses, never fetches."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import cast
from urllib.parse import unquote_plus

from msgspec import Struct, field

PREFIX = "drops/"
READY = "_READY"


class Drop(Struct, frozen=True):
    """One version of one object under `drops/<route>/`; for a set, of its `_READY` marker."""

    bucket: str
    key: str
    version_id: str
    size: int = 0
    sequencer: str = ""

    @property
    def job_id(self) -> str:
        return job_id(self.bucket, self.key, self.version_id)

    @property
    def route(self) -> str:
        return self.key.removeprefix(PREFIX).partition("/")[0]

    @property
    def is_marker(self) -> bool:
        return self.key.rpartition("/")[2] == READY


class Arrivals(Struct):
    """What one message holds: the drops in it, and why anything else in it was left aside."""

    drops: list[Drop] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)


def job_id(bucket: str, key: str, version_id: str) -> str:
    """The deterministic id of the job for this object version: 32 hex digits, fit for an execution's name."""
    return hashlib.sha256("\0".join(("job/1", bucket, key, version_id)).encode()).hexdigest()[:32]


def folder_of(key: str) -> str:
    """A key up to and including its last slash: of a marker, where the files of its set lie."""
    return key.rpartition("/")[0] + "/"


def later(one: str, other: str) -> bool:
    """Whether sequencer `one` is later than `other` (S3: compare as hex text, the shorter padded with zeros)."""
    width = max(len(one), len(other))
    return one.ljust(width, "0").upper() > other.ljust(width, "0").upper()


def arrivals(message: object) -> Arrivals:
    """Read one message: an S3 notification, an EventBridge event, or either of them as JSON text.

    Never raises: what is not a drop is named in `ignored`.
    """
    found = Arrivals()
    try:
        data = json.loads(message) if isinstance(message, str | bytes) else message
    except ValueError:
        data = None
    if not isinstance(data, Mapping):
        found.ignored.append("not a JSON object")
    elif data.get("Event") == "s3:TestEvent":
        found.ignored.append("s3:TestEvent")
    elif isinstance(data.get("Records"), list):
        for record in cast("list[object]", data["Records"]):
            _sort_in(found, *_from_notification(record))
    elif data.get("source") == "aws.s3" and "detail" in data:
        _sort_in(found, *_from_eventbridge(data))
    else:
        found.ignored.append("no S3 event in it")
    return found


def _sort_in(found: Arrivals, name: str, drop: Drop | None) -> None:
    reason = _why_ignored(name, drop)
    if drop is not None and not reason:
        found.drops.append(drop)
    else:
        found.ignored.append(reason)


def _why_ignored(name: str, drop: Drop | None) -> str:
    if "ObjectCreated" not in name and name != "Object Created":
        return name or "an event without a name"
    if drop is None:
        return f"{name} without bucket or key"
    if not drop.key.startswith(PREFIX) or "/" not in drop.key.removeprefix(PREFIX):
        return f"{name} outside {PREFIX}<route>/"
    if drop.key.endswith("/"):
        return "folder marker"
    if not drop.version_id:
        return "object without a version id"
    return ""


def _from_notification(record: object) -> tuple[str, Drop | None]:
    # Keys in S3's own notifications are URL-encoded with `+` for a space; EventBridge's are not.
    if not isinstance(record, Mapping):
        return "", None
    return str(record.get("eventName", "")), _drop(record.get("s3"), "versionId", decode=True)


def _from_eventbridge(event: Mapping[str, object]) -> tuple[str, Drop | None]:
    return str(event.get("detail-type", "")), _drop(event["detail"], "version-id", decode=False)


def _drop(detail: object, version_field: str, *, decode: bool) -> Drop | None:
    try:
        bucket, obj = detail["bucket"]["name"], detail["object"]  # type: ignore[index]
        key = unquote_plus(obj["key"]) if decode else obj["key"]
        return Drop(
            str(bucket),
            str(key),
            str(obj.get(version_field) or ""),
            int(obj.get("size") or 0),
            str(obj.get("sequencer") or ""),
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return None


def sqs_messages(event: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    """`(message id, body)` of each record of an SQS event."""
    records = event.get("Records")
    for record in records if isinstance(records, list) else []:
        if isinstance(record, Mapping):
            yield str(record.get("messageId", "")), record.get("body")
