"""The ledger's table and the buckets, in memory, with the semantics of DynamoDB and S3 that matter."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

from batchdrop.errors import ConditionFailed, ObjectGone
from batchdrop.itemsize import MOST_BYTES, size_of
from batchdrop.ports import Absent, AbsentOrBelow, Equals, Expect, Item, Key, ObjectRef, OneOf, Upload

INDEXES = ("open", "listing")


def plain(value: Any) -> Any:
    """A copy as it comes back from the store; `TypeError` for what the store could not keep."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    raise TypeError(f"the ledger cannot keep a {type(value).__name__}")


class ItemTooLarge(Exception):
    """As DynamoDB's ValidationException."""


class MemoryTable:
    """Linearizable single-item writes; indexes that lag behind by up to `lag` seconds."""

    def __init__(self, now: Callable[[], float], lag: Callable[[], float]) -> None:
        self.items: dict[Key, Item] = {}
        self.watchers: list[Callable[[Key, Item | None, Item], None]] = []
        self._now, self._lag = now, lag
        self._indexed: dict[Key, Item] = {}
        self._coming: list[tuple[float, Key, Item]] = []

    def get(self, key: Key) -> Item | None:
        return plain(self.items[key]) if key in self.items else None

    def put_new(self, key: Key, item: Item) -> None:
        if key in self.items:
            raise ConditionFailed(self.get(key))
        self._write(key, plain(item))

    def update(
        self,
        key: Key,
        set_: Mapping[str, object],
        *,
        remove: Sequence[str] = (),
        add: Mapping[str, int] | None = None,
        expect: Mapping[str, Expect] | None = None,
    ) -> Item:
        item = self.items.get(key)
        if expect and (item is None or not all(_holds(item, name, e) for name, e in expect.items())):
            raise ConditionFailed(plain(item) if item is not None else None)
        if set(set_) & set(remove):
            raise ValueError(f"two document paths overlap: {set(set_) & set(remove)}")
        changed = {**(item or {}), **plain(set_)}
        for name in remove:
            changed.pop(name, None)
        for name, value in (add or {}).items():
            changed[name] = changed.get(name, 0) + value
        self._write(key, changed)
        return dict(plain(changed))

    def query(self, pk: str, sk_prefix: str = "") -> list[Item]:
        keys = sorted((k for k in self.items if k.pk == pk and k.sk.startswith(sk_prefix)), key=lambda k: k.sk)
        return [plain(self.items[k]) for k in keys]

    def query_index(
        self, index: str, value: str, *, limit: int = 100, newest_first: bool = True, since: int = 0
    ) -> list[Item]:
        self._catch_up()
        found = [item for item in self._indexed.values() if item.get(index) == value and _created(item) >= since]
        found.sort(key=_created, reverse=newest_first)
        return [plain(item) for item in found[:limit]]

    def delete(self, key: Key) -> None:
        self.items.pop(key, None)

    def _write(self, key: Key, item: Item) -> None:
        if size_of(item) > MOST_BYTES:
            raise ItemTooLarge("Item size has exceeded the maximum allowed size")
        before = self.items.get(key)
        self.items[key] = item = {**item, "pk": key.pk, "sk": key.sk}
        if any(name in item or name in (before or {}) for name in INDEXES):
            self._coming.append((self._now() + self._lag(), key, item))
        for watcher in self.watchers:
            watcher(key, before, item)

    def _catch_up(self) -> None:
        now = self._now()
        for _, key, item in (c for c in self._coming if c[0] <= now):
            self._indexed[key] = item
        self._coming = [c for c in self._coming if c[0] > now]


def _created(item: Item) -> int:
    return int(str(item["created_at"]))


def _holds(item: Item, name: str, expect: Expect) -> bool:
    value: Any = item.get(name)
    match expect:
        case Absent():
            return name not in item
        case Equals(wanted):
            return name in item and bool(value == wanted)
        case AbsentOrBelow(limit):
            return name not in item or value < limit
        case OneOf(values):
            return name in item and value in values


