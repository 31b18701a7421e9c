"""The cost of a job, pinned: what is counted here is what `make cost` prices."""

from __future__ import annotations

import pytest

from tests.bench.cost import Bill, the_jobs


@pytest.fixture(scope="module")
def bills() -> list[Bill]:
    return the_jobs()


def test_one_batch_with_a_callback_costs_a_handful_of_steps(bills: list[Bill]) -> None:
    counts = bills[0].counts
    assert counts["transitions"] <= 10
    assert counts["invocations"] <= 5
    assert counts["DynamoDB writes"] <= 12


def test_two_hours_of_polling_cost_few_transitions(bills: list[Bill]) -> None:
    assert bills[1].counts["transitions"] <= 45


def test_200_batches_take_no_more_transitions_a_poll_than_one(bills: list[Bill]) -> None:
    one, _, many = bills
    around = 5  # the last question, and the end
    assert (many.counts["transitions"] - around) / (many.polls - 1) <= (one.counts["transitions"] - around)
