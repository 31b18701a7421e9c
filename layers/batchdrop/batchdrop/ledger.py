"""The ledger: what is known of every job, in the only words it may be changed by.

Every write that matters is conditional. Where a write may have succeeded without our seeing the answer (an SDK's own
repeat, a lost reply), the failed condition shows our own mark and counts as success.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from msgspec import Struct
from msgspec.structs import asdict, replace

from batchdrop.errors import ConditionFailed
from batchdrop.job import Batch, Job, Piece, Span
from batchdrop.ports import Absent, AbsentOrBelow, Clock, Equals, Expect, Item, Key, OneOf, Table
from batchdrop.words import BatchState

JOB = "job"
PAGE = 1000  # open jobs read at a time


class LostOwnership(Exception):
    """Somebody else holds the job now: stop at once, write nothing more."""


def job_key(job_id: str) -> Key:
    return Key(f"job#{job_id}", JOB)


def batch_key(job_id: str, n: int, span: int = 0) -> Key:
    return Key(f"job#{job_id}", f"{_of_span(span)}{n:06d}")


def span_key(job_id: str, span: int) -> Key:
    return Key(f"job#{job_id}", f"span#{span:03d}")


def piece_key(job_id: str, n: int) -> Key:
    return Key(f"job#{job_id}", f"rest#{n:07d}")


def _of_span(span: int) -> str:
    """What the keys of its batches begin with: a worker reads those of its own span alone."""
    return f"batch#{span:03d}#" if span else "batch#"


class Ledger(Struct):
    """Typed access to the jobs in a `Table`."""

    table: Table
    clock: Clock

    def now(self) -> int:
        """Milliseconds since the epoch."""
        return int(self.clock.now() * 1000)

    # --- jobs ---

    def claim(self, job: Job) -> tuple[Job, bool]:
        """Write the job unless it is there; returns it as it stands, and whether this call wrote it."""
        item = self.dated(job.to_item() | {"open": "1", "listing": "job"})
        try:
            self.table.put_new(job_key(job.job_id), item)
        except ConditionFailed as failed:
            found = Job.from_item(failed.item or {})
            ours = bool(job.owner) and found.owner == job.owner  # our own write, repeated by the SDK
            return found, ours
        return job, True

    def job(self, job_id: str) -> Job | None:
        item = self.table.get(job_key(job_id))
        return Job.from_item(item) if item else None

    def acquire(self, job: Job, owner: str, lease_until: int) -> Job | None:
        """Take the job's lease; None while somebody else holds it. The holder before is dead: its lease is over."""
        try:
            return self._job(
                job,
                {"owner": owner, "lease_until": lease_until},
                {"lease_until": AbsentOrBelow(self.now()), "closed_at": Absent()},
            )
        except ConditionFailed as failed:
            held = Job.from_item(failed.item) if failed.item else None
            return held if held and held.owner == owner and not held.is_closed else None

    def held(self, job: Job, owner: str, changes: Mapping[str, object]) -> Job:
        """Change a job under its lease; `LostOwnership` if it is no longer ours."""
        try:
            return self._job(job, changes, {"owner": Equals(owner)})
        except ConditionFailed:
            raise LostOwnership from None

    def release(self, job: Job, owner: str, changes: Mapping[str, object]) -> Job:
        """Change a job for the last time under this lease, and give the lease back."""
        return self.held(job, owner, {**changes, "lease_until": 0})

    def change(self, job: Job, changes: Mapping[str, object], expect: Mapping[str, Expect]) -> Job:
        """Change a job outside a lease; `ConditionFailed` if it is not as expected."""
        return self._job(job, changes, expect)

    def hint(self, job_id: str, window_ms: int) -> Job:
        """Record that the vendor called; `ConditionFailed` if the job is closed, unknown, or was hinted at just now."""
        fresh: dict[str, Expect] = {"hint_at": AbsentOrBelow(self.now() - window_ms), "closed_at": Absent()}
        called = {"hint_at": (now := self.now()), "callback_at": now}
        return Job.from_item(self.table.update(job_key(job_id), called, expect=fresh))

    def close(self, job: Job, changes: Mapping[str, object]) -> Job:
        """End the job, once; returns it as it ended."""
        changes = {**changes, "closed_at": self.now()}
        try:
            key = job_key(job.job_id)
            item = self.table.update(key, _stored(changes), remove=("open", "task_token"), expect=_ENDING)
            return Job.from_item(item)
        except ConditionFailed as failed:
            return Job.from_item(failed.item or {})

    def next_run(self, job: Job) -> Job | None:
        """Count a new execution for an unfinished job; None if somebody else just did, or it is closed."""
        expect: dict[str, Expect] = {"closed_at": Absent(), "run": Equals(job.run) if job.run > 1 else Absent()}
        try:
            return self._job(job, {"run": job.run + 1}, expect)
        except ConditionFailed:
            return None

    def reopen(self, job: Job, changes: Mapping[str, object], remove: tuple[str, ...] = ()) -> Job:
        """Open a held job again for another execution and report; `ConditionFailed` unless it stands as given."""
        changes = {**changes, "run": job.run + 1, "revision": job.revision + 1, "open": "1"}
        expect: dict[str, Expect] = {"closed_at": Equals(job.closed_at), "outcome": Equals("held")}
        gone = (*_OF_THE_RUN, *remove)
        return Job.from_item(self.table.update(job_key(job.job_id), _stored(changes), remove=gone, expect=expect))

    def decide(self, batch: Batch, changes: Mapping[str, object]) -> Batch:
        """An operator's decision on a batch that is held: its account is open again."""
        expect: dict[str, Expect] = {"state": Equals(str(batch.state))}
        gone = tuple(name for name in _OF_THE_ACCOUNT if name not in changes)
        item = self.table.update(self._key(batch), _stored(changes), remove=gone, expect=expect)
        return Batch.from_item(item)

    def open_jobs(self, since: int = 0) -> Iterator[Job]:
        """All unfinished jobs claimed since then, oldest first, read page by page; the index may lag."""
        page: list[Job] = []
        while True:
            seen = {job.job_id for job in page}  # several may be claimed in one millisecond
            found = self.table.query_index("open", "1", limit=PAGE, newest_first=False, since=since)
            page = [Job.from_item(item) for item in found]
            yield from (job for job in page if job.job_id not in seen)
            if len(page) < PAGE:
                return
            since = max(page[-1].created_at, since + 1)

    def latest_open(self, limit: int = 100) -> list[Job]:
        """The latest unfinished jobs, newest first; the index may lag."""
        return [Job.from_item(i) for i in self.table.query_index("open", "1", limit=limit)]

    def jobs(self, limit: int = 100) -> list[Job]:
        """The latest jobs, newest first; the index may lag."""
        return [Job.from_item(i) for i in self.table.query_index("listing", "job", limit=limit)]

    def _job(self, job: Job, changes: Mapping[str, object], expect: Mapping[str, Expect]) -> Job:
        return Job.from_item(self.table.update(job_key(job.job_id), _stored(changes), expect=expect))

    # --- spans ---

    def spans(self, job_id: str) -> dict[int, Span]:
        """Those somebody has begun with, by number."""
        found = (Span.from_item(i) for i in self.table.query(f"job#{job_id}", "span#"))
        return {span.span: span for span in found}

    def take_span(self, job_id: str, number: int, owner: str, lease_until: int) -> Span | None:
        """Take a span's lease; None while somebody else holds it."""
        span = Span(job_id, number, owner, lease_until)
        try:
            self.table.put_new(span_key(job_id, number), self.dated(span.to_item()))
        except ConditionFailed as failed:
            if (failed.item or {}).get("owner") != owner:
                return self._take_over_span(span)
        return span

    def _take_over_span(self, span: Span) -> Span | None:
        lease = {"owner": span.owner, "lease_until": span.lease_until}
        try:
            return self._span(span, lease, {"lease_until": AbsentOrBelow(self.now())})
        except ConditionFailed as failed:
            held = Span.from_item(failed.item) if failed.item else None
            return held if held and held.owner == span.owner else None

    def release_span(self, span: Span, changes: Mapping[str, object]) -> Span:
        """Change a span for the last time under this lease, and give the lease back."""
        try:
            return self._span(span, {**changes, "lease_until": 0}, {"owner": Equals(span.owner)})
        except ConditionFailed:
            raise LostOwnership from None

    def reopen_span(self, span: Span) -> None:
        """Let a span be gone through again: an operator has decided on batches of it."""
        self.table.update(span_key(span.job_id, span.span), {"tries": 0}, remove=_OF_THE_SPAN)

    def _span(self, span: Span, changes: Mapping[str, object], expect: Mapping[str, Expect]) -> Span:
        return Span.from_item(self.table.update(span_key(span.job_id, span.span), changes, expect=expect))

    # --- batches ---

    def batches(self, job_id: str, span: int = 0) -> list[Batch]:
        """All batches of a job, or those of one span of it, in the drop's order."""
        found = [Batch.from_item(i) for i in self.table.query(f"job#{job_id}", _of_span(span))]
        return sorted(found, key=lambda batch: batch.n)

    def new_batch(self, batch: Batch) -> Batch:
        """Record a batch with its first intent; `LostOwnership` if another owner got there first."""
        try:
            self.table.put_new(self._key(batch), self.dated(batch.to_item()))
        except ConditionFailed as failed:
            if (failed.item or {}).get("owner") != batch.owner:
                raise LostOwnership from None
        return batch

    def take_over(self, batch: Batch, owner: str) -> Batch:
        """Make a batch ours that a former owner left; from now on that owner can no longer write it."""
        return self._batch(batch, {"owner": owner}, {"owner": Equals(batch.owner), "state": OneOf(_OPEN)}, owner)

    def write_batch(self, batch: Batch, **changes: Any) -> Batch:
        """Change a batch as its owner at its attempt; `LostOwnership` if either is no longer ours."""
        expect = {"owner": Equals(batch.owner), "attempt": Equals(batch.attempt)}
        return self._batch(batch, changes, expect, batch.owner)

    def settle(self, batch: Batch, state: BatchState, **changes: Any) -> Batch:
        """Move a submitted batch to a terminal state, once: terminal is final, whoever asks first."""
        expect: dict[str, Expect] = {"state": Equals(str(batch.state))}
        changes = {"state": str(state), "done_at": self.now(), **changes}
        try:
            return Batch.from_item(self.table.update(self._key(batch), _stored(changes), expect=expect))
        except ConditionFailed as failed:
            return Batch.from_item(failed.item or {})

    def note(self, batch: Batch, **changes: Any) -> Batch:
        """Add to what is known of a batch while it stays in its state."""
        try:
            expect: dict[str, Expect] = {"state": Equals(str(batch.state))}
            return Batch.from_item(self.table.update(self._key(batch), _stored(changes), expect=expect))
        except ConditionFailed as failed:
            return Batch.from_item(failed.item or {})

    def collected(self, batch: Batch, changes: Mapping[str, object]) -> Batch:
        """Close a batch's account, once."""
        changes = {"collected_at": self.now(), **changes}
        try:
            item = self.table.update(self._key(batch), _stored(changes), expect={"collected_at": Absent()})
            return Batch.from_item(item)
        except ConditionFailed as failed:
            return Batch.from_item(failed.item or {})

    def pieces(self, job_id: str) -> dict[int, Piece]:
        """What is accounted for of what was never packaged, by number."""
        found = (Piece.from_item(i) for i in self.table.query(f"job#{job_id}", "rest#"))
        return {piece.n: piece for piece in found}

    def keep_piece(self, piece: Piece) -> Piece:
        """Close a piece's account. One of an earlier report that began elsewhere gives way to it."""
        piece = replace(piece, collected_at=self.now())
        self.table.update(piece_key(piece.job_id, piece.n), self.dated(asdict(piece)))
        return piece

    def _batch(self, batch: Batch, changes: Mapping[str, object], expect: Mapping[str, Expect], owner: str) -> Batch:
        try:
            return Batch.from_item(self.table.update(self._key(batch), _stored(changes), expect=expect))
        except ConditionFailed as failed:
            if _is_done(failed.item, changes, owner):
                return Batch.from_item(failed.item or {})
            raise LostOwnership from None

    def _key(self, batch: Batch) -> Key:
        return batch_key(batch.job_id, batch.n, batch.span)

    # --- small facts ---

    def recall(self, pk: str, sk: str) -> Item | None:
        return self.table.get(Key(pk, sk))

    def remember(self, pk: str, sk: str, item: Item) -> Item:
        """Write a fact unless there is one; returns the one that stands."""
        try:
            self.table.put_new(Key(pk, sk), self.dated(item))
        except ConditionFailed as failed:
            return failed.item or {}
        return item

    def remember_instead(self, pk: str, sk: str, item: Item) -> None:
        """Put a fact in the place of the one that stands."""
        self.table.update(Key(pk, sk), self.dated(item))

    # --- how long they are kept ---

    def dated(self, item: Mapping[str, object]) -> Item:
        """What is written, with when it goes: so long after it was first written, or as long again."""
        return {**item, "expires_at": self.now() // 1000 + RETENTION}

    def prolong(self, job_id: str) -> None:
        """Keep all there is of a job as long again, if any of it could be gone while somebody decides on the job.

        The job comes last: it is never kept longer than its batches, without which nobody could decide on it.
        """
        items = self.table.query(f"job#{job_id}")
        if all(cast(int, item.get("expires_at", 0)) > self.now() // 1000 + ENOUGH for item in items):
            return
        for item in sorted(items, key=lambda item: item["sk"] == JOB):
            self.table.update(Key(str(item["pk"]), str(item["sk"])), self.dated({}), expect={"sk": Equals(item["sk"])})


RETENTION = 400 * 86400  # seconds an item stays in the ledger: longer than any queue can redeliver its drop
ENOUGH = 100 * 86400  # of them, for the longest deadline there is, and for the decision after it
_OPEN = tuple(str(s) for s in BatchState if s.is_open)
_OF_THE_RUN = (
    "closed_at",
    "outcome",
    "counts",
    "finish_tries",
    "hint_at",
    "task_token",
    "lease_until",
    "not_before",
    "asked_at",
    "ask_after",
)
_OF_THE_SPAN = ("packaged_at", "failure", "not_before", "refusals")
_OF_THE_ACCOUNT = (
    "collected_at",
    "counts",
    "done_at",
    "doubt_at",
    "unmatched",
    "results",
    "inferred",
    "unasked",
    "part",
)
_ENDING: dict[str, Expect] = {"closed_at": Absent()}


def _is_done(item: Item | None, changes: Mapping[str, object], owner: str) -> bool:
    """Whether the item already is what this write wanted to make of it, by this owner."""
    return bool(item) and all(cast(Item, item).get(k) == v for k, v in {**_stored(changes), "owner": owner}.items())


def _stored(changes: Mapping[str, object]) -> dict[str, object]:
    return {k: str(v) if isinstance(v, BatchState) else v for k, v in changes.items()}
