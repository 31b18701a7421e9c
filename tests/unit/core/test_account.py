"""The account of a batch and of a job: every record ends in exactly one place, whatever the vendor says."""

from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from batchdrop.account import fate, outcome_of, unnamed
from batchdrop.destinations.base import Collected
from batchdrop.job import Batch, Job
from batchdrop.words import BatchState, Counts, JobOutcome

NOW = 1_700_000_000_000


def batch(state: BatchState, **changes: Any) -> Batch:
    return Batch("j", 1, "me", state, 1, records=10, invalid=2, **changes)


def job(**changes: Any) -> Job:
    known: dict[str, Any] = {"packaged_at": NOW, "deadline_at": NOW + 1000, "config": {"destination": "sherpa"}}
    return Job("j", "r", "b", "k", "v", created_at=NOW, **{**known, **changes})


@pytest.mark.acceptance("G5", "G8")
@pytest.mark.parametrize("state", list(BatchState))
def test_every_record_is_somewhere_whatever_the_state_and_the_vendors_numbers(state: BatchState) -> None:
    numbers: tuple[int | None, ...] = (None, 0, 1, 9, 10, 11, 10**9)
    for accepted, rejected, matched, already, intent in product(numbers, numbers, (0, 3, 10), (0, 1), (True, False)):
        for found in (None, Collected(accepted=accepted, rejected=rejected)):
            counts, _, _ = fate(batch(state, intent=intent), found, matched, min(already, 10 - matched))
            if not (state is BatchState.SUCCEEDED and found is None):  # such a batch had nothing to ask about
                assert counts.records == 12, (accepted, rejected, matched)
            assert counts.invalid == 2
            assert min(counts.as_dict().values()) >= 0


@pytest.mark.parametrize(("flagged", "expected"), [(False, {"rejected": 10}), (True, {"unconfirmed": 10})])
def test_a_refusal_says_nothing_of_an_attempt_before_that_may_have_arrived(
    flagged: bool, expected: dict[str, int]
) -> None:
    counts, _, _ = fate(batch(BatchState.FAILED, flagged=flagged), None, 0, 0)
    assert counts == Counts(invalid=2, **expected)


def test_what_the_vendor_did_not_refuse_is_taken_as_accepted_and_marked_as_inferred() -> None:
    counts, inferred, warnings = fate(batch(BatchState.SUCCEEDED), Collected(), 3, 0)
    assert (counts, inferred, warnings) == (Counts(accepted=7, invalid=2, rejected=3), True, [])


def test_the_vendors_own_totals_go_before_ours() -> None:
    counts, inferred, warnings = fate(batch(BatchState.SUCCEEDED), Collected(accepted=7, rejected=3), 3, 0)
    assert (counts, inferred, warnings) == (Counts(accepted=7, invalid=2, rejected=3), False, [])


def test_refusals_that_name_no_record_leave_as_many_unconfirmed_where_accepted_is_inferred() -> None:
    counts, inferred, _ = fate(batch(BatchState.SUCCEEDED), Collected(), 3, 0, 2)
    assert (counts, inferred) == (Counts(accepted=5, invalid=2, rejected=3, unconfirmed=2), True)
    counts, _, _ = fate(batch(BatchState.SUCCEEDED), Collected(rejected=3), 2, 0, 3)
    assert counts == Counts(accepted=5, invalid=2, rejected=3, unconfirmed=2)
    counts, _, _ = fate(batch(BatchState.SUCCEEDED), Collected(), 3, 0, 10**6)
    assert counts == Counts(invalid=2, rejected=3, unconfirmed=7)


def test_more_records_than_the_vendor_counts_have_the_ids_it_names_and_all_are_rejected_as_in_the_rejects_file() -> (
    None
):
    counts, _, warnings = fate(batch(BatchState.SUCCEEDED), Collected(accepted=9, rejected=1), 3, 0)
    assert counts == Counts(accepted=7, invalid=2, rejected=3)
    assert "speaks of 1 rejected, but 3 records have the ids it names" in warnings[0]


@pytest.mark.parametrize("looked", [{"records": 30}, {"entries": [{"records": 10}, {"records": 20}]}])
def test_a_canceled_job_of_which_fewer_records_are_told_of_than_were_found_is_not_completed(looked: Any) -> None:
    cut = job(cancel_at=NOW, failure={"reason": "canceled", "message": "canceled on request"}, inspection=looked)
    done = [batch(BatchState.SUCCEEDED)]
    assert outcome_of(cut, done, Counts(accepted=6), NOW)[0] is JobOutcome.CANCELED
    assert outcome_of(cut, done, Counts(accepted=30), NOW)[0] is JobOutcome.COMPLETED


def test_rejected_records_that_are_not_named_are_told_of() -> None:
    succeeded = batch(BatchState.SUCCEEDED)
    assert "2 rejected record(s) are not in the rejects file" in unnamed(succeeded, Counts(rejected=3), 1)[0]
    assert unnamed(succeeded, Counts(rejected=3), 3) == []
    assert unnamed(batch(BatchState.FAILED), Counts(rejected=10), 0) == []


@pytest.mark.acceptance("G5")
@pytest.mark.parametrize(("accepted", "rejected"), [(6, 3), (11, 0), (10, 10), (0, 0)])
def test_totals_that_do_not_add_up_are_told(accepted: int, rejected: int) -> None:
    counts, _, warnings = fate(batch(BatchState.SUCCEEDED), Collected(accepted=accepted, rejected=rejected), 0, 0)
    assert "10 records sent, but the vendor speaks of" in warnings[0]
    assert counts.records == 12


