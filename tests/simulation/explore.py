"""Explore the protocol: every single fault, every pair on the submit path, and seeded random runs.

python -m tests.simulation.explore --runs 10000      what `make explore` does
python -m tests.simulation.explore --seed 4711       one random run again, with its log
python -m tests.simulation.explore --scenario lookup --choices 7:crash_after,12:late
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from random import Random

from tests.simulation.adversity import adversity
from tests.simulation.faults import KINDS, TELLING, Choice, RandomPlan
from tests.simulation.run import Result, run
from tests.simulation.scenario import NAMES, Scenario, scenario

CALLS = 110  # a random run's faults strike within its first so many calls
Explored = tuple[str, list[Choice], Result]


def singles(
    chosen: Scenario,
    kinds: Mapping[str, tuple[str, ...]] = KINDS,
    functions: Collection[str] = ("submit", "workflow", "poll", "finish", "webhook"),
    seed: int = 0,
) -> Iterator[Explored]:
    """Every fault at every call of the way from the drop to the report."""
    for number, (function, _, sort) in enumerate(run(chosen, seed).calls):
        if function in functions:
            for kind in kinds.get(sort, ()):
                yield chosen.name, [(number, kind)], run(chosen, seed, [(number, kind)])


def pairs(
    chosen: Scenario, kinds: Mapping[str, tuple[str, ...]] = TELLING, seed: int = 0, start: int = 0
) -> Iterator[Explored]:
    """Every two telling faults on the way to the vendor, from call `start` on; the second is placed in the run the
    first has changed."""
    for first in _telling(run(chosen, seed), kinds, start):
        changed = run(chosen, seed, [first])
        for second in _telling(changed, kinds, first[0] + 1):
            yield chosen.name, [first, second], run(chosen, seed, [first, second])


def _telling(result: Result, kinds: Mapping[str, tuple[str, ...]], start: int) -> Iterator[Choice]:
    for number, (function, _, sort) in enumerate(result.calls):
        if number >= start and function in ("submit", "workflow"):
            for kind in kinds.get(sort, ()):
                yield number, kind


def random_run(seed: int) -> Explored:
    """One run with three to six faults and perhaps some adversity, on a scenario of the seed's choice."""
    rng = Random(seed)
    name = rng.choice(NAMES)
    plan = RandomPlan(rng, rng.randint(3, 6), CALLS)
    return name, plan.chosen, run(scenario(name), seed, plan, adversity(seed))


def _parse(text: str) -> list[Choice]:
    pairs_ = (part.split(":") for part in text.split(",") if part)
    return [(int(number), kind) for number, kind in pairs_]


class Tally:
    """What an exploration came to."""

    def __init__(self) -> None:
        self.runs: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.broken = 0

    def add(self, what: str, explored: Explored, hint: str) -> None:
        name, choices, result = explored
        self.runs[f"{what}, {name}"] += 1
        self.outcomes[result.outcome] += 1
        if result.broken:
            self.broken += 1
            if self.broken <= 20:
                print(f"BROKEN {name} {hint} choices {_written(choices)}")
                for law in result.broken[:4]:
                    print(f"    {law}")

    def show(self, seconds: float) -> None:
        print(f"\n{sum(self.runs.values())} runs in {seconds:.0f} s; {self.broken} broke an invariant")
        for what, count in self.runs.items():
            print(f"  {count:6} {what}")
        print("job outcomes: " + ", ".join(f"{o or 'none'} {n}" for o, n in self.outcomes.most_common(12)))


def _written(choices: Sequence[Choice]) -> str:
    return ",".join(f"{number}:{kind}" for number, kind in choices)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=0, help="so many random runs, after all singles and pairs")
    parser.add_argument("--first", type=int, default=0, help="the first seed of the random runs")
    parser.add_argument("--only-random", action="store_true", help="no singles, no pairs")
    parser.add_argument("--seed", type=int, help="one random run again, with its log")
    parser.add_argument("--scenario", choices=NAMES, help="only this one; with --choices: one run again, with its log")
    parser.add_argument("--choices", default="", help="faults of that run, e.g. 7:crash_after,12:late")
    given = parser.parse_args(arguments)
    if given.seed is not None:
        return _replay(random_run(given.seed))
    if given.choices:
        choices = _parse(given.choices)
        return _replay((given.scenario, choices, run(scenario(given.scenario), 0, choices)))
    return _explore(given.runs, given.first, given.only_random, [given.scenario] if given.scenario else list(NAMES))


def _explore(runs: int, first: int, only_random: bool, names: list[str]) -> int:
    tally, began = Tally(), time.monotonic()
    for name in [] if only_random else names:
        for explored in singles(scenario(name)):
            tally.add("one fault", explored, "")
        for explored in pairs(scenario(name)):
            tally.add("two faults", explored, "")
    for seed in range(first, first + runs):
        tally.add("random", random_run(seed), f"--seed {seed}")
    tally.show(time.monotonic() - began)
    return 1 if tally.broken else 0


def _replay(explored: Explored) -> int:
    name, choices, result = explored
    print(f"{name}, faults {_written(choices) or 'none'}: {result.outcome}")
    struck = dict(choices)
    for number, (function, operation, _) in enumerate(result.calls):
        print(f"{number:5} {function:9} {operation} {'<== ' + struck[number] if number in struck else ''}")
    print("\n".join([*result.log, *(result.broken or ["nothing broken"])]))
    return 1 if result.broken else 0


if __name__ == "__main__":
    sys.exit(main())
