"""What must hold, looked at after every write and every call that reaches a vendor, and once more at the end."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from batchdrop import order
from batchdrop.job import NUMBERS, Batch, Job, Span
from batchdrop.ledger import span_key
from batchdrop.ports import Item, Key, Request
from batchdrop.route import read_route
from batchdrop.words import BatchState, Counts
from tests.simulation.cloud import RESULTS, Cloud
from tests.simulation.kernel import Kernel
from tests.simulation.memory import MemoryTable

S = BatchState
# I8: where a batch may go without an operator. Staying is always allowed.
PATHS = {
    S.SUBMITTING: {S.DOUBTFUL, S.SUBMITTED, S.FAILED, S.GIVEN_UP},
    S.DOUBTFUL: {S.SUBMITTING, S.SUBMITTED, S.HELD},
    S.SUBMITTED: {S.SUCCEEDED, S.FAILED, S.CANCELED, S.UNCONFIRMED, S.HANDED_OVER},
}
OPERATOR = {S.SUBMITTING, S.SUBMITTED, S.UNCONFIRMED}
FINISHED = {"completed", "completed_with_rejects", "handed_over"}


@dataclass(frozen=True, slots=True)
class Intent:
    """The batch a call to a vendor belongs to, as the ledger has it when the call goes out."""

    job_id: str
    n: int
    attempt: int
    step: str
    is_commit: bool


@dataclass(slots=True)
class Watch:
    """The observer of one run. `broken` says what did not hold."""

    kernel: Kernel
    table: MemoryTable
    cloud: Cloud
    broken: list[str] = field(default_factory=list)
    commits: dict[tuple[str, int], list[int]] = field(default_factory=lambda: defaultdict(list))  # batch: attempts
    commit_times: list[tuple[float, str, int]] = field(default_factory=list)
    creates: Counter[str] = field(default_factory=Counter)  # by job: things made before any commit
    claimed: set[str] = field(default_factory=set)  # jobs a worker claimed: that is its intent to prepare them
    canceled: dict[str, float] = field(default_factory=dict)  # by job: when, by no operator's clock
    operated: bool = False  # an operator is at work: what is held may move
    decided: set[tuple[str, int]] = field(default_factory=set)  # batches to be sent again, by decision since the cancel
    in_flight_limit: int = 0

    def __post_init__(self) -> None:
        self.table.watchers.append(self.written)

    def break_(self, law: str, what: str) -> None:
        self.broken.append(f"{law} at {self.kernel.now:.2f}: {what}")

    def _clock(self) -> float:
        assert self.cloud.world is not None
        return self.cloud.world.clock.now()

    # --- after every write ---

    def written(self, key: Key, before: Item | None, after: Item) -> None:
        if key.sk == "job":
            self._job_written(before, after)
        elif key.sk.startswith("batch#"):
            self._batch_written(before, after)
        task = self.kernel.current
        if (
            task
            and task.name == "submit"
            and key.pk.startswith("job#")
            and after.get("owner", "") not in ("", task.owner)
        ):
            self.break_("I5", f"{task.owner} wrote {key} owned by {after.get('owner')}")

    def _job_written(self, before: Item | None, after: Item) -> None:
        if before is None and after.get("owner"):
            self.claimed.add(str(after["job_id"]))
        if before and before.get("cancel_at") != after.get("cancel_at"):
            self.canceled[str(after["job_id"])] = self.kernel.now
            self.decided = {batch for batch in self.decided if batch[0] != after["job_id"]}
        if before and before.get("closed_at") and not self.operated:
            for name in ("outcome", "closed_at", "counts"):
                if before.get(name) != after.get(name):
                    self.break_("I1", f"job {after['job_id']} is closed, yet its {name} changed")
        if before and before.get("packaged_at") and not after.get("packaged_at") and not self.operated:
            self.break_("I8", f"job {after['job_id']} is submitting again")

    def _batch_written(self, before: Item | None, after: Item) -> None:
        new = S(str(after["state"]))
        if before is None:
            return
        old = S(str(before["state"]))
        allowed = PATHS.get(old, set()) | (OPERATOR if self.operated else set())
        if new is not old and new not in allowed:
            self.break_("I8", f"batch {after['n']} went from {old} to {new}")
        if int(str(after["attempt"])) < int(str(before["attempt"])):
            self.break_("I8", f"batch {after['n']} went back to attempt {after['attempt']}")
        if new is S.SUCCEEDED and old is not S.SUCCEEDED and not (self.kernel.current and self.kernel.current.asked):
            self.break_("I4", f"batch {after['n']} succeeded, but the vendor was not asked")

    def deciding(self, decide: Callable[..., Any]) -> Callable[..., Any]:
        """The same, watched: what an operator decides to send again."""

        def watched(world: Any, job: Job, route: Any, batch: Batch, decision: str, receipt: str) -> Any:
            if decision == "resubmit":
                self.decided.add((job.job_id, batch.n))
            return decide(world, job, route, batch, decision, receipt)

        return watched

    # --- around every call to a vendor ---

    def before(self, request: Request) -> Intent | None:
        """The intent this call is covered by."""
        task = self.kernel.current
        if task is None or task.name != "submit":
            return None
        mine = [i for k, i in self.table.items.items() if k.sk.startswith("batch#") and i.get("owner") == task.owner]
        for state in (S.SUBMITTING, S.DOUBTFUL):  # Haplo is asked by repeating the call, which it takes only once
            for batch in (Batch.from_item(i) for i in mine if i["state"] == state):
                if batch.intent:
                    return self._intent(batch)
        owned = (i for k, i in self.table.items.items() if k.sk == "job" and i.get("owner") == task.owner)
        return next((Intent(str(i["job_id"]), 0, 0, "prepare", is_commit=False) for i in owned), None)

    def _intent(self, batch: Batch) -> Intent:
        job = Job.from_item(self.table.items[Key(f"job#{batch.job_id}", "job")])
        steps = read_route(job.route, job.config, ("127.0.0.1",)).vendor.steps()
        is_commit = any(s.name == batch.step and s.kind == "commit" for s in steps)
        return Intent(batch.job_id, batch.n, batch.attempt, batch.step, is_commit)

    def after(self, request: Request, seen: Any, commits: int, created: int, status: int) -> None:
        task = self.kernel.current
        if created > 0:
            self._created(seen, created)
        if commits <= 0:
            return
        if not isinstance(seen, Intent) or not seen.is_commit:
            self.break_("I2", f"{request.method} {request.url} was a submission without a recorded intent")
            return
        attempts = self.commits[seen.job_id, seen.n]
        if seen.attempt in attempts:
            self.break_("I2", f"batch {seen.n} was submitted twice as attempt {seen.attempt}")
        attempts.append(seen.attempt)
        self.commit_times.append((self.kernel.now, seen.job_id, seen.n))
        job = Job.from_item(self.table.items[Key(f"job#{seen.job_id}", "job")])
        if task and not self._has_lease(task.owner, job, seen.n):
            self.break_("I5", f"{task.owner} submitted batch {seen.n} without the lease")
        if job.is_closed:
            self.break_("I2", f"batch {seen.n} was submitted after the report")
        is_decided = (seen.job_id, seen.n) in self.decided
        if task and task.began_at > self.canceled.get(seen.job_id, self.kernel.now) and not is_decided:
            self.break_("I2", f"batch {seen.n} of a canceled job was submitted, and nobody had decided so since")
        self._check_limit(job)
        self._check_order(job)

    def _has_lease(self, owner: str, job: Job, n: int) -> bool:
        """Of the job, or of the span the batch is in."""
        now = self._clock() * 1000
        held: Job | Span = job
        if n > NUMBERS:
            held = Span.from_item(self.table.items[span_key(job.job_id, n // NUMBERS)])
        return held.owner == owner and held.lease_until > now

    def _check_limit(self, job: Job) -> None:
        """Who has submitted since it was opened, the first time or by an operator, is under way until it is closed."""
        jobs = ((self._job(job_id), at) for at, job_id, _ in self.commit_times)
        busy = {j.job_id for j, at in jobs if not j.is_closed and at * 1000 >= j.reopened_at} | {job.job_id}
        if self.in_flight_limit and len(busy) > self.in_flight_limit:
            self.break_("I9", f"{len(busy)} jobs of one account are under way")

    def _check_order(self, job: Job) -> None:
        if not order.matters(read_route(job.route, job.config, ("127.0.0.1",))):
            return
        before = (self._job(j) for _, j, _ in self.commit_times)
        for other in before:
            if other.key == job.key and self.place_of(other) > self.place_of(job):
                self.break_("I10", f"{job.version_id} was submitted after {other.version_id}")

    def place_of(self, job: Job) -> int:
        """Which version of its key a job is of."""
        versions = self.cloud.objects.stored[job.bucket, job.key]
        return next(n for n, (version_id, _, _) in enumerate(versions) if version_id == job.version_id)

    def _job(self, job_id: str) -> Job:
        return Job.from_item(self.table.items[Key(f"job#{job_id}", "job")])

    def _created(self, seen: Any, created: int) -> None:
        if isinstance(seen, Intent):
            self.creates[seen.job_id] += created
        else:
            self.break_("I2", "something was made at the vendor for no job of this worker")

    # --- at the end ---

    def at_rest(self, expected: dict[str, int]) -> None:
        """Everything that must hold once nothing more happens. `expected`: records of each key dropped."""
        jobs = [Job.from_item(i) for k, i in self.table.items.items() if k.sk == "job"]
        by_version = Counter((j.key, j.version_id) for j in jobs if not j.previous)
        for (bucket, key), versions in self.cloud.objects.stored.items():
            if bucket == RESULTS or key not in expected:
                continue
            for version_id, data, _ in versions:
                if data is not None and by_version[key, version_id] != 1:
                    self.break_("I1", f"{key} {version_id} has {by_version[key, version_id]} jobs")
        for job in jobs:
            self._job_at_rest(job, expected)
        self._nothing_leaked()

    def _job_at_rest(self, job: Job, expected: dict[str, int]) -> None:
        if not job.is_closed:
            self.break_("I6", f"job {job.job_id} of {job.key} has not ended: {_brief(job)}")
            return
        place = next((k for k in self.cloud.objects.new_puts if job.job_id in k[1]), None)
        if place is None or (self.cloud.objects.new_puts[place] != 1 and not self.operated):
            written = self.cloud.objects.new_puts[place] if place else 0
            self.break_("I1", f"job {job.job_id} has {written} reports")
            return
        report = json.loads(next(d for _, d, _ in reversed(self.cloud.objects.stored[place]) if d is not None))
        batches = [Batch.from_item(i) for i in self.table.query(f"job#{job.job_id}", "batch#")]
        self._check_report(job, report, batches, expected.get(job.key))
        self._check_attempts(job, report, batches)
        self._check_places(batches)

    def _check_report(self, job: Job, report: dict[str, Any], batches: list[Batch], records: int | None) -> None:
        counts = Counts.from_dict(report["counts"])
        if report["outcome"] != job.outcome or report["counts"] != job.counts:
            self.break_("I1", f"report and ledger of {job.job_id} differ: {report['outcome']}, {job.outcome}")
        if report["counts"]["records"] != counts.records:
            self.break_("I3", f"the counts do not add up: {report['counts']}")
        if records is not None and job.inspection and counts.records != records:
            self.break_("I3", f"{records} records were dropped, {counts.records} accounted for; {_brief(job)}")
        if report["outcome"] in FINISHED and any(b.status.is_open for b in batches):
            self.break_("I4", f"{report['outcome']} with open batches: {[b.state for b in batches]}")
        if report["outcome"] == "timed_out" and job.closed_at < job.deadline_at:
            self.break_("I4", f"timed out {(job.deadline_at - job.closed_at) / 1000} s before the deadline")
        if report["outcome"] != "held" and any(b.status is S.HELD for b in batches):
            self.break_("I8", f"{report['outcome']} with a batch held")
        for batch in batches:
            if batch.tally.accepted and not self.commits[batch.job_id, batch.n]:
                self.break_("I4", f"batch {batch.n}: accepted, but never submitted")
            if batch.tally.unprocessed and self.commits[batch.job_id, batch.n] and batch.status is not S.CANCELED:
                self.break_("I3", f"batch {batch.n}: unprocessed, but it was submitted; {batch.state}")

    def _check_places(self, batches: list[Batch]) -> None:
        """Within a span each batch begins where the one before it ends."""
        for before, after in pairwise(sorted(batches, key=lambda batch: batch.n)):
            if before.span == after.span and before.end != after.start:
                self.break_("I3", f"batch {after.n} does not begin where batch {before.n} ends")

    def _check_attempts(self, job: Job, report: dict[str, Any], batches: list[Batch]) -> None:
        for batch in batches:
            made = self.commits[batch.job_id, batch.n]
            if len(made) > batch.attempt:
                self.break_("I2", f"batch {batch.n}: {len(made)} submissions, {batch.attempt} attempts recorded")
            if len(made) > 1 and not any("possible_duplicate" in w for w in report["warnings"]):
                self.break_("I2", f"batch {batch.n} was submitted {len(made)} times, and the report does not say so")
        known = max(job.prepare_tries, job.job_id in self.claimed) + sum(b.attempt for b in batches)
        steps = 3  # at most so many things are made for one attempt
        if self.creates[job.job_id] > known * steps:
            self.break_("I2", f"{self.creates[job.job_id]} things made at the vendor, {known} attempts recorded")

    def _nothing_leaked(self) -> None:
        world = self.cloud.world
        assert world is not None
        canaries = [v for s in world.secrets.held.values() for k, v in s.items() if k in SECRET_FIELDS]
        stores = [json.dumps([[k.pk, v] for k, v in self.table.items.items()])]
        stores += [
            d.decode("utf-8", "replace")
            for (b, k), vs in self.cloud.objects.stored.items()
            for _, d, _ in vs
            if b == RESULTS and d
        ]
        stores += world.log.lines
        machine = self.cloud.machine
        stores.append(json.dumps([[e.input, e.error] for e in (*machine.executions.values(), *machine.children)]))
        for canary in [*canaries, "X-Amz-Signature"]:
            if any(canary in store for store in stores):
                self.break_("I7", f"a secret got out: {canary[:12]}…")


SECRET_FIELDS = {"api_key", "password", "api_secret", "private_key", "api_token", "k1"}


def _brief(job: Job) -> str:
    fields = ("owner", "lease_until", "not_before", "packaged_at", "failure", "outcome", "run", "deadline_at")
    return ", ".join(f"{name}={getattr(job, name)!r}" for name in fields)
