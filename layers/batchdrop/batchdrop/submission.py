"""Submitting a job: the protocol that loses nothing and sends nothing twice in silence.

Intent is recorded before a step and its result after it. Where a commit step's fate is unknown, the vendor is asked
after a quiet period: what is there is adopted, what is provably not there is sent as the next attempt, and what
nobody can tell is held for an operator, or sent again, flagged, where the route says so.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from msgspec.structs import replace

from batchdrop.ahead import ahead
from batchdrop.circuit import Circuit, Metered
from batchdrop.destinations.base import HARMLESS, Found, NotThere, Session, Step, StepKind
from batchdrop.errors import (
    Ambiguous,
    AuthExpired,
    DropRefused,
    ObjectGone,
    ObjectRefused,
    ProvablyNotSent,
    RateLimited,
    Rejected,
    SecretError,
    StartAgain,
    VendorError,
)
from batchdrop.job import NUMBERS, Batch, Job, Span
from batchdrop.ledger import LostOwnership
from batchdrop.parcels import Parcel, Parcels
from batchdrop.route import Route
from batchdrop.slots import enter
from batchdrop.words import BatchState
from batchdrop.world import Invocation, OutOfTime, World, runs_short

BACKOFF_BASE, BACKOFF_CAP = 2.0, 900.0  # seconds
MOST_ATTEMPTS = 5  # of a batch whose earlier steps keep coming to nothing
MOST_REFUSALS = 6  # of the storage to give the drop: in about two minutes
MOST_BATCHES = NUMBERS - 1001  # of a job, or of one span of it; the numbers above are for what is never sent
_MAY_BE_DONE = (302, 303)  # what a server may answer when it has done what a POST asked for
LONGEST_REST = 6 * 3600.0  # a vendor's Retry-After beyond this is not waited for in one go

WELL: Mapping[str, object] = {"tries": 0, "not_before": 0}  # of an invocation that got on


class Rest(Exception):
    """Nothing can be done for so many seconds (None: back off); the workflow waits."""

    def __init__(self, seconds: float | None = None, why: str = "") -> None:
        self.seconds, self.why = seconds, why


class NoAnswer(Rest):
    """A look-up came to nothing, and the batch is in doubt as before: about others there may be an answer."""

    def __init__(self, batch: Batch) -> None:
        super().__init__()
        self.batch = batch


class GiveUp(Exception):
    """Nothing more can be sent for this job; says why."""

    def __init__(self, reason: str, message: str, **details: Any) -> None:
        self.failure = {"reason": reason, "message": message, **{k: v for k, v in details.items() if v is not None}}


# A dataclass, where all others became structs: the metaclass of those is not that of an ABC.
@dataclass(slots=True)
class Submission(ABC):
    """One invocation's share of a submission, under a lease: the job's, or that of one span of it."""

    world: World
    invocation: Invocation
    job: Job
    route: Route
    session: Session
    meter: Metered
    circuit: Circuit
    batches: list[Batch] = field(default_factory=list)
    got_on: bool = False  # something was recorded behind which the next invocation goes on

    @property
    @abstractmethod
    def standing(self) -> Job | Span:
        """What the lease is of: there it is written how the submission goes."""

    @abstractmethod
    def _submit(self) -> dict[str, object]:
        """Do what can be done; returns what to write of it."""

    @abstractmethod
    def _parcels(self) -> Parcels: ...

    def _unless_stopped(self) -> None:
        """Raise where nothing more is to be sent."""
        self._unless_canceled()

    def _unless_canceled(self) -> None:
        """Leave the rest to an invocation that only asks, where the job was canceled since this one began."""
        job = self.world.ledger.job(self.job.job_id)
        if job and job.stops:
            raise OutOfTime

    @abstractmethod
    def _release(self, outcome: dict[str, object]) -> None:
        """Write that, and give the lease back."""

    @property
    def _span(self) -> int:
        return 0

    def run(self) -> None:
        """Do what can be done in this invocation; the ledger says what remains."""
        try:
            self._release(self._attempt())
        except LostOwnership:
            self.world.log.warning("another worker took over", job_id=self.job.job_id, span=self._span)

    def _attempt(self) -> dict[str, object]:
        try:
            try:
                return self._submit()
            finally:
                self._tell_the_circuit()
        except OutOfTime:
            return dict(WELL) if self.got_on else self._rested(None)
        except Rest as rest:
            return {**self._rested(rest.seconds), **({"trouble": rest.why} if rest.why and not self._span else {})}
        except GiveUp as given_up:
            return {"packaged_at": self.world.ledger.now(), "failure": given_up.failure}
        except ObjectRefused as refused:
            return self._refused(str(refused))
        except LostOwnership:
            raise
        except Exception as error:
            # What is recorded tells the next invocation where to go on; the deadline bounds how often it tries.
            self.world.log.exception("submission interrupted", job_id=self.job.job_id, error=type(error).__name__)
            self.world.metrics.count("SubmissionsInterrupted")
            return self._rested(None)

    def _rested(self, seconds: float | None) -> dict[str, object]:
        """What to write of an invocation after which the submission rests; None: for longer each time."""
        return {"tries": self.standing.tries + 1, "not_before": self._awake_at(seconds)}

    def _refused(self, why: str) -> dict[str, object]:
        """Permissions may be on their way; after a few tries they are not."""
        count = self.standing.refusals + 1
        if count < MOST_REFUSALS:
            return {"refusals": count, **self._rested(None)}
        message = f"the dropped object cannot be read ({why}): mend its permissions, then drop it again"
        return {"packaged_at": self.world.ledger.now(), "failure": {"reason": ObjectRefused.reason, "message": message}}

    def _all_batches(self) -> dict[str, object]:
        """Take up what an earlier invocation began, and submit the rest."""
        self._read_batches()
        parcels = self._parcels()
        no_answer = self._clear_up_each()
        for at, batch in enumerate(self.batches):
            if self._is_to_be_sent(batch):
                self.batches[at] = self._take_up(batch, parcels)
        if no_answer:
            raise no_answer
        self._submit_the_rest(parcels)
        self._rest_while_in_doubt()
        return {"packaged_at": self.world.ledger.now(), **WELL}

    def _look_up(self) -> dict[str, object]:
        """Of a canceled job nothing is sent any more: find out what is in doubt, as far as that can be had."""
        self._wait_for_the_circuit()
        self._read_batches()
        if no_answer := self._clear_up_each():
            raise no_answer
        self._rest_while_in_doubt()
        return dict(WELL)

    def _read_batches(self) -> None:
        self.batches = self.world.ledger.batches(self.job.job_id, self._span)
        self.session.siblings = self.batches

    # --- when to call ---

    def _wait_for_the_circuit(self) -> None:
        """While a vendor account gives nothing but trouble, its jobs rest; one of them tries now and then."""
        seconds = self.circuit.closed_in()
        if seconds:
            raise Rest(seconds)

    def _enter(self) -> None:
        """Wait for a place where the route limits how many jobs of its account are under way."""
        limit, pace = self.route.max_in_flight, self.route.poll.wait
        seconds = enter(self.world.ledger, self.route.account_key, self.job, limit, pace) if limit else 0.0
        if seconds:
            raise Rest(seconds)

    def _tell_the_circuit(self) -> None:
        if self.circuit.tell(self.meter.failures):
            self.world.metrics.count("CircuitsOpen")

    # --- batches ---

    def _may_send(self, batch: Batch) -> bool:
        """Of a canceled job only what an operator decided since to send again.

        No clock is asked: each cancel has a time of its own, and the decision names the one it came after. Where a
        version before wrote the decision it names none, and the batch ends in doubt, to be decided on once more.
        """
        return not self.job.cancel_at or batch.decided_after == self.job.cancel_at

    def _is_to_be_sent(self, batch: Batch) -> bool:
        return batch.status is BatchState.SUBMITTING and self._may_send(batch)

    def _submit_the_rest(self, parcels: Parcels) -> None:
        at_the_end = self.batches and self.batches[-1].last
        if at_the_end or self.job.sends_decided_only:
            return
        self._need_time()
        start = self.batches[-1].end if self.batches else None
        with as_decisions():
            batches = parcels.batches(start)
            for parcel in ahead(batches) if self.world.settings.overlap else batches:
                self._unless_stopped()
                with _opened(parcel):
                    self.batches.append(self._submit_new(parcel))
                self.got_on = True
                if not parcel.last:
                    self._need_time()

    def _submit_new(self, parcel: Parcel) -> Batch:
        now, payload = self.world.ledger.now(), parcel.payload
        batch = Batch(
            job_id=self.job.job_id,
            n=self._next_number(),
            owner=self.invocation.owner,
            state=BatchState.SUBMITTING,
            attempt=1,
            span=self._span,
            start=parcel.start,
            end=parcel.end,
            last=parcel.last,
            records=parcel.records,
            invalid=parcel.invalid,
            packaged_at=now,
        )
        if payload is None:
            # Nothing in it can be sent: there is nothing to ask the vendor either.
            return self.world.ledger.new_batch(replace(batch, state=BatchState.SUCCEEDED, intent=False, done_at=now))
        first = self.route.vendor.steps()[0]
        batch = replace(batch, bytes=payload.size, sha256=payload.sha256, **_intent(first))
        if self.route.keep_batches:
            self.session.shelf.keep(f"batch-{batch.n:05d}", payload)
        return self._carry_out(self._first_intent(batch), parcel, recorded=True)

    def _next_number(self) -> int:
        last = self.batches[-1].n if self.batches else self._span * NUMBERS
        if last % NUMBERS >= MOST_BATCHES:
            why = f"after {MOST_BATCHES:,} batches nothing more is sent: drop the rest as a file of its own"
            raise GiveUp("too_many_batches", why)
        return last + 1

    def _first_intent(self, batch: Batch) -> Batch:
        """Record a new batch with the intent of its first step."""
        return self.world.ledger.new_batch(batch)

    def _write(self, batch: Batch, **changes: Any) -> Batch:
        """Change the batch in hand under our ownership."""
        self.got_on = True
        return self.world.ledger.write_batch(batch, **changes)

    def _take_up(self, batch: Batch, parcels: Parcels) -> Batch:
        """Go on with a batch an earlier invocation began, and that is to be sent."""
        batch = self._clear_up(batch)
        if self._is_to_be_sent(batch):
            self._need_time()
            self._unless_stopped()
            with as_decisions():
                parcel = next(iter(parcels.batches(batch.start or None)))
                with _opened(parcel):
                    batch = self._carry_out(batch, parcel, recorded=False)
        return batch

    def _carry_out(self, batch: Batch, parcel: Parcel, *, recorded: bool) -> Batch:
        """Run the steps from the batch's current one to the last; `recorded`: its intent stands in the ledger."""
        if parcel.payload is not None and parcel.payload.sha256 != batch.sha256:
            raise GiveUp("drop_changed", f"batch {batch.n} can no longer be made as it was: nothing more is sent")
        self.session.payload, self.session.members, self.session.transient = parcel.payload, parcel.members, {}
        step: Step | None = self._startable(self._step(batch.step))
        if step and step.name != batch.step:
            recorded = False
        while step:
            if not recorded:
                batch = self._intend(batch, step)
            made = self._run(batch, step)
            if isinstance(made, Batch):
                return made
            self._log_receipt(batch.n, step.name, made)
            batch = replace(batch, receipt={**batch.receipt, **made})
            step, recorded = self._after(step), False
        return self._submitted(batch)

    def _log_receipt(self, n: int, step: str, made: Mapping[str, str]) -> None:
        """Tell the vendor's ids as soon as they are known: the ledger may be away at this very moment."""
        if made:
            self.world.log.info("receipt", job_id=self.job.job_id, batch=n, step=step, receipt=dict(made))

    def _intend(self, batch: Batch, step: Step) -> Batch:
        repeated = step.name == batch.step or self._is_before(step, batch.step)
        changes: dict[str, Any] = {**_intent(step), "receipt": batch.receipt}
        if repeated:
            changes |= {"attempt": batch.attempt + 1, **self._orphaned(batch, step)}
        return self._write(batch, **changes)

    def _orphaned(self, batch: Batch, step: Step) -> dict[str, Any]:
        """Going back to an earlier step leaves what was made behind at the vendor: it is listed, never forgotten."""
        if not batch.receipt or step.name != self.route.vendor.steps()[0].name:
            return {}
        return {"orphans": [*batch.orphans, batch.receipt], "receipt": {}}

    def _run(self, batch: Batch, step: Step) -> dict[str, str] | Batch:
        """What the step made, or the batch as it stands where that was its end for now."""
        ledger = self.world.ledger
        try:
            return step.run(self.session, batch)
        except (ProvablyNotSent, RateLimited) as error:
            self._write(batch, intent=False, message=str(error))
            raise Rest(getattr(error, "after", None)) from None
        except StartAgain as error:
            return self._start_again(batch, step, error)
        except AuthExpired as error:
            self._write(batch, intent=False, message=str(error))
            raise GiveUp("credentials", f"{step.name}: the vendor refused the credentials twice; {error}") from None
        except SecretError as error:  # it is read for each call, just before
            self._write(batch, intent=False, message=str(error))
            raise GiveUp("secret", str(error)) from None
        except Rejected as error:
            if step.kind is StepKind.COMMIT and error.status in _MAY_BE_DONE:
                return self._doubted(batch, error)
            return self._write(
                batch, state=BatchState.FAILED, code=str(error.status), message=str(error), done_at=ledger.now()
            )
        except Ambiguous as error:
            self.world.metrics.count("DoubtfulCalls")
            if step.kind is StepKind.REPEATABLE:
                self._write(batch, message=str(error))
                raise Rest from None
            return self._doubted(batch, error)

    def _doubted(self, batch: Batch, error: VendorError) -> Batch:
        return self._write(batch, state=BatchState.DOUBTFUL, doubt_at=self.world.ledger.now(), message=str(error))

    def _start_again(self, batch: Batch, step: Step, error: StartAgain) -> Batch:
        if batch.attempt < MOST_ATTEMPTS:
            self._again(batch, step, flagged=batch.flagged)
            raise Rest
        why, now = f"given up after {batch.attempt} attempts: {error}", self.world.ledger.now()
        return self._write(batch, state=BatchState.GIVEN_UP, message=why, done_at=now)

    def _submitted(self, batch: Batch) -> Batch:
        changes: dict[str, Any] = {"state": BatchState.SUBMITTED, "receipt": batch.receipt, "message": ""}
        changes |= {"warnings": batch.warnings} if batch.warnings else {}
        done = self._write(batch, submitted_at=self.world.ledger.now(), **changes)
        self.world.metrics.count("BatchesSubmitted")
        return done

    # --- doubt ---

    def _clear_up_each(self) -> NoAnswer | None:
        """Find out about every batch in doubt, whether or not the vendor answers about another; whether it did not."""
        no_answer = None
        for at, batch in enumerate(self.batches):
            if batch.is_unanswered:
                try:
                    self.batches[at] = self._clear_up(batch)
                except NoAnswer as error:
                    no_answer, self.batches[at] = error, error.batch
        return no_answer

    def _clear_up(self, batch: Batch) -> Batch:
        """The batch as ours; where it is in doubt, what became of it as far as that is known by now."""
        if batch.owner != self.invocation.owner:
            batch = self.world.ledger.take_over(batch, self.invocation.owner)
        if batch.is_unanswered:  # and not SUBMITTED, as its former owner may have written just before
            batch = self._reconcile(batch, self._step(batch.step))
        return batch

    def _reconcile(self, batch: Batch, step: Step) -> Batch:
        """Find out whether a commit step whose answer we lack was carried out."""
        ledger = self.world.ledger
        if batch.status is not BatchState.DOUBTFUL:  # its worker died in the middle
            batch = self._write(batch, state=BatchState.DOUBTFUL, doubt_at=ledger.now(), message="worker lost")
        if ledger.now() < self._decidable_at(batch) or step.reconcile is None:
            return batch if step.reconcile else self._undecided(batch, step, "this vendor has no way to look it up")
        self._need_time()
        if not self.job.stops:
            self._unless_canceled()
        self.session.only_asks = not self._may_send(batch)
        try:
            answer = step.reconcile(self.session, batch)
        except (ProvablyNotSent, RateLimited) as error:  # no other look-up would fare better
            raise Rest(getattr(error, "after", None)) from None
        except Ambiguous:
            raise NoAnswer(batch) from None
        except (Rejected, AuthExpired) as error:
            return self._undecided(batch, step, f"the vendor would not say: {error}")
        except SecretError as error:
            return self._undecided(batch, step, f"the vendor cannot be asked: {error}")
        if isinstance(answer, Found):
            warnings = [*batch.warnings, f"batch {batch.n}: found at the vendor and adopted"]
            return self._submitted(replace(batch, receipt={**batch.receipt, **answer.receipt}, warnings=warnings))
        if isinstance(answer, NotThere):
            return self._again(batch, step, flagged=batch.flagged)
        return self._undecided(batch, step, answer.why, HARMLESS if answer.harmless else "undecided")

    def _undecided(self, batch: Batch, step: Step, why: str, code: str = "undecided") -> Batch:
        if self.route.on_doubt == "resubmit" and self._may_send(batch):
            return self._again(batch, step, flagged=True)
        self.world.metrics.count("BatchesHeld")
        now = self.world.ledger.now()
        return self._write(batch, state=BatchState.HELD, code=code, message=why, done_at=now)

    def _again(self, batch: Batch, step: Step, *, flagged: bool) -> Batch:
        """Make ready for the next attempt; its number is recorded with the intent, before anything is sent."""
        changes: dict[str, Any] = {"state": BatchState.SUBMITTING, "intent": False, "doubt_at": 0, "flagged": flagged}
        if not self._may_send(batch):
            changes["message"] = "it did not arrive, and the job was canceled before it was sent again"
        return self._write(batch, step=step.again_from or step.name, **changes)

    def _rest_while_in_doubt(self) -> None:
        waiting = [self._decidable_at(batch) for batch in self.batches if batch.status is BatchState.DOUBTFUL]
        if waiting:
            raise Rest(max(0.0, (min(waiting) - self.world.ledger.now()) / 1000))

    def _decidable_at(self, batch: Batch) -> int:
        quiet = self.route.quiet_period
        return batch.doubt_at + int(1000 * (self.world.settings.quiet_period if quiet is None else quiet))

    # --- steps and time ---

    def _step(self, name: str) -> Step:
        return next(s for s in self.route.vendor.steps() if s.name == name)

    def _after(self, step: Step) -> Step | None:
        steps = self.route.vendor.steps()
        following = steps.index(step) + 1
        return steps[following] if following < len(steps) else None

    def _is_before(self, step: Step, name: str) -> bool:
        steps = self.route.vendor.steps()
        return steps.index(step) < steps.index(self._step(name))

    def _startable(self, step: Step) -> Step:
        missing = any(name not in self.session.transient for name in step.needs)
        return self._step(step.again_from) if missing else step

    def _need_time(self) -> None:
        """Stop between batches while there is still time to finish what is begun."""
        if runs_short(self.world.settings, self.invocation):
            raise OutOfTime

    def _awake_at(self, seconds: float | None) -> int:
        if seconds is None:
            most = BACKOFF_BASE * 2.0 ** min(self.standing.tries + 1, 16)
            seconds = self.world.rng.uniform(1.0, min(BACKOFF_CAP, most))
        return self.world.ledger.now() + int(1000 * min(seconds, LONGEST_REST))


def _intent(step: Step) -> dict[str, Any]:
    """What is recorded before a step is begun."""
    return {"step": step.name, "intent": True, "commits": step.kind is StepKind.COMMIT}


@contextmanager
def _opened(parcel: Parcel) -> Iterator[None]:
    try:
        yield
    finally:
        if parcel.payload is not None:
            parcel.payload.close()


@contextmanager
def as_decisions() -> Iterator[None]:
    """Turn what can go wrong outside a batch's own steps into what the submission does about it."""
    try:
        yield
    except DropRefused as error:
        raise GiveUp(error.reason, str(error), line=error.line, offset=error.offset) from None
    except ObjectGone:
        raise GiveUp("object_gone", "the dropped object, or this version of it, is no longer in the bucket") from None
    except (ProvablyNotSent, Ambiguous, RateLimited) as error:
        raise Rest(getattr(error, "after", None), str(error)) from None
    except AuthExpired as error:
        raise GiveUp("credentials", f"the vendor refused the credentials twice; {error}") from None
    except Rejected as error:
        raise GiveUp("refused", f"the vendor refused the job: {error}", status=error.status) from None
    except SecretError as error:
        raise GiveUp("secret", str(error)) from None
