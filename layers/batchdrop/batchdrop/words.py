"""The words of the domain: outcomes, states and the account every job must close with."""

from __future__ import annotations

from enum import StrEnum

from msgspec import Struct
from msgspec.structs import asdict


class RecordOutcome(StrEnum):
    """What became of one record of a drop; each record ends in exactly one."""

    ACCEPTED = "accepted"  # the vendor took it
    INVALID = "invalid"  # we refused it, before sending
    REJECTED = "rejected"  # the vendor refused it
    UNPROCESSED = "unprocessed"  # never sent
    UNCONFIRMED = "unconfirmed"  # sent; the vendor cannot be asked, or could not be


class JobOutcome(StrEnum):
    """How a job ended."""

    COMPLETED = "completed"
    COMPLETED_WITH_REJECTS = "completed_with_rejects"
    HANDED_OVER = "handed_over"
    FAILED = "failed"
    CANCELED = "canceled"
    TIMED_OUT = "timed_out"
    HELD = "held"

    @property
    def is_success(self) -> bool:
        """Whether the execution of such a job succeeds: the drop was dealt with as its owner meant."""
        return self in (self.COMPLETED, self.COMPLETED_WITH_REJECTS, self.HANDED_OVER)


LATE = "not done by its deadline"  # why a job timed out, where no more is known


class BatchState(StrEnum):
    """Where one batch stands. The first four are open, the rest are terminal for polling."""

    SUBMITTING = "submitting"  # a step's intent is recorded, its result is not yet
    DOUBTFUL = "doubtful"  # a commit step's fate is unknown: to be reconciled
    SUBMITTED = "submitted"  # the vendor has it, and can be asked
    SUCCEEDED = "succeeded"  # the vendor's terminal word: done (perhaps with rejects)
    FAILED = "failed"  # the vendor refused or failed the whole batch
    CANCELED = "canceled"
    GIVEN_UP = "given_up"  # never committed: the steps before came to nothing time and again
    HANDED_OVER = "handed_over"  # the vendor has it and has no status API
    HELD = "held"  # fate unknown and undecidable: an operator decides
    UNCONFIRMED = "unconfirmed"  # sent, but the vendor can no longer say what became of it

    @property
    def is_open(self) -> bool:
        return self in (self.SUBMITTING, self.DOUBTFUL, self.SUBMITTED)


class Counts(Struct, frozen=True):
    """Records by outcome. `records` is always the sum of the other five: it is derived, never set."""

    accepted: int = 0
    invalid: int = 0
    rejected: int = 0
    unprocessed: int = 0
    unconfirmed: int = 0

    @property
    def records(self) -> int:
        return self.accepted + self.invalid + self.rejected + self.unprocessed + self.unconfirmed

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(getattr(self, name) + getattr(other, name) for name in self.__struct_fields__))

    def as_dict(self) -> dict[str, int]:
        """`{"records": n, "accepted": n, …}`, in the order of the report."""
        return {"records": self.records} | asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, int]) -> Counts:
        return cls(**{name: int(data.get(name, 0)) for name in cls.__struct_fields__})
