"""The end of a job: results collected, rejects matched to their lines, the account closed, one report written.

Resumable: each batch's account is closed on its own, its rejects kept as a part until the report is written.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from batchdrop.account import fate, never_taken, outcome_of
from batchdrop.destinations.base import Collected
from batchdrop.errors import (
    Ambiguous,
    AuthExpired,
    DropRefused,
    ObjectGone,
    ObjectRefused,
    ProvablyNotSent,
    RateLimited,
    Rejected,
)
from batchdrop.job import NUMBERS, Batch, Job
from batchdrop.matching import Tally, everyone, refused, rows_of_batch
from batchdrop.parcels import Parcels, parcels_of
from batchdrop.places import folder
from batchdrop.ports import ObjectRef
from batchdrop.records.rejects import RejectsWriter
from batchdrop.refusals import SAMPLE, Refusals
from batchdrop.report.document import report_document
from batchdrop.report.publish import publish, publish_index
from batchdrop.route import Route, read_route
from batchdrop.session import open_session
from batchdrop.slots import leave
from batchdrop.spans import Spans
from batchdrop.words import BatchState, Counts, JobOutcome
from batchdrop.world import Invocation, World

GRACE = 3600  # seconds after the deadline in which a result that cannot be fetched is still tried
_ASKABLE = (BatchState.SUCCEEDED, BatchState.HANDED_OVER)
_REST_PART = 999_999  # the part after the last batch: records that were never packaged
_REST_OF_SPAN = NUMBERS - 1  # the same after the last batch of each span, where the drop is cut


@dataclass(frozen=True, slots=True)
class Finished:
    """`next`: `done`, `again` (more to do, at once) or `wait` (ask again in `seconds`)."""

    next: str
    outcome: str = ""
    success: bool = False
    seconds: int = 0


def finish(world: World, invocation: Invocation, job_id: str) -> Finished:
    """Bring a job to its report, or say how to go on. Harmless to repeat."""
    job = world.ledger.job(job_id)
    if job is None:
        return Finished("done", "unknown")
    if job.is_closed:
        return _done(job)
    until = world.ledger.now() + int(1000 * (invocation.time_left() + world.settings.lease_margin))
    taken = world.ledger.acquire(job, invocation.owner, until)
    if taken is None:
        return Finished("wait", seconds=max(1, min(60, (job.lease_until - world.ledger.now()) // 1000 + 1)))
    try:
        return Closing(world, invocation, taken).close()
    except Exception:  # the workflow tries again in a moment, and need not wait for a lease that nobody uses
        with suppress(Exception):
            world.ledger.release(taken, invocation.owner, {})
        raise


def _done(job: Job) -> Finished:
    outcome = JobOutcome(job.outcome)
    return Finished("done", outcome.value, outcome.is_success)


@dataclass(slots=True)
class Closing:
    """One invocation's share of a job's end, under its lease."""

    world: World
    invocation: Invocation
    job: Job
    parcels: Parcels | None = None
    route: Route | None = None
    warnings: list[str] = field(default_factory=list)
    parts: set[int] = field(default_factory=set)  # of the rejects file: those of this report, by number

    def close(self) -> Finished:
        """The lease of the job is ours: who takes that of a span from now on sees it, and who has one is waited for."""
        spans = Spans.of(self.world.ledger, self.job)
        if spans.held:
            return self._later("wait", max(1, min(60, int(spans.free_in()))))
        try:
            self.route, self.parcels = self._reopen()
            batches = [self._account(b) for b in self.world.ledger.batches(self.job.job_id)]
            self.parts |= {batch.n for batch in batches}
            if self.job.begun and not batches:
                self.warnings.append("a first batch may have been begun at the vendor; nothing was submitted with it")
            rest = sum((self._rest(span, batches) for span in self.job.spans), Counts())
        except (RateLimited, Ambiguous, ProvablyNotSent, AuthExpired) as error:
            self.world.log.warning("results not fetched yet", job_id=self.job.job_id, why=str(error))
            return self._later("wait", int(getattr(error, "after", None) or 30))
        except _OutOfTime:
            return self._later("again", 0)
        return self._report(batches, rest)

    def _later(self, next_: str, seconds: int) -> Finished:
        self.world.ledger.release(self.job, self.invocation.owner, {})
        return Finished(next_, seconds=seconds)

    def _reopen(self) -> tuple[Route | None, Parcels | None]:
        if not self.job.config:
            return None, None
        route = read_route(self.job.route, self.job.config, self.world.settings.allow_insecure)
        return route, parcels_of(self.job, route, self.world.objects) if self.job.inspection else None

    # --- one batch ---

    def _account(self, batch: Batch) -> Batch:
        """Close one batch's account, unless an earlier invocation has."""
        if batch.collected_at or not self.parcels:
            return batch
        if self.invocation.time_left() < self.world.settings.reserve / 2:
            raise _OutOfTime
        collected = self._collect(batch)
        tally = self._match(batch, self.parcels, collected)
        counts, inferred, odd = fate(batch, collected, tally.matched, tally.already)
        warnings = [*batch.warnings, *(collected.warnings if collected else []), *odd]
        if odd:
            self.world.metrics.count("CountMismatches")
        if tally.unmatched:
            self.world.metrics.count("UnmatchedVendorErrors", len(tally.unmatched))
        changes = {
            "counts": counts.as_dict(),
            "inferred": inferred,
            "warnings": warnings,
            "unmatched": tally.unmatched,
            "results": collected.results if collected else [],
        }
        return self.world.ledger.collected(batch, changes)

    def _collect(self, batch: Batch) -> Collected | None:
        if batch.status not in _ASKABLE or not batch.records or self.route is None:
            return None
        try:
            return self.route.vendor.collect(open_session(self.world, self.job, self.route), batch)
        except Rejected as error:
            return self._unreadable(batch, error)
        except (RateLimited, Ambiguous, ProvablyNotSent, AuthExpired) as error:
            if self.world.ledger.now() < self.job.deadline_at + GRACE * 1000:
                raise
            return self._unreadable(batch, error)

    def _unreadable(self, batch: Batch, error: Exception) -> Collected:
        """The vendor's own outcome still stands; that its results could not be had is said aloud.

        Where only they would tell which records it refused, no record's fate is known.
        """
        self.world.metrics.count("ResultsUnreadable")
        unknown = self.route is None or self.route.vendor.names_rejects
        return Collected(unknown=unknown, warnings=[f"batch {batch.n}: RESULT_UNREADABLE: {error}"])

    def _match(self, batch: Batch, parcels: Parcels, collected: Collected | None) -> Tally:
        refusals = Refusals(collected.rejects if collected else ())
        tally, whole = self._tally(), _whole(batch)
        if len(refusals) or batch.invalid or whole:
            if whole:
                records = everyone(parcels, batch.start, batch.end, whole, tally)
            else:
                records = refused(parcels, batch, refusals, tally)
            rows = rows_of_batch(records, refusals, parcels.rejects(), tally, whole)
            try:
                self._write_part(batch.n, rows, tally)
            except (ObjectGone, ObjectRefused) as error:
                self._unless_for_good(error)
                self.warnings.append(f"batch {batch.n}: the drop is gone, so its rejects have no lines")
                return Tally(matched=len(refusals))
        return tally

    def _tally(self) -> Tally:
        return Tally(hashes_ids=self.route is not None and self.route.hash_ids)

    def _rest(self, span: int, batches: list[Batch]) -> Counts:
        """What was never packaged: counted, and written to the rejects file so that it can be dropped again."""
        if not self.parcels or not self.route:
            return Counts(invalid=int(self.job.failure.get("records", 0)))
        last = next((b for b in reversed(batches) if b.span == span), None)
        if last and last.last:
            return Counts()
        parcels = parcels_of(self.job, self.route, self.world.objects, span=span)
        tally = self._tally()
        reason = str(self.job.failure.get("reason", "")) or "not_sent"
        whole = ("unprocessed", reason, str(self.job.failure.get("message", "never sent")))
        try:
            records = everyone(parcels, last.end if last else None, None, whole, tally)
            rows = rows_of_batch(records, Refusals(()), parcels.rejects(), tally, whole)
            self._write_part(span * NUMBERS + _REST_OF_SPAN if span else _REST_PART, rows, tally)
        except (ObjectGone, ObjectRefused, DropRefused) as error:
            self._unless_for_good(error)
            self.warnings.append(f"not all of the unsent records could be counted: {error}")
        return Counts(invalid=tally.invalid, unprocessed=tally.whole)

    def _unless_for_good(self, error: Exception) -> None:
        """Permissions that are missing may come back: until it is late, the report waits for them."""
        is_late = self.world.ledger.now() >= self.job.deadline_at + GRACE * 1000
        if isinstance(error, ObjectRefused) and self.job.failure.get("reason") != error.reason and not is_late:
            raise error

    # --- parts of the rejects file ---

    def _part(self, n: int, kind: str) -> str:
        return f"work/{self.job.job_id}/rejects-{n:06d}.{kind}"

    def _write_part(self, n: int, rows: Iterator[bytes], tally: Tally) -> None:
        self.parts.add(n)
        bucket = self.world.settings.results_bucket
        self.world.objects.put_stream(bucket, self._part(n, "rows"), rows)
        reasons = [[*key, count] for key, count in tally.reasons.most_common(SAMPLE)]
        notes = json.dumps({"sample": tally.sample, "reasons": reasons}).encode()
        self.world.objects.put(bucket, self._part(n, "json"), notes)

    def _parts(self, kind: str) -> list[ObjectRef]:
        """In the drop's order; without what an earlier report told of records that were sent since."""
        found = [ref for ref in self._all_parts() if ref.key.endswith(kind) and _number(ref) in self.parts]
        return sorted(found, key=_number)

    def _all_parts(self) -> list[ObjectRef]:
        return list(self.world.objects.list(self.world.settings.results_bucket, f"work/{self.job.job_id}/"))

    # --- the report ---

    def _report(self, batches: list[Batch], rest: Counts) -> Finished:
        counts = sum((b.tally for b in batches), rest)
        outcome, reason = outcome_of(self.job, batches, counts, self.world.ledger.now())
        sample, reasons = self._notes()
        document = report_document(
            replace(self.job, warnings=[*self.job.warnings, *self.warnings]),
            batches,
            outcome,
            reason,
            counts,
            sample,
            reasons,
            now=self.world.ledger.now(),
        )
        writer = self.parcels.rejects() if self.parcels else RejectsWriter.for_format("ndjson")
        standing = publish(self.world, self.job, document, writer.name, self._rejects(writer))
        return self._close(standing)

    def _notes(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        sample: list[dict[str, Any]] = []
        reasons: Counter[tuple[str, str, str]] = Counter()
        for ref in self._parts(".json"):
            with self.world.objects.open(ref) as body:
                notes = json.loads(body.read())
            sample += notes["sample"][: SAMPLE - len(sample)]
            for outcome, code, message, count in notes["reasons"]:
                reasons[(outcome, code, message)] += count
        names = ("outcome", "code", "message")
        return sample, [dict(zip(names, key, strict=True)) | {"count": n} for key, n in reasons.most_common(20)]

    def _rejects(self, writer: RejectsWriter) -> Iterator[bytes]:
        yield writer.head()
        for ref in self._parts(".rows"):
            with self.world.objects.open(ref) as body:
                while chunk := body.read(1 << 16):
                    yield chunk

    def _close(self, document: dict[str, Any]) -> Finished:
        self._announce(document)  # before the ledger says it is done: rather told twice than never
        changes = {
            "outcome": document["outcome"],
            "counts": document["counts"],
            "report_key": f"{folder(self.job)}report.json",
            "lease_until": 0,
        }
        job = self.world.ledger.close(self.job, changes)
        if self.route and self.route.max_in_flight:
            leave(self.world.ledger, self.route.account_key, job.job_id)
        publish_index(self.world, job)
        if job.ended() is not JobOutcome.HELD:  # the parts serve the report that follows the operator's decision
            for ref in self._all_parts():
                self.world.objects.delete(ref.bucket, ref.key)
        return _done(job)

    def _announce(self, document: dict[str, Any]) -> None:
        self.world.metrics.count(f"Jobs{''.join(w.title() for w in document['outcome'].split('_'))}")
        self.world.metrics.count("JobSeconds", (self.world.ledger.now() - self.job.created_at) // 1000)
        for name, value in document["counts"].items():
            self.world.metrics.count("Records" if name == "records" else f"Records{name.title()}", value)
        told = ("job_id", "route", "destination", "outcome", "reason", "counts", "drop", "revision")
        where = {"bucket": self.world.settings.results_bucket, "key": f"{folder(self.job)}report.json"}
        self.world.events.publish("Job Finished", {k: document[k] for k in told} | {"report": where})


def _number(part: ObjectRef) -> int:
    return int(part.key.rpartition("-")[2].partition(".")[0])


class _OutOfTime(Exception):
    pass


def _whole(batch: Batch) -> tuple[str, str, str] | None:
    """What befell every record of a batch, where that puts them all in the rejects file."""
    if not batch.records:
        return None
    if batch.status is BatchState.FAILED:
        return "rejected", batch.code or "batch_refused", batch.message
    if never_taken(batch):
        return "unprocessed", "not_sent", batch.message or "never sent"
    return None
