"""The end of a job: results collected, rejects matched to their lines, the account closed, one report written.

Resumable: each account is closed on its own, a batch's or that of a piece of what was never sent, its rejects kept as a
part until the report is written.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from batchdrop import order
from batchdrop.account import fate, never_taken, outcome_of, refused_whole, unnamed
from batchdrop.destinations.base import HARMLESS, Collected
from batchdrop.entries import records_of
from batchdrop.errors import (
    Ambiguous,
    AuthExpired,
    DropRefused,
    ObjectGone,
    ObjectRefused,
    ProvablyNotSent,
    RateLimited,
    Rejected,
    RouteError,
    SecretError,
)
from batchdrop.job import Batch, Job, Piece
from batchdrop.matching import Tally, everyone, refused, rows_of_batch
from batchdrop.parcels import Parcels, parcels_of
from batchdrop.places import folder
from batchdrop.records.rejects import RejectsWriter
from batchdrop.refusals import Refusals
from batchdrop.reject_parts import Account, RejectParts
from batchdrop.rejects_file import RejectsFile
from batchdrop.rejects_writer import writer_without_route
from batchdrop.report.document import report_document
from batchdrop.report.publish import publish, publish_index
from batchdrop.route import Route, read_route
from batchdrop.session import heeding, open_session
from batchdrop.slots import leave
from batchdrop.spans import Spans
from batchdrop.unsent import Unsent
from batchdrop.words import BatchState, Counts, JobOutcome
from batchdrop.world import Invocation, OutOfTime, World, runs_short

GRACE = 3600  # seconds after the deadline in which a result that cannot be fetched is still tried
BACKOFF_BASE, BACKOFF_CAP = 30.0, 900.0  # seconds between two tries
MOST_TRIES = 2000  # from claim to report, 9 history events each; what fewer looks at the vendor leave of 25,000
_ASKABLE = (BatchState.SUCCEEDED, BatchState.HANDED_OVER)
_FAILURES = (BatchState.FAILED, BatchState.UNCONFIRMED)
_FOR_NOW = (RateLimited, Ambiguous, ProvablyNotSent, AuthExpired, SecretError)  # it may be mended in time


class Finished(Struct, frozen=True):
    """`next`: `done`, `again` (more to do, at once) or `wait` (ask again in `seconds`)."""

    next: str
    outcome: str = ""
    success: bool = False
    seconds: int = 0


def finish(world: World, invocation: Invocation, job_id: str, execution: str = "") -> Finished:
    """Bring a job to its report, or say how to go on. Harmless to repeat.

    `execution`: the name of the one that asks. One that the job has left behind, as an operator had it go on, is done.
    """
    job = world.ledger.job(job_id)
    if job is None:
        return Finished("done", "unknown")
    if job.is_closed:
        return _done(job)
    if execution not in ("", job.execution):
        return Finished("done", "superseded", success=True)
    if _is_to_be_sent(job, world.ledger.now()):
        return Finished("wait", seconds=60)
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


def _is_to_be_sent(job: Job, now: int) -> bool:
    """Whether somebody may submit of it yet: its report would not be the last word."""
    return bool(job.config) and not (job.packaged_at or job.stops or now >= job.deadline_at)


def _done(job: Job) -> Finished:
    outcome = JobOutcome(job.outcome)
    return Finished("done", outcome.value, outcome.is_success)


class Closing(Struct):
    """One invocation's share of a job's end, under its lease."""

    world: World
    invocation: Invocation
    job: Job
    parcels: Parcels | None = None
    route: Route | None = None
    warnings: list[str] = field(default_factory=list)
    got_on: bool = False  # an account was closed

    def close(self) -> Finished:
        """The lease of the job is ours: who takes that of a span from now on sees it, and who has one is waited for."""
        spans = Spans.of(self.world.ledger, self.job)
        if spans.held:
            return self._later("wait", max(1, min(60, int(spans.free_in()))))
        try:
            self._reopen()
            found = self.world.ledger.batches(self.job.job_id)
            if self._is_to_be_asked(found):
                return self._later("wait", 60)
            batches = [self._account(batch) for batch in found]
            if self.job.begun and not batches:
                self.warnings.append("a first batch may have been begun at the vendor; nothing was submitted with it")
            return self._report(batches, self._unsent(batches))
        except (*_FOR_NOW, ObjectRefused, RouteError) as error:
            self.world.log.warning("the job cannot be closed yet", job_id=self.job.job_id, why=str(error))
            return self._try_again(getattr(error, "after", None) or 0.0)
        except OutOfTime:
            return self._later("again", 0)

    def _is_to_be_asked(self, batches: list[Batch]) -> bool:
        """Whether the vendor is still at it, or may be, with time left to ask: whoever says all is over is mistaken."""
        is_early = self.route is not None and self.world.ledger.now() < self.job.deadline_at
        looks_up = not self.job.packaged_at  # of a canceled job only what is in doubt
        return is_early and any(b.status is BatchState.SUBMITTED or (looks_up and b.is_unanswered) for b in batches)

    def _later(self, next_: str, seconds: int, tries: int = 0) -> Finished:
        self.world.ledger.release(self.job, self.invocation.owner, {"finish_tries": tries})
        return Finished(next_, seconds=seconds)

    def _try_again(self, after: float) -> Finished:
        """Ever more seldom, as an execution's history is limited; the last time when nothing more is waited for."""
        tries = 0 if self.got_on else self.job.finish_tries
        until = self.job.deadline_at + GRACE * 1000
        cap = max(BACKOFF_CAP, (until - self.job.created_at) / 1000 / MOST_TRIES)
        left = (until - self.world.ledger.now()) / 1000 + 1
        seconds = max(after, min(cap, BACKOFF_BASE * 2.0 ** min(tries, 16)))
        seconds = min(seconds, left) if left > 0 else seconds  # past the last time, too, it is tried ever more seldom
        return self._later("wait", max(1, round(seconds)), tries + 1)

    def _reopen(self) -> None:
        if not self.job.config:
            return
        try:
            self.route = read_route(self.job.route, self.job.config, self.world.settings.allow_insecure)
        except RouteError as error:
            if self.world.ledger.now() < self.job.deadline_at and not self.job.stops:
                raise
            self._do_without_route(error)
            return
        try:
            self.parcels = parcels_of(self.job, self.route, self.world.objects) if self.job.inspection else None
        except DropRefused as error:  # by a check that came with an update, after the drop had been looked into
            self.warnings.append(f"the drop can no longer be read ({error}): its rejects have no lines")

    def _do_without_route(self, error: RouteError) -> None:
        why = f"the route, as it was when the job began, is no longer valid in this deployment: {error}"
        message = f"{why}. Mend the route, or the deployment's setting it relies on, before you drop the file again"
        lost = "the vendor was not asked any more, and only records of batches closed before are in the rejects file"
        self.warnings.append(f"{why}; {lost}")
        self.job = replace(self.job, failure=self.job.failure or {"reason": "no_route", "message": message})

    def _is_late(self) -> bool:
        return runs_short(self.world.settings, self.invocation, 1 / 2)

    @property
    def _parts(self) -> RejectParts:
        return RejectParts(self.world, self.job)

    # --- one batch ---

    def _account(self, batch: Batch) -> Batch:
        """Close one batch's account, unless an earlier invocation has."""
        if batch.collected_at:
            return batch
        if self._is_late():
            raise OutOfTime
        collected, refusals = self._collect(batch)
        tally, part, lost = self._match(batch, refusals)
        counts, inferred, odd = fate(batch, collected, tally.matched, tally.already, tally.astray)
        warnings = [
            *batch.warnings,
            *(collected.warnings if collected else []),
            *odd,
            *unnamed(batch, counts, tally.matched),
            *lost,
        ]
        if odd:
            self.world.metrics.count("CountMismatches")
        if tally.unmatched:
            self.world.metrics.count("UnmatchedVendorErrors", len(tally.unmatched))
        changes = {
            "counts": counts.as_dict(),
            "inferred": inferred,
            "unasked": self.route is None and batch.status in _ASKABLE,
            "warnings": warnings,
            "unmatched": tally.unmatched,
            "results": collected.results if collected else [],
            "part": part,
        }
        self.got_on = True
        return self.world.ledger.collected(batch, changes)

    def _collect(self, batch: Batch) -> tuple[Collected | None, Refusals]:
        """What the vendor tells of a batch, None where it has nothing to tell, and which records it refused."""
        if not batch.records or not (batch.status in _ASKABLE or self._has_reported_failure(batch)):
            return None, Refusals(())
        if self.route is None:
            return Collected(unknown=True), Refusals(())
        try:
            with heeding(self.world, batch):
                found = self.route.vendor.collect(open_session(self.world, self.job, self.route), batch)
                return found, Refusals(found.rejects)  # some are read only now
        except Rejected as error:
            return self._unreadable(batch, error), Refusals(())
        except (*_FOR_NOW, ObjectRefused) as error:
            if self.world.ledger.now() < self.job.deadline_at + GRACE * 1000:
                raise
            return self._unreadable(batch, error), Refusals(())

    def _has_reported_failure(self, batch: Batch) -> bool:
        """Whether the vendor itself said how it ended, and has more to tell of that than a word."""
        reports = self.route is not None and self.route.vendor.reports_failures
        return reports and batch.status in _FAILURES and bool(batch.word)

    def _unreadable(self, batch: Batch, error: Exception) -> Collected:
        """The vendor's own outcome still stands; that its results could not be had is said aloud.

        Where only they would tell which records it refused, no record's fate is known.
        """
        self.world.metrics.count("ResultsUnreadable")
        unknown = self.route is None or self.route.vendor.names_rejects
        return Collected(unknown=unknown, warnings=[f"batch {batch.n}: RESULT_UNREADABLE: {error}"])

    def _match(self, batch: Batch, refusals: Refusals) -> tuple[Tally, str, list[str]]:
        """What was found, the part of the rejects file it is in (none where nothing is to be told), and warnings."""
        parcels = self.parcels
        if parcels is None:  # of a drop that cannot be read each refusal is taken to be of a record
            return Tally(matched=len(refusals)), "", []
        tally, whole = Tally(hashes_ids=self.route is not None and self.route.hash_ids), _whole(batch)
        if not (len(refusals) or batch.invalid or whole):
            return tally, "", []
        if whole:
            records = everyone(parcels, batch.start, batch.end, whole, tally)
        else:
            records = refused(parcels, batch, refusals, tally)
        part = f"{batch.n:06d}"
        try:
            self._parts.write(part, rows_of_batch(records, refusals, parcels.rejects(), tally, whole), tally)
        except (ObjectGone, ObjectRefused) as error:
            self._unless_for_good(error)
            lost = f"batch {batch.n}: the drop is gone, so its rejects have no lines"
            return Tally(matched=len(refusals)), "", [lost]
        return tally, part, []

    def _unless_for_good(self, error: Exception) -> None:
        """Permissions that are missing may come back: until it is late, the report waits for them."""
        is_late = self.world.ledger.now() >= self.job.deadline_at + GRACE * 1000
        if isinstance(error, ObjectRefused) and self.job.failure.get("reason") != error.reason and not is_late:
            raise error

    # --- what is in no batch ---

    def _unsent(self, batches: list[Batch]) -> list[Piece]:
        if not (self.parcels and self.route):
            return []
        unsent = Unsent(
            self.world,
            self.job,
            self.route,
            self._parts,
            self.invocation.owner,
            self._is_late,
            self._unless_for_good,
        )
        try:
            return unsent.account(batches)
        finally:
            self.got_on = self.got_on or unsent.got_on

    def _uncounted(self, batches: list[Batch], pieces: list[Piece]) -> Counts:
        """What cannot be read, of a drop or pieces of it: where nobody looked it is as good as invalid, the rest was
        never sent. It is counted once for the job, whichever of its spans cannot be read."""
        if self.parcels and all(piece.is_whole for piece in pieces):
            return Counts()
        if not self.job.inspection:
            return Counts(invalid=int(self.job.failure.get("records", 0)))
        known = sum(b.records + b.invalid for b in batches) + sum(piece.tally.records for piece in pieces)
        return Counts(unprocessed=max(0, records_of(self.job.inspection) - known))

    # --- the report ---

    def _report(self, batches: list[Batch], pieces: list[Piece]) -> Finished:
        accounts: list[Account] = sorted([*batches, *pieces], key=lambda account: account.n)  # as the drop has them
        counts = sum((account.tally for account in accounts), self._uncounted(batches, pieces))
        outcome, reason = outcome_of(self.job, batches, counts, self.world.ledger.now())
        writer = self.parcels.rejects() if self.parcels else writer_without_route(self.job)
        if writer is None:
            self.warnings.append("how the drop is read cannot be told any more: no record is in the rejects file")
            writer, accounts = RejectsWriter.for_format("ndjson"), []
        rejects = RejectsFile(self._parts, accounts, writer, self._is_late)
        rejects.make()
        told = [*self.warnings, *(w for piece in pieces for w in piece.warnings), *rejects.warnings]
        document = report_document(
            replace(self.job, warnings=[*self.job.warnings, *told]),
            batches,
            outcome,
            reason,
            counts,
            rejects.told.sample,
            rejects.told.most(),
            now=self.world.ledger.now(),
        )
        in_order = self.route is not None and order.matters(self.route)
        harmless = all(batch.code == HARMLESS for batch in batches if batch.is_in_doubt)
        document = publish(self.world, self.job, document, writer.name, in_order=in_order, harmless=harmless)
        rejects.forget()
        return self._close(document)

    def _close(self, document: dict[str, Any]) -> Finished:
        self._announce(document)  # before the ledger says it is done: rather told twice than never
        changes = {
            "outcome": document["outcome"],
            "counts": document["counts"],
            "report_key": f"{folder(self.job)}report.json",
            "lease_until": 0,
            **({"failure": self.job.failure} if self._keeps_failure(document) else {}),
        }
        job = self.world.ledger.close(self.job, changes)
        if self.route and self.route.max_in_flight:
            leave(self.world.ledger, self.route.account_key, job.job_id)
        publish_index(self.world, job)
        if job.ended() is not JobOutcome.HELD:  # the parts serve the report that follows the operator's decision
            self._parts.tidy(self._is_late)
        return _done(job)

    def _keeps_failure(self, document: dict[str, Any]) -> bool:
        """A route that is not valid now says nothing of the report that follows an operator's decision."""
        is_passing = self.route is None and document["outcome"] == JobOutcome.HELD.value
        return bool(self.job.failure) and not is_passing

    def _announce(self, document: dict[str, Any]) -> None:
        self.world.metrics.count(f"Jobs{''.join(w.title() for w in document['outcome'].split('_'))}")
        self.world.metrics.count("JobSeconds", (self.world.ledger.now() - self.job.created_at) // 1000)
        for name, value in document["counts"].items():
            self.world.metrics.count("Records" if name == "records" else f"Records{name.title()}", value)
        told = ("job_id", "route", "destination", "outcome", "reason", "counts", "drop", "revision")
        where = {"bucket": self.world.settings.results_bucket, "key": f"{folder(self.job)}report.json"}
        self.world.events.publish("Job Finished", {k: document[k] for k in told} | {"report": where})


def _whole(batch: Batch) -> tuple[str, str, str] | None:
    """What befell every record of a batch, where that puts them all in the rejects file."""
    if not batch.records:
        return None
    if refused_whole(batch):
        return "rejected", batch.code or "batch_refused", batch.message
    if never_taken(batch):
        return "unprocessed", "not_sent", batch.message or "never sent"
    return None
