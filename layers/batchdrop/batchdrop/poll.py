"""What is next for a job: the supervisor's question, answered from the ledger and by asking the vendor."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from batchdrop.destinations.base import Canceled, Session, Status, VendorState
from batchdrop.errors import (
    Ambiguous,
    AuthExpired,
    ConditionFailed,
    ProvablyNotSent,
    RateLimited,
    Rejected,
    RouteError,
    SecretError,
)
from batchdrop.job import Batch, Job
from batchdrop.notify import HINT_WINDOW_MS
from batchdrop.ports import Absent, AbsentOrBelow, Equals, Expect
from batchdrop.route import Route, read_route
from batchdrop.session import heeding, open_session
from batchdrop.spans import Spans
from batchdrop.words import BatchState
from batchdrop.world import Invocation, World, runs_short

# A wait for a notification has a literal time-out in the workflow, so there is one state for each of these.
AWAITS = (900, 300, 60, 15)
HINT_WINDOW = HINT_WINDOW_MS // 1000  # within it a further callback wakes nobody, so no wait may be longer
MOST_LAPS = 1700  # of the loop in one execution: 13 history events each where it awaits a callback, of 25,000
READ_LAG = 600  # seconds a vendor may answer 404 for a batch it has just taken
BUSY = 60.0  # seconds until the next look while a worker that nobody waits for is at a large drop
LONGEST_RETRY_AFTER = 6 * 3600.0
LONGEST_WORD = 100  # characters of a vendor's status that are kept
MOST_WORDS = 5  # of a batch that are not known and warned of: some vendors count in them
_SETTLED = {
    VendorState.SUCCEEDED: BatchState.SUCCEEDED,
    VendorState.FAILED: BatchState.FAILED,
    VendorState.CANCELED: BatchState.CANCELED,
    VendorState.UNCONFIRMED: BatchState.UNCONFIRMED,
    VendorState.HANDED_OVER: BatchState.HANDED_OVER,
}

_CANCELED = {"failure": {"reason": "canceled", "message": "canceled on request"}}
_ENDED_BY_CANCEL = {
    Canceled.CANCELED: (BatchState.CANCELED, "canceled on request"),
    Canceled.STOPPED: (
        BatchState.UNCONFIRMED,
        "canceled on request; what the vendor had taken until then cannot be told",
    ),
}
_UNKNOWN = "the vendor's status "
_NOT_CANCELED = {
    Canceled.TOO_LATE: "the vendor had begun with it; it ends as the vendor says",
    Canceled.NOT_POSSIBLE: "this vendor has no cancel; it ends as the vendor says",
}


class Next(Struct, frozen=True):
    """What the workflow is to do: `asked_at` (ms) tells the wait which callbacks this answer already covers.

    `spans`: which are to be submitted, side by side; none where the drop is not cut.
    """

    next: Literal["wait", "await", "submit", "finish"]
    seconds: int = 0
    asked_at: int = 0
    spans: tuple[int, ...] = ()


def what_next(world: World, invocation: Invocation, job_id: str, lap: int = 0) -> Next:
    """Look at the job, ask its vendor where that is due, and say what is next."""
    asked_at = world.ledger.now()
    job = world.ledger.job(job_id)
    if job is None or job.is_closed or not job.config:
        return Next("finish", asked_at=asked_at)
    try:
        route = read_route(job.route, job.config, world.settings.allow_insecure)
    except RouteError as error:
        return replace(_without_route(world, job, lap, error), asked_at=asked_at)
    answer = Supervision(world, invocation, job, route, lap).look()
    return replace(answer, asked_at=asked_at)


def _without_route(world: World, job: Job, lap: int, error: RouteError) -> Next:
    """The deployment no longer takes the route the job began with: it may again, before the deadline."""
    left = (job.deadline_at - world.ledger.now()) / 1000
    if left <= 0 or job.stops:
        return Next("finish")
    world.metrics.count("StatusCallsFailed")
    world.log.warning("the job's route is no longer valid", job_id=job.job_id, why=str(error))
    return Next("wait", round(min(left + 1, max(AWAITS[0], left / max(1, MOST_LAPS - lap)))))


class Supervision(Struct):
    """One look at one job."""

    world: World
    invocation: Invocation
    job: Job
    route: Route
    lap: int
    retry_after: float = 0.0
    batches: dict[int, Batch] = field(default_factory=dict)  # by number

    def look(self) -> Next:
        now = self.world.ledger.now()
        working = self.job.lease_until > now
        if working:
            most = min(self._scheduled(), BUSY) if self._may_be_cut() else self._scheduled()
            return self._wait(min(most, (self.job.lease_until - now) / 1000 + 1))
        if self.job.spread and (answer := self._while_spread()):
            return answer
        if self.job.stops and not self.job.packaged_at and (answer := self._while_canceled()):
            return answer
        if now >= self.job.deadline_at:
            return Next("finish")
        if not self.job.packaged_at:
            return self._go_on()
        return self._ask_all()

    def _go_on(self) -> Next:
        """Have a drop that is not cut submitted, once it has rested."""
        rest = (self.job.not_before - self.world.ledger.now()) / 1000
        return Next("submit") if rest <= 0 else Next("wait", self._bounded(rest))

    def _while_canceled(self) -> Next | None:
        """What is next while somebody is to find out what is in doubt, or is at it; None: nobody submits any more.

        The vendor is asked at once to stop what it has.
        """
        batches = self.world.ledger.batches(self.job.job_id)
        in_doubt = {b.span for b in batches if b.is_unanswered}
        spans = Spans.of(self.world.ledger, self.job).left_of(in_doubt)
        can_be_told = self.world.ledger.now() < self.job.deadline_at and bool(spans.each or not self.job.spread)
        if not (in_doubt and can_be_told):
            return None if self._stop_submitting(_CANCELED) else self._wait(1.0)
        self._ask_meanwhile([b.submitted_at for b in batches if b.status is BatchState.SUBMITTED])
        return self._spread(spans) if self.job.spread else self._go_on()

    def _ask_meanwhile(self, submitted: list[int]) -> None:
        """Ask about what was submitted at these times: at once, then at the route's pace, not that of look-ups."""
        now, last = self.world.ledger.now(), self.job.asked_at
        is_early = now < last + 1000 * self._scheduled() and max(submitted, default=0) < last
        if not submitted or is_early or now < self.job.ask_after:
            return
        told = {"asked_at": now} if self._ask_each() else {}
        told |= {"ask_after": self.world.ledger.now() + int(1000 * self.retry_after)} if self.retry_after else {}
        if told:
            self._remember(told)

    def _stop_submitting(self, why: Mapping[str, Any]) -> bool:
        """Nothing more is submitted of this job; whoever submits it just now is not disturbed. Whether it stands so."""
        stop = {"packaged_at": self.world.ledger.now(), **why}
        try:
            free = AbsentOrBelow(self.world.ledger.now())
            self.job = self.world.ledger.change(self.job, stop, {"lease_until": free, "closed_at": Absent()})
        except ConditionFailed:
            self.world.log.info("the job moved on before it could be stopped", job_id=self.job.job_id)
            return False
        return True

    # --- a drop that is cut ---

    def _may_be_cut(self) -> bool:
        """Whether the look into it may end at any moment, and leave its spans to be handed out."""
        return not self.job.spread and self.route.side_by_side.span_bytes(self.job.size) > 0

    def _while_spread(self) -> Next | None:
        """What is next as long as spans are submitted; None: nobody submits any, or will."""
        spans = Spans.of(self.world.ledger, self.job)  # after the job: who takes a lease now sees what it says
        is_over = self.job.stops or spans.now >= self.job.deadline_at
        if spans.held and (self.job.packaged_at or is_over):  # who is at the last batch of a span may yet end it
            return self._look_again(spans, spans.free_in())
        if self.job.packaged_at or (is_over and spans.left):
            return None
        if spans.failure or not spans.left:
            stopped = self._stop_submitting({"failure": spans.failure} if spans.failure else {})
            return self._while_spread() if stopped else self._look_again(spans, 1.0)
        return self._spread(spans)

    def _spread(self, spans: Spans) -> Next:
        room = self.route.side_by_side.workers - len(spans.held)
        if spans.due and room > 0:
            return Next("submit", spans=spans.due[:room])
        return self._look_again(spans, spans.due_in() if room > 0 else spans.room_in())

    def _look_again(self, spans: Spans, seconds: float) -> Next:
        return Next("wait", self._bounded(min(seconds, BUSY) if spans.held else seconds))

    # --- asking the vendor ---

    def _ask_all(self) -> Next:
        self._ask_each()
        still = self._submitted()
        return self._wait(max(self._scheduled(), self.retry_after)) if still else Next("finish")

    def _ask_each(self) -> bool:
        """Whether all that the vendor has were asked about: it may want to be asked later, or the time be up."""
        self.batches = {b.n: b for b in self.world.ledger.batches(self.job.job_id)}
        waiting = self._submitted()
        self.retry_after = max(0.0, (self.job.ask_after - self.world.ledger.now()) / 1000)
        if not waiting or self.retry_after:
            return not waiting
        session = open_session(self.world, self.job, self.route)
        for batch in sorted(waiting, key=lambda batch: (batch.n < self.job.ask_from, batch.n)):
            if self.retry_after or runs_short(self.world.settings, self.invocation, 1 / 4):
                # Begin the next look with this one: none is asked twice before all others are asked once.
                self._remember({"ask_from": batch.n})
                return False
            self._ask(session, batch)
        return True

    def _remember(self, changes: Mapping[str, object]) -> None:
        """For the next look."""
        with suppress(ConditionFailed):  # the job has ended meanwhile
            self.job = self.world.ledger.change(self.job, changes, {"closed_at": Absent()})

    def _submitted(self) -> list[Batch]:
        return [b for b in self.batches.values() if b.status is BatchState.SUBMITTED]

    def _ask(self, session: Session, batch: Batch) -> None:
        try:
            if self.job.stops:
                batch = self._cancel(session, batch)
                if batch.status is not BatchState.SUBMITTED:
                    return
            with heeding(self.world, batch):
                status = self.route.vendor.ask(session, batch)
            self._heed(batch, status)
        except RateLimited as error:
            self.retry_after = min(error.after or self._scheduled(), LONGEST_RETRY_AFTER)
        except Rejected as error:
            self._not_found(batch, error)
        except (Ambiguous, ProvablyNotSent, AuthExpired, SecretError) as error:
            self.world.metrics.count("StatusCallsFailed")
            self.world.log.warning("status not known", job_id=batch.job_id, batch=batch.n, why=str(error))

    def _cancel(self, session: Session, batch: Batch) -> Batch:
        """The batch canceled at the vendor, or with a word about why it goes on."""
        with heeding(self.world, batch):
            answer = self.route.vendor.cancel(session, batch)
        if answer in _ENDED_BY_CANCEL:
            state, message = _ENDED_BY_CANCEL[answer]
            batch = self.world.ledger.settle(batch, state, message=message)
        elif (note := f"batch {batch.n} could not be canceled: {_NOT_CANCELED[answer]}") not in batch.warnings:
            batch = self.world.ledger.note(batch, warnings=[*batch.warnings, note])
        self._keep(batch)
        return batch

    def _heed(self, batch: Batch, status: Status) -> None:
        word = status.word[:LONGEST_WORD]
        if status.state in _SETTLED:
            changes = {"word": word, "message": status.message}
            self._keep(self.world.ledger.settle(batch, _SETTLED[status.state], **changes))
        elif not status.known and word != batch.word:
            self.world.metrics.count("UnknownStatuses")
            warnings = [*batch.warnings, *_of_unknown(batch, word)]
            self._keep(self.world.ledger.note(batch, word=word, warnings=warnings))

    def _not_found(self, batch: Batch, error: Rejected) -> None:
        age = (self.world.ledger.now() - batch.submitted_at) / 1000
        if error.status in (404, 410) and age > READ_LAG:
            why = "the vendor no longer knows this batch"
            self._keep(self.world.ledger.settle(batch, BatchState.UNCONFIRMED, message=why))
        self.world.log.warning("status refused", job_id=batch.job_id, batch=batch.n, status=error.status)

    def _keep(self, batch: Batch) -> None:
        self.batches[batch.n] = batch

    # --- how long to wait ---

    def _scheduled(self) -> float:
        return self.route.poll.wait(self.lap)

    def _bounded(self, seconds: float) -> int:
        """Never beyond the deadline, never so short that the laps would run out before it."""
        return max(1, round(min(max(seconds, self._least()), self._left() + 1)))

    def _least(self) -> float:
        """The shortest wait with which the laps last until the deadline; 0 where the route's own pace spares them."""
        laps, left = max(1, MOST_LAPS - self.lap), self._left()
        return left / laps if left > laps * self.route.poll.max_wait else 0.0

    def _left(self) -> float:
        return max(1.0, (self.job.deadline_at - self.world.ledger.now()) / 1000)

    def _wait(self, seconds: float) -> Next:
        since_hint = (self.world.ledger.now() - self._hinted_at()) / 1000
        if since_hint < HINT_WINDOW:
            return Next("wait", self._bounded(min(seconds, HINT_WINDOW)))
        bounded = self._bounded(seconds)
        fitting = next((a for a in AWAITS if self._least() <= a <= bounded), 0)
        if fitting and self.route.calls_back and self.world.settings.notification_url:
            return Next("await", fitting)
        return Next("wait", bounded)

    def _hinted_at(self) -> int:
        """When somebody last asked for a look. By the clock of who canceled, that may be far ahead; then it is now.

        Left as it is, it would keep the vendor's callbacks from being heeded until that time comes.
        """
        now, told = self.world.ledger.now(), self.job.hint_at
        if told <= now + HINT_WINDOW_MS:
            return told
        with suppress(ConditionFailed):  # the job has ended meanwhile, or somebody asked again
            as_it_was: dict[str, Expect] = {"hint_at": Equals(told), "closed_at": Absent()}
            self.job = self.world.ledger.change(self.job, {"hint_at": now}, as_it_was)
        return now


def _of_unknown(batch: Batch, word: str) -> list[str]:
    """The warning of a status word that is not known, unless there are enough of them."""
    told = sum(warning.startswith(_UNKNOWN) for warning in batch.warnings)
    more = "; its further ones are not listed" if told == MOST_WORDS - 1 else ""
    return [f'{_UNKNOWN}"{word}" is not known; taken as still running{more}'] if told < MOST_WORDS else []
