"""The job and its batches as the ledger keeps them. Times are whole milliseconds since the epoch, UTC."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from itertools import repeat
from typing import Any, Self

from msgspec import Struct, field
from msgspec.structs import asdict

from batchdrop.ports import Item, ObjectRef
from batchdrop.words import BatchState, Counts, JobOutcome

NUMBERS = 100_000  # batches of span s have numbers above s times this: none is another span's, and they sort


class _Stored(Struct):
    """To and from a ledger item; an attribute at its default is left out, so that `Absent` means what it says."""

    def to_item(self) -> Item:
        defaults = _defaults(type(self))
        return {name: value for name, value in asdict(self).items() if value != defaults[name]}

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Self:
        return cls(**{k: v for k, v in item.items() if k in cls.__struct_fields__})


@cache
def _defaults(stored: type[Any]) -> dict[str, object]:
    """For comparing only, as all share them. `msgspec.structs.fields` would evaluate every annotation for it."""
    required = len(stored.__struct_fields__) - len(stored.__struct_defaults__)
    return asdict(stored(*repeat(None, required)))


class Job(_Stored):
    """One drop on its way to its report."""

    job_id: str
    route: str
    bucket: str
    key: str
    version_id: str
    created_at: int
    deadline_at: int
    destination: str = ""
    size: int = 0
    sequencer: str = ""
    config: dict[str, Any] = field(default_factory=dict)  # the route as it was at the claim: batches must be repeatable
    members: list[dict[str, Any]] = field(default_factory=list)  # of a set: its objects, pinned
    run: int = 1  # how many executions it has had: a name is good for one
    revision: int = 1
    previous: str = ""  # the job this one is a re-run of
    only_rejected: bool = False
    # submission
    owner: str = ""
    lease_until: int = 0
    not_before: int = 0  # the submission rests until then: a vendor's Retry-After, a quiet period
    tries: int = 0  # rests in a row without progress
    trouble: str = ""  # what a call before the first batch last failed for
    prepare_tries: int = 0
    refusals: int = 0  # of the storage to give the drop
    receipt: dict[str, str] = field(default_factory=dict)
    begun: bool = False  # the first step of the first batch may have been carried out before the batch was recorded
    inspection: dict[str, Any] = field(default_factory=dict)
    halt: dict[str, Any] = field(default_factory=dict)  # how far the look into a large drop got
    duplicate_content_of: str = ""
    packaged_at: int = 0  # everything there is to submit has been submitted
    spread: int = 0  # into so many spans, submitted side by side; 0: it is not
    failure: dict[str, Any] = field(default_factory=dict)  # {reason, message}: why nothing (more) will be sent
    warnings: list[str] = field(default_factory=list)
    # waiting
    hint_at: int = 0  # somebody asked for a look: the vendor, who submitted, or who canceled
    callback_at: int = 0  # the vendor called, the last time that was heeded
    task_token: str = ""
    ask_from: int = 0  # the batch whose status is asked first: the look before had no time for it
    asked_at: int = 0  # while it is canceled and in doubt: when all batches the vendor has were last asked about
    ask_after: int = 0  # likewise: a vendor's Retry-After, before which it is asked about none
    cancel_at: int = 0
    held_at: int = 0  # it ended held, the last time
    reopened_at: int = 0  # an operator decided on batches of it
    # the end
    finish_tries: int = 0  # in a row, of what is needed for the report, without progress
    outcome: str = ""
    closed_at: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    report_key: str = ""
    rejects_dropped: dict[str, Any] = field(default_factory=dict)  # {at, job_id?}: begun then, and the job it became

    @property
    def drop(self) -> ObjectRef:
        return ObjectRef(self.bucket, self.key, self.version_id, self.size)

    @property
    def execution(self) -> str:
        """The name of this run's execution; derived from the job alone, so that a repeat is the same."""
        return self.job_id if self.run == 1 else f"{self.job_id}-{self.run}"

    @property
    def spans(self) -> range:
        """The numbers of its spans; that of a drop which is submitted as a whole is 0."""
        return range(1, self.spread + 1) if self.spread else range(1)

    @property
    def is_closed(self) -> bool:
        return bool(self.closed_at)

    @property
    def stops(self) -> bool:
        """Whether it is canceled: nothing more is sent, and the vendor is asked to stop."""
        return self.cancel_at > self.reopened_at

    @property
    def sends_decided_only(self) -> bool:
        """Whether it was canceled before an operator decided: what is not decided on is not sent."""
        return 0 < self.cancel_at <= self.reopened_at

    @property
    def gave_up_canceled(self) -> bool:
        """Whether a cancel ended its submission."""
        return bool(self.failure.get("reason") == "canceled")

    def ended(self) -> JobOutcome | None:
        return JobOutcome(self.outcome) if self.outcome else None


