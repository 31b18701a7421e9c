"""The submission of one span of a large drop, while others submit its other spans.

Whoever submits a span takes its lease first and only then looks whether the job still wants it submitted. Whoever ends
that (who stops the job's submission, or takes the job's lease to finish it) says so in the job first, and only then
looks at the leases of the spans. So of two who meet, at least one sees the other, and gives way.
"""

from __future__ import annotations

from dataclasses import dataclass

from batchdrop.circuit import Circuit, Metered
from batchdrop.job import Job, Span
from batchdrop.parcels import Parcels, parcels_of
from batchdrop.route import read_route
from batchdrop.session import open_session
from batchdrop.spans import Spans
from batchdrop.submission import Submission, as_decisions
from batchdrop.world import Invocation, OutOfTime, World


def resume_span(world: World, invocation: Invocation, job_id: str, number: int, lease_until: int) -> bool:
    """Go on with a span of a job, if that is wanted and nobody else does; whether this invocation took it."""
    job = world.ledger.job(job_id)
    if job is None or not 0 < number <= job.spread or not _is_wanted(job, world.ledger.now()):
        return False
    span = world.ledger.take_span(job_id, number, invocation.owner, lease_until)
    if span is None:
        return False
    _submit(world, invocation, job, span)
    return True


def resume_any_span(world: World, invocation: Invocation, job: Job, lease_until: int) -> bool:
    """Go on with one span: for who knows of none, as an execution does that began before there were any."""
    due = Spans.of(world.ledger, job).due
    return bool(due) and resume_span(world, invocation, job.job_id, due[0], lease_until)


def _is_wanted(job: Job, now: int) -> bool:
    """Whether the job is in nobody's hands, and its spans are still to be submitted, or looked up."""
    is_ended = job.is_closed or job.packaged_at or now >= job.deadline_at
    return not is_ended and job.lease_until < now


def _submit(world: World, invocation: Invocation, job: Job, span: Span) -> None:
    route = read_route(job.route, job.config, world.settings.allow_insecure)
    session, meter = open_session(world, job, route), Metered(world.http)
    session.http = meter
    circuit = Circuit(world.ledger, route.account_key)
    SpanSubmission(world, invocation, job, route, session, meter, circuit, span=span).run()


@dataclass(slots=True, kw_only=True)
class SpanSubmission(Submission):
    """One invocation's share of a span's submission, under the span's lease."""

    span: Span

    @property
    def standing(self) -> Span:
        return self.span

    @property
    def _span(self) -> int:
        return self.span.span

    def _submit(self) -> dict[str, object]:
        job = self.world.ledger.job(self.job.job_id)  # as it is now that the lease is ours
        if job is None or self.span.packaged_at or not _is_wanted(job, self.world.ledger.now()):
            return {}
        self.job = self.session.job = job
        if job.stops:
            return self._look_up()
        with as_decisions():
            self._wait_for_the_circuit()
            self._enter()  # the job has its place since the look, unless it was held in between
        return self._all_batches()

    def _parcels(self) -> Parcels:
        return parcels_of(self.job, self.route, self.world.objects, span=self._span)

    def _unless_stopped(self) -> None:
        """The job itself, or a span that gave up, says why it ends; of this one there is only what is not yet sent."""
        job = self.world.ledger.job(self.job.job_id)
        if job is None or job.is_closed or job.packaged_at or job.stops:
            raise OutOfTime
        if Spans.of(self.world.ledger, job).failure:
            raise OutOfTime

    def _release(self, outcome: dict[str, object]) -> None:
        """Wakes nobody: the workflow waits for all who submit."""
        self.world.ledger.release_span(self.span, outcome)