def test_a_batch_whose_results_say_nothing_stays_unconfirmed() -> None:
    counts, _, _ = fate(batch(BatchState.SUCCEEDED), Collected(unknown=True), 0, 0)
    assert counts == Counts(invalid=2, unconfirmed=10)


@pytest.mark.parametrize(
    ("state", "intent", "counts"),
    [
        (BatchState.FAILED, True, Counts(invalid=2, rejected=10)),
        (BatchState.CANCELED, True, Counts(invalid=2, unprocessed=10)),
        (BatchState.SUBMITTING, False, Counts(invalid=2, unprocessed=10)),
        (BatchState.SUBMITTING, True, Counts(invalid=2, unconfirmed=10)),
        (BatchState.DOUBTFUL, True, Counts(invalid=2, unconfirmed=10)),
        (BatchState.SUBMITTED, True, Counts(invalid=2, unconfirmed=10)),
        (BatchState.HELD, True, Counts(invalid=2, unconfirmed=10)),
        (BatchState.UNCONFIRMED, True, Counts(invalid=2, unconfirmed=10)),
    ],
)
def test_only_what_provably_was_not_sent_is_unprocessed(state: BatchState, intent: bool, counts: Counts) -> None:
    assert fate(batch(state, intent=intent), None, 0, 0)[0] == counts


def test_the_intent_of_a_step_that_commits_nothing_sends_nothing() -> None:
    began = batch(BatchState.SUBMITTING, intent=True, commits=False)
    assert fate(began, None, 0, 0)[0] == Counts(invalid=2, unprocessed=10)
    timed_out = outcome_of(job(deadline_at=NOW, packaged_at=0), [began], Counts(unprocessed=10), NOW)
    assert timed_out[0] is JobOutcome.TIMED_OUT


@pytest.mark.parametrize("state", [BatchState.SUBMITTING, BatchState.GIVEN_UP, BatchState.CANCELED])
def test_what_an_earlier_attempt_may_have_sent_is_never_unprocessed(state: BatchState) -> None:
    again = batch(state, intent=False, commits=False, flagged=True)
    assert fate(again, None, 0, 0)[0] == Counts(invalid=2, unconfirmed=10)


# --- how the job ended ---

S = BatchState


@pytest.mark.parametrize(
    ("states", "counts", "changes", "outcome"),
    [
        ([S.SUCCEEDED], Counts(accepted=5), {}, JobOutcome.COMPLETED),
        ([S.SUCCEEDED], Counts(accepted=4, invalid=1), {}, JobOutcome.COMPLETED_WITH_REJECTS),
        ([S.SUCCEEDED, S.FAILED], Counts(accepted=4, rejected=1), {}, JobOutcome.COMPLETED_WITH_REJECTS),
        ([S.SUCCEEDED, S.UNCONFIRMED], Counts(accepted=4, unconfirmed=1), {}, JobOutcome.COMPLETED_WITH_REJECTS),
        ([S.FAILED], Counts(rejected=5), {}, JobOutcome.FAILED),
        ([S.SUCCEEDED], Counts(invalid=5), {}, JobOutcome.FAILED),
        ([S.UNCONFIRMED], Counts(unconfirmed=5), {}, JobOutcome.FAILED),
        ([S.HANDED_OVER], Counts(unconfirmed=5), {}, JobOutcome.HANDED_OVER),
        ([S.SUCCEEDED, S.HELD], Counts(accepted=4, unconfirmed=1), {}, JobOutcome.HELD),
        ([S.DOUBTFUL], Counts(unconfirmed=5), {}, JobOutcome.HELD),
        ([S.SUBMITTED], Counts(unconfirmed=5), {"deadline_at": NOW}, JobOutcome.TIMED_OUT),
        ([], Counts(unprocessed=5), {"deadline_at": NOW, "packaged_at": 0}, JobOutcome.TIMED_OUT),
        ([], Counts(), {"failure": {"reason": "empty", "message": "empty"}}, JobOutcome.FAILED),
        ([S.CANCELED], Counts(unprocessed=5), {"cancel_at": NOW}, JobOutcome.CANCELED),
        ([S.CANCELED], Counts(unprocessed=5), {}, JobOutcome.CANCELED),
        ([S.SUCCEEDED], Counts(accepted=5), {"cancel_at": NOW}, JobOutcome.COMPLETED),
    ],
)
def test_how_a_job_ends(states: list[BatchState], counts: Counts, changes: dict[str, Any], outcome: JobOutcome) -> None:
    found, reason = outcome_of(job(**changes), [batch(state) for state in states], counts, NOW)
    assert found is outcome
    assert reason


@pytest.mark.acceptance("D1", "D2")
def test_an_intent_without_an_answer_is_never_called_done() -> None:
    found, _ = outcome_of(job(), [batch(S.SUCCEEDED), batch(S.SUBMITTING, intent=True)], Counts(accepted=10), NOW)
    assert found is JobOutcome.HELD


@pytest.mark.acceptance("E11")
def test_a_job_nobody_can_ask_about_never_completes() -> None:
    for counts in (Counts(unconfirmed=5), Counts(unconfirmed=4, invalid=1)):
        assert outcome_of(job(), [batch(S.HANDED_OVER)], counts, NOW)[0] is JobOutcome.HANDED_OVER


@pytest.mark.acceptance("D5")
def test_the_reason_carries_the_vendors_words() -> None:
    _, reason = outcome_of(job(), [batch(S.FAILED, message="unknown column zip")], Counts(rejected=5), NOW)
    assert reason == "batch 1: unknown column zip"