class Span(_Stored):
    """The submission of one span of a job, as a job has it for the whole of a drop that is not cut."""

    job_id: str
    span: int
    owner: str = ""
    lease_until: int = 0
    not_before: int = 0
    tries: int = 0
    refusals: int = 0
    packaged_at: int = 0
    failure: dict[str, Any] = field(default_factory=dict)


class Batch(_Stored):
    """One vendor submission of a job."""

    job_id: str
    n: int
    owner: str
    state: str
    attempt: int
    span: int = 0  # of a drop that is cut: which one it is in; `n` tells, too
    step: str = ""  # the step whose intent is recorded last
    intent: bool = True  # that step may have been carried out: False only once it provably was not
    commits: bool = True  # that step is one with which the vendor begins to import; it must not be repeated
    start: dict[str, Any] = field(default_factory=dict)  # checkpoints: where in the drop it begins and ends
    end: dict[str, Any] = field(default_factory=dict)
    last: bool = False
    records: int = 0
    invalid: int = 0
    bytes: int = 0
    sha256: str = ""
    receipt: dict[str, str] = field(default_factory=dict)
    orphans: list[dict[str, str]] = field(default_factory=list)  # receipts of attempts that were given up
    flagged: bool = False  # sent again without proof that the first attempt failed
    decided_after: int = 0  # an operator decided to send it again: the job's `cancel_at` then, 0 before any cancel
    doubt_at: int = 0
    word: str = ""  # the vendor's last status word
    code: str = ""  # why it failed or is held
    message: str = ""
    warnings: list[str] = field(default_factory=list)
    packaged_at: int = 0
    submitted_at: int = 0
    done_at: int = 0
    collected_at: int = 0
    counts: dict[str, int] = field(default_factory=dict)  # once collected; `invalid` included
    inferred: bool = False
    unasked: bool = False  # its account was closed without asking the vendor, for want of a valid route
    unmatched: list[dict[str, str]] = field(default_factory=list)
    results: list[str] = field(default_factory=list)
    part: str | None = None  # of the rejects file: the one its rows are in; None: a version before did not say

    @property
    def status(self) -> BatchState:
        return BatchState(self.state)

    @property
    def may_be_sent(self) -> bool:
        """Whether a step that commits may have been carried out unanswered: in this attempt, or one before it."""
        return self.flagged or (self.intent and self.commits)

    @property
    def is_unanswered(self) -> bool:
        """Whether the vendor is still to be asked if a step that commits was carried out."""
        return self.intent and self.commits and self.status in (BatchState.SUBMITTING, BatchState.DOUBTFUL)

    @property
    def is_in_doubt(self) -> bool:
        """Whether nobody can tell if it arrived at the vendor; once the job has ended so, an operator decides."""
        unanswered = self.status is BatchState.SUBMITTING and self.may_be_sent
        return unanswered or self.status in (BatchState.HELD, BatchState.DOUBTFUL)

    @property
    def tally(self) -> Counts:
        return Counts.from_dict(self.counts)


class Piece(_Stored):
    """A piece of what was never packaged, with an account of its own as a batch has."""

    job_id: str
    n: int  # above those of its span's batches
    span: int
    reason: str  # why it was not sent
    start: dict[str, Any] = field(default_factory=dict)
    end: dict[str, Any] = field(default_factory=dict)
    last: bool = False
    collected_at: int = 0
    counts: dict[str, int] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    part: str = ""  # of the rejects file; none: the drop could not be read to the piece's end

    @property
    def is_whole(self) -> bool:
        """Whether all of its records are counted; where not, the look into the drop tells how many there are."""
        return bool(self.part)

    @property
    def tally(self) -> Counts:
        return Counts.from_dict(self.counts)