class MemoryObjects:
    """Versioned objects. `signed` serves what a signed URL still may fetch."""

    def __init__(self, now: Callable[[], float]) -> None:
        self.stored: dict[tuple[str, str], list[tuple[str, bytes | None, float]]] = {}
        self.new_puts: dict[tuple[str, str], int] = {}
        self._now = now
        self._signed: dict[str, tuple[str, str, float]] = {}
        self.uploads: dict[Upload, dict[int, bytes] | None] = {}  # None: completed

    def open(self, ref: ObjectRef, start: int = 0, end: int | None = None) -> BinaryIO:
        return io.BytesIO(self._bytes(ref)[1][start:end])

    def head(self, ref: ObjectRef) -> ObjectRef:
        version_id, data, _ = self._bytes(ref)
        return ObjectRef(ref.bucket, ref.key, version_id, len(data), ref.modified)

    def list(self, bucket: str, prefix: str) -> Iterable[ObjectRef]:
        for (where, key), versions in sorted(self.stored.items()):
            data = versions[-1][1]
            if where == bucket and key.startswith(prefix) and data is not None:
                yield ObjectRef(bucket, key, size=len(data), modified=versions[-1][2])

    def versions(self, bucket: str, prefix: str, *, after: str = "") -> Iterable[ObjectRef]:
        for (where, key), versions in sorted(self.stored.items()):
            for version_id, data, at in versions:
                if where == bucket and key.startswith(prefix) and key > after and data is not None:
                    yield ObjectRef(bucket, key, version_id, len(data), at)

    def put(
        self,
        bucket: str,
        key: str,
        body: bytes | bytearray | BinaryIO,
        *,
        content_type: str = "",
        new: bool = False,
    ) -> None:
        versions = self.stored.setdefault((bucket, key), [])
        if new and versions and versions[-1][1] is not None:
            raise ConditionFailed(None)
        if new:
            self.new_puts[bucket, key] = self.new_puts.get((bucket, key), 0) + 1
        data = bytes(body) if isinstance(body, bytes | bytearray) else body.read()
        versions.append((f"v{len(versions) + 1}-{key}"[:1024], data, self._now()))

    def put_stream(self, bucket: str, key: str, chunks: Iterator[bytes], *, content_type: str = "") -> int:
        data = b"".join(chunks)
        self.put(bucket, key, data)
        return len(data)

    def begin(self, bucket: str, key: str, *, content_type: str = "") -> Upload:
        upload = Upload(bucket, key, f"upload-{len(self.uploads)}")
        self.uploads[upload] = {}
        return upload

    def add(self, upload: Upload, number: int, block: bytes) -> str:
        self._blocks(upload)[number] = block
        return f"mark-{number}"

    def complete(self, upload: Upload, marks: Sequence[str]) -> None:
        blocks = self._blocks(upload)
        self.put(upload.bucket, upload.key, b"".join(blocks[int(mark.rpartition("-")[2])] for mark in marks))
        self.uploads[upload] = None

    def _blocks(self, upload: Upload) -> dict[int, bytes]:
        blocks = self.uploads[upload]
        if blocks is None:
            raise ObjectGone("no such upload")
        return blocks

    def delete(self, bucket: str, key: str) -> None:
        if (bucket, key) in self.stored:
            self.stored[bucket, key].append(("", None, self._now()))

    def signed_url(self, bucket: str, key: str, seconds: int) -> str:
        url = f"http://127.0.0.1:9/{bucket}/{key}?X-Amz-Signature=canary{len(self._signed)}"
        self._signed[url] = (bucket, key, self._now() + seconds)
        return url

    def signed(self, url: str) -> tuple[int, bytes]:
        """Status and body of a GET of a signed URL."""
        bucket, key, expires = self._signed.get(url, ("", "", 0.0))
        if self._now() >= expires:
            return 403, b"Request has expired"
        try:
            return 200, self._bytes(ObjectRef(bucket, key))[1]
        except ObjectGone:
            return 404, b"NoSuchKey"

    def _bytes(self, ref: ObjectRef) -> tuple[str, bytes, float]:
        for version_id, data, at in reversed(self.stored.get((ref.bucket, ref.key), [])):
            if not ref.version_id or version_id == ref.version_id:
                if data is None:
                    break
                return version_id, data, at
        raise ObjectGone("no such object version")
