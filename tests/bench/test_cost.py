"""The cost of a job, pinned: what is counted here is what `make cost` prices."""

from __future__ import annotations

import re

import pytest

from tests.bench import cost_standing
from tests.bench.cost import ALL_PRICES, SIZES, page, the_jobs
from tests.bench.cost_meter import Bill
from tests.bench.report import COST

SIZE = 0.1  # so much the sizes may be off: they follow every word of a report


@pytest.fixture(scope="module")
def bills() -> list[Bill]:
    return the_jobs()


def test_one_batch_with_a_callback_costs_a_handful_of_steps(bills: list[Bill]) -> None:
    counts = bills[0].counts
    assert counts["transitions"] <= 10
    assert counts["invocations"] <= 5
    assert counts["DynamoDB writes"] <= 12
    assert len(bills[0].writes) == counts["DynamoDB writes"]


def test_two_hours_of_polling_cost_few_transitions(bills: list[Bill]) -> None:
    assert bills[1].counts["transitions"] <= 45


def test_200_batches_take_no_more_transitions_a_poll_than_one(bills: list[Bill]) -> None:
    one, _, many = bills
    around = 5  # the last question, and the end
    assert (many.counts["transitions"] - around) / (many.polls - 1) <= (one.counts["transitions"] - around)


def test_the_page_says_what_is_counted(bills: list[Bill]) -> None:
    written, counted = rows(COST.read_text()), rows(page(bills, ALL_PRICES, cost_standing.numbers()))
    about = [row for row in counted if row.startswith((*SIZES, "write units", "**together**"))]
    for row in about:
        assert row in written, f"docs/cost.md lacks {row}: run `make cost`"
        assert numbers(written[row]) == pytest.approx(numbers(counted[row]), rel=SIZE), f"{row}: run `make cost`"
    exact = counted.keys() - set(about)
    assert {row: written.get(row) for row in exact} == {row: counted[row] for row in exact}, "run `make cost`"


def rows(text: str) -> dict[str, str]:
    """The rows of the tables, by their first cell, and by their number of cells where that is not enough."""
    found = [line.strip("| ").split(" | ") for line in text.split("\n") if line.startswith("| ")]
    return {f"{cells[0]} ({len(cells)})": " | ".join(cells[1:]) for cells in found}


def numbers(cells: str) -> list[float]:
    return [float(word.replace(",", "")) for word in re.findall(r"[0-9][0-9.,]*", cells)]
