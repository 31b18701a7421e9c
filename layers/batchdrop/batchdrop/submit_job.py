"""The submission of a job: the look into its drop and all that comes before the first batch; then its batches.

A drop that the look cut into spans is left to those who submit them side by side: see `submit_span.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from batchdrop import order
from batchdrop.circuit import Circuit, Metered
from batchdrop.destinations.base import StepKind
from batchdrop.errors import DropRefused
from batchdrop.job import Batch, Job
from batchdrop.parcels import Parcels, count_unusable, look_into, parcels_of, spans_of
from batchdrop.ports import Item
from batchdrop.records.packager import Packed
from batchdrop.route import Route
from batchdrop.scratch import ObjectScratch
from batchdrop.session import open_session
from batchdrop.submission import WELL, GiveUp, Rest, Submission, as_decisions
from batchdrop.words import BatchState, JobOutcome
from batchdrop.world import Invocation, World

CHEAP = 50_000_000  # bytes of a drop that can as well be looked into once more


def submit(world: World, invocation: Invocation, job: Job, route: Route, *, is_first: bool) -> None:
    """Go on with the submission of a job whose lease this invocation holds; `is_first`: nobody has held it before."""
    session, meter = open_session(world, job, route), Metered(world.http)
    session.http = meter
    circuit = Circuit(world.ledger, route.account_key)
    JobSubmission(world, invocation, job, route, session, meter, circuit, is_first=is_first).run()


@dataclass(slots=True, kw_only=True)
class JobSubmission(Submission):
    """One invocation's share of a job's submission, under the job's lease."""

    is_first: bool  # no other invocation has ever held this job
    unsaved: dict[str, Any] = field(default_factory=dict)  # of the job: found out cheaply, written with what follows
    ready: Sequence[Packed] = ()  # the first batches, made while the drop was looked into
    unrecorded: bool = False  # the batch in hand: its first intent stands with the job, a write of its own is to come

    @property
    def standing(self) -> Job:
        return self.job

    def _submit(self) -> dict[str, object]:
        if self.job.stops:
            return self._look_up()
        with as_decisions():
            self._look_into()
            self._wait_for_the_circuit()
            self._wait_for_our_turn()
            self._enter()
            self._prepare()
        spans = spans_of(self.job)
        return {"spread": spans, **WELL} if spans else self._all_batches()

    def _parcels(self) -> Parcels:
        return parcels_of(self.job, self.route, self.world.objects, self.ready)

    def _release(self, outcome: dict[str, object]) -> None:
        """Give the lease back. Unless only the vendor's callback is waited for, wake the workflow as one would."""
        ledger, owner, outcome = self.world.ledger, self.invocation.owner, {**self.unsaved, **outcome}
        is_sent = bool(outcome.get("packaged_at")) and not outcome.get("failure")
        at_the_vendor = is_sent and any(b.status is BatchState.SUBMITTED for b in self.batches)
        if at_the_vendor or not self.route.calls_back:
            ledger.release(self.job, owner, outcome)
            return
        job = ledger.release(self.job, owner, {**outcome, "hint_at": ledger.now()})
        if job.task_token:
            self.world.workflow.wake(job.task_token)

    # --- before the first batch ---

    def _look_into(self) -> None:
        if not self.job.inspection:
            self._inspect()
        if self.job.duplicate_content_of and self.route.on_duplicate_content == "skip":
            raise GiveUp("duplicate_content", f"the same bytes were dropped before: {self.job.duplicate_content_of}")

    def _inspect(self) -> None:
        self._need_time()
        try:
            looked = look_into(
                self.job, self.route, self.world.objects, self._need_time, self._keep_halt, self._scratch()
            )
        except DropRefused as error:
            raise self._refused_whole(error) from None
        self.ready, found = looked.ready, looked.found
        self.unsaved |= {"inspection": found, "duplicate_content_of": self._same_content(str(found["sha256"]))}
        self.unsaved |= {"halt": {}} if self.job.halt else {}
        self.got_on = True
        if self.job.size > CHEAP or self.job.halt:
            self.job = self._hold()
        else:
            self.job = self.session.job = replace(self.job, **self.unsaved)
        looked.tidy()

    def _refused_whole(self, error: DropRefused) -> GiveUp:
        """Its records are counted for the report, as far as there is time: why it was refused must not be lost."""
        count, is_all = count_unusable(self.job, self.route, self.world.objects, error, self._need_time)
        if not is_all:
            why = f"there was no time to count all records of the refused drop: it may hold more than {count:,}"
            self.unsaved["warnings"] = [*self.job.warnings, why]
        return GiveUp(error.reason, str(error), line=error.line, offset=error.offset, records=count)

    def _scratch(self) -> ObjectScratch:
        return ObjectScratch(self.world.objects, self.world.settings.results_bucket, self.job.job_id)

    def _keep_halt(self, halt: dict[str, Any]) -> None:
        self.unsaved["halt"] = halt
        self.got_on = self.got_on or halt != self.job.halt

    def _same_content(self, sha256: str) -> str:
        """The job that had these bytes before, unless it came to nothing: then this one takes its place."""
        ledger, place = self.world.ledger, (f"content#{self.route.name}", sha256)
        fact: Item = {"job_id": self.job.job_id}
        first = str(ledger.remember(*place, fact)["job_id"])
        if first in (self.job.job_id, self.job.previous):
            return ""
        before = ledger.job(first)
        if before is not None and not _came_to_nothing(before):
            return first
        ledger.remember_instead(*place, fact)
        return ""

    def _wait_for_our_turn(self) -> None:
        """A load waits for an older one of the same key, and gives way to a newer one."""
        if not order.matters(self.route):
            return
        turn, holder = order.take_turn(self.world, self.job)
        if turn is order.Turn.WAIT:
            raise Rest(self.route.poll.wait(self.job.tries))
        if turn is order.Turn.OVER:
            raise GiveUp(*order.too_late(self.route, holder))

    def _prepare(self) -> None:
        if self.job.packaged_at or "prepared" in self.job.receipt:
            return
        self._need_time()
        if not self.is_first:  # the first one's intent is the claim itself
            self.job = self._hold(prepare_tries=self.job.prepare_tries + 1)
        receipt = self.route.vendor.prepare(self.session)
        self._log_receipt(0, "prepare", receipt)
        # Along with this goes the intent of the first batch's first step, where there is one such batch.
        begun = self.route.vendor.steps()[0].kind is StepKind.REPEATABLE and not spans_of(self.job)
        changes = {"receipt": {**receipt, "prepared": "yes"}, "prepare_tries": self.job.prepare_tries + 1}
        self.job = self._hold(**changes, begun=begun)
        self.unsaved |= {"begun": False} if begun else {}  # unless it is made use of

    def _hold(self, **changes: object) -> Job:
        job = self.world.ledger.held(self.job, self.invocation.owner, {**self.unsaved, **changes})
        self.session.job, self.unsaved, self.got_on = job, {}, True
        return job

    # --- batches ---

    def _first_intent(self, batch: Batch) -> Batch:
        """Record a new batch with the intent of its first step.

        For the job's first batch that intent went along with the job's last write, where the step can be repeated;
        where a worker died since, the batch begins with its second attempt.
        """
        if batch.n == 1 and self.unsaved.pop("begun", True) is False:
            self.unrecorded = True
            return batch
        if batch.n == 1 and self.job.begun:
            batch = replace(batch, attempt=2)
        return self.world.ledger.new_batch(batch)

    def _write(self, batch: Batch, **changes: Any) -> Batch:
        """Change the batch in hand under our ownership; where nothing stands of it yet, write it whole."""
        self.got_on = True
        if not self.unrecorded:
            return self.world.ledger.write_batch(batch, **changes)
        self.unrecorded = False
        return self.world.ledger.new_batch(replace(batch, **changes))


def _came_to_nothing(job: Job) -> bool:
    ended = job.ended()
    return ended is not None and not ended.is_success and ended is not JobOutcome.HELD and not job.counts["accepted"]
