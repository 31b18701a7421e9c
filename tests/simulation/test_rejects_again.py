"""What was not accepted is dropped again by `rerun --only-rejected` once, whoever asks, and whenever."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import pytest

from batchdrop import operate
from batchdrop.errors import WriteConflict
from batchdrop.job import Job
from tests.simulation.cloud import DROPS
from tests.simulation.run import DAY, HOUR, Simulation
from tests.simulation.scenario import scenario
from tests.simulation.test_rows import oneshot
from tests.simulation.world import GatedObjects


def never_sent(simulation: Simulation) -> str:
    """A job of which nothing was sent for want of its secret, which is mended then."""
    secret = dict(simulation.secrets["vendor-main"])
    simulation.secrets["vendor-main"].clear()
    simulation.drop()
    simulation.drain()
    simulation.secrets["vendor-main"].update(secret)
    assert simulation.report()["counts"]["unprocessed"] == 4
    return simulation.job.job_id


def drop_rejects(simulation: Simulation, job_id: str) -> Job:
    again = operate.rerun(simulation.world, job_id, only_rejected=True)
    simulation.kernel.run(simulation.kernel.now + 3 * HOUR)
    return again


def refused(simulation: Simulation, job_id: str, why: str) -> None:
    """Nothing is sent again."""
    with pytest.raises(operate.CannotOperate, match=why):
        drop_rejects(simulation, job_id)


def sent(simulation: Simulation) -> list[str]:
    return sorted(record["name"] for each in oneshot(simulation).vendor.imports for record in each["records"])


ALL = ["ann", "bad", "bob", "dan"]


def striking(operation: str, when: str, what: Callable[[], None]) -> Any:
    """Something happens once, before or after such a call on the drop bucket."""
    true: Callable[..., Any] = getattr(GatedObjects, operation)
    left = [what]

    def strikes(self: GatedObjects, *given: Any, **named: Any) -> Any:
        is_it = given[0] == DROPS and bool(left)
        if is_it and when == "before":
            left.pop()()
        found = true(self, *given, **named)
        if is_it and when == "after":
            left.pop()()
        return found

    return patch.object(GatedObjects, operation, strikes)


def test_two_operators_at_once_drop_them_once() -> None:
    with Simulation(scenario("lookup")) as simulation:
        old = never_sent(simulation)
        first: list[Job] = []
        with (
            striking("put", "before", lambda: first.append(drop_rejects(simulation, old))),
            pytest.raises(operate.CannotOperate, match="was dropped again before, as job") as refusal,
        ):
            drop_rejects(simulation, old)
        assert f"as job {first[0].job_id}" in str(refusal.value)
        assert sent(simulation) == ALL
        assert len(simulation.jobs()) == 2


def test_an_operator_whose_write_meets_anothers_is_told_what_to_do_and_it_does() -> None:
    """What S3 answers while another write of the same new object is under way, whichever of them it takes."""
    with Simulation(scenario("lookup")) as simulation:
        old = never_sent(simulation)

        def conflict() -> None:
            raise WriteConflict("somebody else writes it")

        with striking("put", "before", conflict):
            refused(simulation, old, rf"^job {old}: somebody else drops its rejects .* give the command again")
        drop_rejects(simulation, old)
        assert sent(simulation) == ALL


def test_that_they_were_is_known_when_the_drop_bucket_has_forgotten() -> None:
    with Simulation(scenario("lookup")) as simulation:
        old = never_sent(simulation)
        again = drop_rejects(simulation, old)
        simulation.kernel.now += 31 * DAY
        del simulation.objects.stored[DROPS, again.key]
        refused(simulation, old, f"was dropped again before, as job {again.job_id}: see `batchdrop show")
        assert sent(simulation) == ALL


class CutOff(Exception):
    """The operator's machine is switched off."""


def cut_off() -> None:
    raise CutOff


def test_a_command_that_was_cut_off_before_the_drop_is_given_again() -> None:
    with Simulation(scenario("lookup")) as simulation:
        old = never_sent(simulation)
        with striking("put", "before", cut_off), pytest.raises(CutOff):
            operate.rerun(simulation.world, old, only_rejected=True)
        again = drop_rejects(simulation, old)
        assert sent(simulation) == ALL
        refused(simulation, old, f"as job {again.job_id}")


@pytest.mark.parametrize("days", [0, 31])
def test_one_that_was_cut_off_after_it_dropped_them_once(days: int) -> None:
    with Simulation(scenario("lookup")) as simulation:
        old = never_sent(simulation)
        with striking("put", "after", cut_off), pytest.raises(CutOff):
            operate.rerun(simulation.world, old, only_rejected=True)
        ((_, key),) = [place for place in simulation.objects.stored if place[0] == DROPS and old in place[1]]
        version = simulation.objects.stored[DROPS, key][-1][0]
        simulation.cloud.tell(key, version, 40)
        simulation.kernel.run(simulation.kernel.now + 3 * HOUR)
        (again,) = [job for job in simulation.jobs() if job.job_id != old]
        if days:
            simulation.kernel.now += days * DAY
            del simulation.objects.stored[DROPS, key]
        why = "cannot be told any more: look for its job among `batchdrop jobs`" if days else f"as job {again.job_id}"
        refused(simulation, old, why)
        assert sent(simulation) == ALL


def test_rejects_too_large_for_one_call_of_s3_are_left_to_the_drop_command() -> None:
    with Simulation(scenario("lookup")) as simulation:
        old = never_sent(simulation)
        with patch.object(operate, "MOST_PUT", 10):
            refused(simulation, old, "-o FILE`, then drop the file")
        assert sent(simulation) == []
        drop_rejects(simulation, old)
        assert sent(simulation) == ALL
