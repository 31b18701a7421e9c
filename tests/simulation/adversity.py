"""What the world does to a deployment beside failing calls: drawn from a seed, so that it can be replayed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from random import Random

from msgspec.structs import replace

from batchdrop import operate
from batchdrop.drop import job_id
from batchdrop.world import Settings
from tests.simulation.cloud import DROPS
from tests.simulation.run import Simulation
from tests.simulation.world import ServiceTrouble


def _again(simulation: Simulation, rng: Random) -> None:
    """The event comes again, soon or days later, several times."""
    key, version, size = _dropped(simulation)
    for _ in range(rng.randint(1, 3)):
        simulation.cloud.tell(key, version, size, delay=rng.choice((0.0, 1.0, 30.0, 2000.0)))


def _late(simulation: Simulation, rng: Random) -> None:
    key, version, size = _dropped(simulation)
    simulation.cloud.tell(key, version, size, delay=rng.uniform(3 * 3600, 90 * 86400))


def _called(simulation: Simulation, rng: Random) -> None:
    """Somebody holds the callback URL and uses it, early, late and often."""
    for _ in range(rng.randint(1, 6)):
        simulation.later(rng.choice((0.5, 5.0, 45.0, 200.0, 4000.0)), lambda: _call(simulation))


def _call(simulation: Simulation) -> None:
    key, version, _ = _dropped(simulation)
    token = simulation.token(job_id(DROPS, key, version))
    simulation.cloud.call_back(f"https://hooks.example/notifications/{token}")


def _forged(simulation: Simulation, rng: Random) -> None:
    key, version, _ = _dropped(simulation)
    token = simulation.token(job_id(DROPS, key, version), key="guessed")
    simulation.later(
        rng.uniform(0, 100), lambda: simulation.cloud.call_back(f"https://hooks.example/notifications/{token}")
    )


def _aborted(simulation: Simulation, rng: Random) -> None:
    """Somebody aborts the execution; perhaps the rule that would tell of it does not work; perhaps it is redriven."""
    simulation.cloud.rule_works = rng.random() < 0.7
    simulation.later(rng.uniform(1.0, 300.0), lambda: _abort(simulation))
    if rng.random() < 0.5:
        simulation.later(rng.uniform(300.0, 3000.0), lambda: _redrive(simulation))


def _abort(simulation: Simulation) -> None:
    for name in list(simulation.cloud.machine.executions):
        simulation.cloud.machine.abort(name)


def _redrive(simulation: Simulation) -> None:
    for name in list(simulation.cloud.machine.executions):
        simulation.cloud.machine.redrive(name)


def _outage(simulation: Simulation, rng: Random) -> None:
    service = rng.choice(("table", "objects", "secrets", "workflow", "routes", "events"))
    simulation.outage(service, rng.uniform(0.0, 120.0), rng.uniform(5.0, 1500.0))


def _rotated(simulation: Simulation, rng: Random) -> None:
    """The notification key is rotated; the old one still verifies."""
    simulation.later(
        rng.uniform(0, 100), lambda: simulation.secrets["notification-keys"].update(current="k2", k2="new")
    )


def _resubmitted_by_hand(simulation: Simulation, rng: Random) -> None:
    """Somebody starts the submit function for the job, or a span of it, beside the workflow."""
    key, version, _ = _dropped(simulation)
    for _ in range(rng.randint(1, 2)):
        span = {"span": rng.randint(1, 3)} if rng.random() < 0.5 else {}
        event = {"job_id": job_id(DROPS, key, version), **span}
        call = partial(simulation.cloud.run, "submit", event, lambda _r, _e: None)
        simulation.later(rng.choice((rng.uniform(0.5, 3.0), rng.uniform(0.5, 1200.0))), call)


def _finished_by_hand(simulation: Simulation, rng: Random) -> None:
    """Somebody starts the finish function for the job, too early."""
    key, version, _ = _dropped(simulation)
    event = {"job_id": job_id(DROPS, key, version)}
    call = partial(simulation.cloud.run, "finish", event, lambda _r, _e: None)
    simulation.later(rng.choice((rng.uniform(0.5, 3.0), rng.uniform(0.5, 1200.0))), call)


def _canceled(simulation: Simulation, rng: Random) -> None:
    """Somebody cancels the job."""
    key, version, _ = _dropped(simulation)
    name = job_id(DROPS, key, version)
    simulation.later(rng.choice((rng.uniform(0.5, 3.0), rng.uniform(0.5, 1200.0))), lambda: _cancel(simulation, name))


def _secret_lost(simulation: Simulation, rng: Random) -> None:
    """Somebody makes the vendor's secret unusable; perhaps it is mended later."""
    secret = simulation.secrets["vendor-main"]
    at, was = rng.choice((rng.uniform(0.5, 3.0), rng.uniform(0.5, 300.0))), dict(secret)
    simulation.later(at, secret.clear)
    if rng.random() < 0.5:
        simulation.later(at + rng.uniform(10.0, 3000.0), lambda: secret.update(was))


def _hosts_narrowed(simulation: Simulation, rng: Random) -> None:
    """An update of the deployment no longer allows the vendor's host; perhaps the next does again."""
    at, was = rng.choice((rng.uniform(0.5, 3.0), rng.uniform(0.5, 300.0))), simulation.world.settings
    simulation.later(at, lambda: _set(simulation, replace(was, allow_insecure=())))
    if rng.random() < 0.5:
        simulation.later(at + rng.uniform(10.0, 3000.0), lambda: _set(simulation, was))


def _set(simulation: Simulation, settings: Settings) -> None:
    simulation.world.settings = settings


def _cancel(simulation: Simulation, name: str) -> None:
    with suppress(operate.CannotOperate, ServiceTrouble):
        operate.cancel(simulation.world, name)


def _dropped(simulation: Simulation) -> tuple[str, str, int]:
    (key,) = simulation.expected
    version, data, _ = simulation.objects.stored[DROPS, key][-1]
    return key, version, len(data or b"")


ALL: tuple[Callable[[Simulation, Random], None], ...] = (
    _again,
    _late,
    _called,
    _forged,
    _aborted,
    _outage,
    _rotated,
    _resubmitted_by_hand,
    _finished_by_hand,
    _canceled,
    _secret_lost,
    _hosts_narrowed,
)


def adversity(seed: int) -> Callable[[Simulation], None]:
    """Drop the scenario's files amid up to three adversities; now and then the drop's own event is lost or doubled."""

    def happen(simulation: Simulation) -> None:
        rng = Random(seed)
        simulation.drop(events=rng.choice((1, 1, 1, 2, 0)))
        for strike in rng.sample(ALL, rng.randint(0, 3)):
            strike(simulation, rng)

    return happen
