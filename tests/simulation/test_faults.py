"""Whatever fails, wherever: nothing is lost, nothing is sent twice in silence, and every drop ends in one report."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.simulation.explore import Explored, pairs, random_run, singles
from tests.simulation.faults import FEWER, FEWEST
from tests.simulation.scenario import NAMES, one_batch, scenario

SEEDS = 200
DECIDABLE = ("lookup", "resubmit", "datagroup", "mediarithmics", "haplo")  # doubt there never ends in a job held

ALIKE = ("hold", "resubmit", "datagroup-blind")  # the same as others once they are submitted
EXPLORED = ("spans-hold", "spans-datagroup", "spans-sherpa")  # in `make explore` alone: much like `spans`


def _explore(runs: Iterable[Explored]) -> int:
    """How many runs there were; the first that broke a law fails the test."""
    count = 0
    for name, choices, result in runs:
        assert result.broken == [], f"{name} {choices}"
        count += 1
    return count


@pytest.mark.acceptance("D1", "D2", "D3", "D4", "D6", "D7", "D8", "D9", "D10", "D11", "C2", "G9", "A10", "A11")
@pytest.mark.parametrize("name", [name for name in NAMES if name not in EXPLORED])
def test_no_single_fault_loses_anything_or_sends_it_twice_in_silence(name: str) -> None:
    functions = ("submit", "workflow") if name in ALIKE else ("submit", "workflow", "poll", "finish", "webhook")
    assert _explore(singles(scenario(name), FEWER, functions)) > 70


@pytest.mark.acceptance("D2", "D3")
@pytest.mark.parametrize("name", DECIDABLE)
def test_a_single_fault_does_not_keep_a_job_from_its_end_where_the_vendor_can_be_asked(name: str) -> None:
    chosen = scenario(name)
    kinds = {"http": ("crash_before", "crash_after", "refused", "reset_before", "reset_after", "late", "limited")}
    assert {result.outcome for _, _, result in singles(chosen, kinds)} == chosen.outcomes


@pytest.mark.acceptance("D1", "D2", "D8", "D9")
@pytest.mark.parametrize("name", ["lookup", "resubmit", "datagroup"])  # `hold`: in `make explore`
def test_no_pair_of_faults_on_the_way_to_the_vendor_does_either(name: str) -> None:
    assert _explore(pairs(one_batch(name), FEWEST)) > 200


def test_nor_do_three_to_six_faults_amid_repeated_events_forged_callbacks_and_aborted_executions() -> None:
    assert _explore(random_run(seed) for seed in range(SEEDS)) == SEEDS


def test_a_seed_names_one_run_and_no_other() -> None:
    first, again = random_run(7), random_run(7)
    assert first[1] == again[1]
    assert first[2].calls == again[2].calls
    assert first[2].log == again[2].log
