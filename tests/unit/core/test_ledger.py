"""The ledger: every write that matters is conditional, and our own lost answer counts as success."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from msgspec.structs import replace

from batchdrop.errors import ConditionFailed
from batchdrop.job import NUMBERS, Batch, Job
from batchdrop.ledger import Ledger, LostOwnership, batch_key, job_key
from batchdrop.ports import Expect, Item, Key
from batchdrop.words import BatchState
from tests.simulation.memory import MemoryTable

NOW = 1_700_000_000.0


@dataclass
class Clock:
    at: float = NOW

    def now(self) -> float:
        return self.at


class Echoing(MemoryTable):
    """A table each of whose writes is carried out twice: the first answer was lost, and the SDK asked again."""

    def __init__(self) -> None:
        super().__init__(lambda: NOW, lambda: 0.0)
        self.on = False

    def put_new(self, key: Key, item: Item) -> None:
        super().put_new(key, item)
        if self.on:
            super().put_new(key, item)

    def update(
        self,
        key: Key,
        set_: Mapping[str, object],
        *,
        remove: Sequence[str] = (),
        add: Mapping[str, int] | None = None,
        expect: Mapping[str, Expect] | None = None,
    ) -> Item:
        found = super().update(key, set_, remove=remove, add=add, expect=expect)
        return super().update(key, set_, remove=remove, add=add, expect=expect) if self.on else found


@dataclass
class Bench:
    clock: Clock = field(default_factory=Clock)
    table: Echoing = field(default_factory=Echoing)

    @property
    def ledger(self) -> Ledger:
        return Ledger(self.table, self.clock)


@pytest.fixture
def bench() -> Bench:
    return Bench()


def job(**changes: Any) -> Job:
    at = int(NOW * 1000)
    known: dict[str, Any] = {"owner": "w1", "lease_until": at + 60_000, "config": {"destination": "datagroup"}}
    return Job("j", "r", "b", "drops/r/k", "v", created_at=at, deadline_at=at + 3_600_000, **(known | changes))


def batch(**changes: Any) -> Batch:
    return replace(Batch("j", 1, "w1", BatchState.SUBMITTING, 1, step="create"), **changes)


def test_a_job_comes_back_as_it_was_written(bench: Bench) -> None:
    written = job(members=[{"name": "a", "size": 1}], failure={"reason": "x", "line": 3})
    bench.ledger.claim(written)
    assert bench.ledger.job("j") == written


@pytest.mark.acceptance("A1")
def test_a_job_is_claimed_once_and_the_second_sees_the_first(bench: Bench) -> None:
    assert bench.ledger.claim(job())[1]
    found, ours = bench.ledger.claim(job(owner="w2"))
    assert (found.owner, ours) == ("w1", False)


@pytest.mark.acceptance("A2")
def test_a_claim_is_remembered_for_more_than_a_year(bench: Bench) -> None:
    bench.ledger.claim(job())
    item = bench.table.items[job_key("j")]
    assert int(str(item["expires_at"])) - NOW >= 400 * 86400


@pytest.mark.acceptance("D9")
def test_a_write_whose_answer_was_lost_counts_as_done(bench: Bench) -> None:
    bench.table.on = True
    assert bench.ledger.claim(job())[1]
    taken = bench.ledger.new_batch(batch())
    assert bench.ledger.write_batch(taken, step="upload", attempt=2).attempt == 2
    assert bench.ledger.settle(batch(attempt=2), BatchState.SUCCEEDED).status is BatchState.SUCCEEDED
    closed = bench.ledger.close(job(), {"outcome": "completed"})
    assert closed.outcome == "completed"


@pytest.mark.acceptance("D9")
def test_a_lease_whose_answer_was_lost_is_held_all_the_same(bench: Bench) -> None:
    bench.ledger.claim(job())
    bench.clock.at += 120
    bench.table.on = True
    taken = bench.ledger.acquire(job(), "w2", int(bench.clock.at * 1000) + 60_000)
    assert taken is not None
    assert taken.owner == "w2"


@pytest.mark.acceptance("D8")
def test_a_lease_is_given_only_when_the_one_before_is_over(bench: Bench) -> None:
    bench.ledger.claim(job())
    until = int(bench.clock.at * 1000) + 120_000
    assert bench.ledger.acquire(job(), "w2", until) is None
    bench.clock.at += 60.001
    assert bench.ledger.acquire(job(), "w2", until) is not None
    assert bench.ledger.acquire(job(), "w3", until) is None


@pytest.mark.acceptance("D8")
def test_an_owner_of_the_past_can_write_nothing_more(bench: Bench) -> None:
    bench.ledger.claim(job())
    mine = bench.ledger.new_batch(batch())
    bench.clock.at += 61
    bench.ledger.acquire(job(), "w2", int(bench.clock.at * 1000) + 1000)
    bench.ledger.take_over(mine, "w2")
    for write in (
        lambda: bench.ledger.held(job(), "w1", {"packaged_at": 1}),
        lambda: bench.ledger.release(job(), "w1", {"packaged_at": 1}),
        lambda: bench.ledger.write_batch(mine, state=BatchState.SUBMITTED),
        lambda: bench.ledger.new_batch(batch()),
    ):
        with pytest.raises(LostOwnership):
            write()
    assert bench.table.items[batch_key("j", 1)]["state"] == "submitting"


def test_an_attempt_of_the_past_can_write_nothing_more(bench: Bench) -> None:
    first = bench.ledger.new_batch(batch())
    bench.ledger.write_batch(first, attempt=2)
    with pytest.raises(LostOwnership):
        bench.ledger.write_batch(first, state=BatchState.SUBMITTED)


@pytest.mark.acceptance("E5")
def test_a_terminal_state_is_final_whoever_asks_next(bench: Bench) -> None:
    submitted = bench.ledger.new_batch(batch(state=BatchState.SUBMITTED))
    bench.ledger.settle(submitted, BatchState.SUCCEEDED, word="COMPLETED")
    again = bench.ledger.settle(submitted, BatchState.FAILED, word="FAILED")
    assert (again.status, again.word) == (BatchState.SUCCEEDED, "COMPLETED")
    assert bench.ledger.note(submitted, word="PROCESSING").word == "COMPLETED"


def test_a_job_ends_once(bench: Bench) -> None:
    bench.ledger.claim(job())
    bench.ledger.close(job(), {"outcome": "completed"})
    bench.clock.at += 5
    again = bench.ledger.close(job(), {"outcome": "failed"})
    assert (again.outcome, again.closed_at) == ("completed", int(NOW * 1000))
    assert list(bench.ledger.open_jobs()) == []
    assert [j.job_id for j in bench.ledger.jobs()] == ["j"]


@pytest.mark.acceptance("F3", "F4")
def test_a_hint_is_heeded_once_in_its_window_and_gets_the_waiters_token(bench: Bench) -> None:
    bench.ledger.claim(job())
    bench.ledger.change(job(), {"task_token": "t"}, {})
    hinted = bench.ledger.hint("j", 30_000)
    assert (hinted.task_token, hinted.callback_at) == ("t", hinted.hint_at)
    with pytest.raises(ConditionFailed) as again:
        bench.ledger.hint("j", 30_000)
    assert again.value.item is not None
    bench.clock.at += 30.1
    assert bench.ledger.hint("j", 30_000)


@pytest.mark.acceptance("F1", "F5")
def test_a_hint_for_no_job_or_an_ended_one_writes_nothing(bench: Bench) -> None:
    with pytest.raises(ConditionFailed) as unknown:
        bench.ledger.hint("j", 30_000)
    assert unknown.value.item is None
    assert bench.table.items == {}
    bench.ledger.claim(job())
    bench.ledger.close(job(), {"outcome": "completed"})
    with pytest.raises(ConditionFailed):
        bench.ledger.hint("j", 30_000)
    assert "hint_at" not in bench.table.items[job_key("j")]


def test_of_two_that_revive_a_job_one_gets_the_next_run(bench: Bench) -> None:
    bench.ledger.claim(job())
    seen = bench.ledger.job("j")
    assert seen is not None
    revived = bench.ledger.next_run(seen)
    assert revived is not None
    assert revived.execution == "j-2"
    assert bench.ledger.next_run(seen) is None


@pytest.mark.acceptance("A15")
def test_the_first_to_remember_a_fact_is_remembered(bench: Bench) -> None:
    assert bench.ledger.remember("content#r", "sha", {"job_id": "one"})["job_id"] == "one"
    assert bench.ledger.remember("content#r", "sha", {"job_id": "two"})["job_id"] == "one"


def test_the_lease_of_a_span_is_one_workers_until_it_is_over(bench: Bench) -> None:
    until = int(bench.clock.at * 1000) + 60_000
    taken = bench.ledger.take_span("j", 3, "w1", until)
    assert taken is not None
    assert bench.ledger.take_span("j", 3, "w2", until) is None
    assert bench.ledger.take_span("j", 4, "w2", until) is not None
    bench.clock.at += 61
    assert bench.ledger.take_span("j", 3, "w2", until + 60_000) is not None
    with pytest.raises(LostOwnership):
        bench.ledger.release_span(taken, {"packaged_at": 1})
    assert {n: span.owner for n, span in bench.ledger.spans("j").items()} == {3: "w2", 4: "w2"}


@pytest.mark.acceptance("D9")
def test_the_lease_of_a_span_whose_answer_was_lost_is_held_all_the_same(bench: Bench) -> None:
    bench.table.on = True
    for owner in ("w1", "w2"):
        bench.clock.at += 61
        taken = bench.ledger.take_span("j", 1, owner, int(bench.clock.at * 1000) + 60_000)
        assert taken is not None
        assert taken.owner == owner


def test_a_worker_reads_the_batches_of_its_own_span_alone(bench: Bench) -> None:
    for span in (1, 12, 2):
        for count in (2, 1):
            bench.ledger.new_batch(batch(n=span * NUMBERS + count, span=span))
    assert [found.n for found in bench.ledger.batches("j", 1)] == [100_001, 100_002]
    wanted = [100_001, 100_002, 200_001, 200_002, 1_200_001, 1_200_002]
    assert [found.n for found in bench.ledger.batches("j")] == wanted


def test_an_operators_decision_sets_what_it_says_and_opens_the_account(bench: Bench) -> None:
    """DynamoDB refuses an update that names one attribute twice."""
    held = bench.ledger.new_batch(batch(state=BatchState.HELD, done_at=5, collected_at=6, counts={"records": 1}))
    left = bench.ledger.decide(held, {"state": BatchState.UNCONFIRMED, "done_at": 7})
    assert (left.status, left.done_at, left.collected_at, left.counts) == (BatchState.UNCONFIRMED, 7, 0, {})


def test_batches_are_listed_in_their_order(bench: Bench) -> None:
    for n in (10, 2, 1):
        bench.ledger.new_batch(batch(n=n))
    assert [found.n for found in bench.ledger.batches("j")] == [1, 2, 10]
