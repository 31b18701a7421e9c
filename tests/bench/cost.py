"""`make cost`: what one job costs, counted in the simulation on the real functions and state machine, and priced.

Prices are those of us-east-1 by list, without the free tier; `--price NAME=VALUE` changes one.
"""

from __future__ import annotations

import argparse
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from batchdrop.ports import Item, Key
from tests.bench.report import COST, section
from tests.simulation.asl import Execution
from tests.simulation.run import Simulation
from tests.simulation.scenario import Scenario, scenario

PRICES = {  # US dollars
    "transitions": 25e-6,
    "invocations": 0.20e-6,
    "GB-seconds": 0.0000133334,
    "write units": 0.625e-6,
    "read units": 0.125e-6,
    "S3 writes": 5e-6,
    "S3 reads": 0.40e-6,
    "SQS requests": 0.40e-6,
    "API requests": 1e-6,
    "events": 1e-6,
}
MEMORY = {"submit": 1.769, "poll": 0.5, "webhook": 0.25, "finish": 1.0}  # GB, of the template
SECONDS = {"submit": 2.0, "poll": 0.4, "webhook": 0.2, "finish": 1.0}  # an assumption: billed, a small drop
INDEXES = 2  # each holds the whole job item, while it is open
WRITES, READS = ("table.put_new", "table.update", "table.delete"), ("table.get", "table.query")


@dataclass(slots=True)
class Bill:
    """What one job used."""

    name: str
    counts: Counter[str] = field(default_factory=Counter)
    states: list[str] = field(default_factory=list)
    functions: Counter[str] = field(default_factory=Counter)
    polls: int = 0

    def price(self, prices: Mapping[str, float]) -> float:
        return sum(self.counts[name] * price for name, price in prices.items())


class Meter:
    """Counts what a simulation does, from outside."""

    def __init__(self, simulation: Simulation, bill: Bill) -> None:
        self.simulation, self.bill = simulation, bill
        machine, cloud = simulation.cloud.machine, simulation.cloud
        run_state, run_function = machine._run, cloud.run

        def state(execution: Execution) -> None:
            bill.states.append(execution.state)
            run_state(execution)

        def function(name: str, event: dict[str, Any], answer: Callable[[Any, str], None]) -> None:
            if name != "sweep":  # it runs for all jobs together
                bill.functions[name] += 1
            run_function(name, event, answer)

        machine._run, cloud.run = state, function  # type: ignore[method-assign]
        simulation.table.watchers.append(self.written)

    def written(self, key: Key, before: Item | None, after: Item) -> None:
        size = max(len(json.dumps(item)) for item in (before, after) if item is not None)
        indexed = (after.get("open") == "1") + ("listing" in after)
        self.bill.counts["write units"] += math.ceil(size / 1024) * (1 + indexed)

    def read(self) -> Bill:
        """Everything counted, once the job has its report."""
        bill = self.bill
        ours = [(f, op.partition(" /")[0]) for f, op, _ in self.simulation.gate.trace.calls if f != "sweep"]
        made = Counter(op for _, op in ours)
        counted = {
            "transitions": len(bill.states),
            "invocations": sum(bill.functions.values()),
            "GB-seconds": sum(n * MEMORY[f] * SECONDS[f] for f, n in bill.functions.items()),
            "DynamoDB writes": sum(made[w] for w in (*WRITES, "updateItem")),
            "read units": sum(made[r] for r in READS) * 1,
            "S3 writes": sum(made[o] for o in ("objects.put", "objects.list")),
            "S3 reads": sum(made[o] for o in ("objects.open", "objects.head")),
            "vendor requests": sum(n for op, n in made.items() if op.startswith("http")),
            "SQS requests": 3,  # sent by S3 (free), received, deleted; the empty receives of an idle queue aside
            "API requests": bill.functions["webhook"],
            "events": made["events.publish"],
        }
        bill.counts.update(counted)
        bill.polls = bill.functions["poll"]
        return bill


def job(name: str, what: Scenario, hours: float = 8.0) -> Bill:
    """The bill of one job."""
    bill = Bill(name)
    with Simulation(what) as simulation:
        meter = Meter(simulation, bill)
        simulation.drop()
        simulation.kernel.run(simulation.kernel.now + hours * 3600, simulation.is_at_rest)
        outcomes = {job.outcome for job in simulation.jobs()}
        if outcomes != {"completed"}:
            raise SystemExit(f"{name}: {outcomes}")
        return meter.read()


def records(count: int) -> dict[str, bytes]:
    return {"people.csv": b"id,name\n" + b"".join(b"%d,somebody\n" % n for n in range(count))}


def the_jobs() -> list[Bill]:
    """One batch with a callback, one that is polled for two hours, 200 batches with callbacks."""
    base = scenario("datagroup")
    route = {k: v for k, v in base.whole_route().items() if k != "poll"} | {"deadline": "24h"}
    poll = {"first": "30s", "factor": 2, "max": "15m"}
    one = replace(base, limits={}, route=route | {"poll": {}})
    polled = replace(
        one,
        account={**base.account, "notification_method": "none"},
        route=route | {"poll": poll, "account": {**base.account, "notification_method": "none"}},
        vendor={"seconds_per_state": 2400.0},
    )
    many = replace(one, files=records(800), records=800, limits={f"{LIMIT_OF}": 130})
    return [job("one batch, callback", one), job("one batch, polled for 2 h", polled), job("200 batches", many)]


LIMIT_OF = "batchdrop.destinations.datagroup.BATCH_FILE_BYTES"
SHOWN = (
    "transitions", "invocations", "DynamoDB writes", "write units", "read units", "S3 writes", "S3 reads",
    "vendor requests", "API requests", "events", "SQS requests", "GB-seconds",
)  # fmt: skip


def table(bills: Sequence[Bill], prices: Mapping[str, float]) -> str:
    lines = [
        "| per job | " + " | ".join(b.name for b in bills) + " | price of one |",
        "|" + " --- |" * (len(bills) + 2),
    ]
    for name in SHOWN:
        price = f"${prices[name]:.8f}".rstrip("0") if name in prices else "–"
        lines.append(f"| {name} | " + " | ".join(f"{b.counts[name]:.6g}" for b in bills) + f" | {price} |")
    lines.append("| **together** | " + " | ".join(f"${b.price(prices):.6f}" for b in bills) + " | |")
    lines += ["", f"Functions: {'; '.join(f'{b.name}: {dict(b.functions)}' for b in bills)}."]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.bench.cost", description=__doc__)
    parser.add_argument("--price", action="append", default=[], metavar="NAME=DOLLARS")
    parser.add_argument("--no-write", action="store_true")
    options = parser.parse_args()
    prices = PRICES | {k: float(v) for k, v in (p.split("=") for p in options.price)}
    text = table(the_jobs(), prices)
    print(text)
    if not options.no_write:
        section("cost", text, COST)


if __name__ == "__main__":
    main()
