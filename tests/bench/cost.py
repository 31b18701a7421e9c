"""`make cost`: what one job costs, counted in the simulation on the real functions and state machine, and priced.

Prices are those of us-east-1 by list, without the free tier; `--price NAME=VALUE` changes one.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace

from tests.bench import cost_standing
from tests.bench.cost_meter import Bill, Meter
from tests.bench.report import COST, section
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
BYTES = {  # US dollars a byte; stored ones for a month
    "bytes to the vendor": 0.09e-9,  # out of AWS to the internet
    "log bytes": 0.50e-9,
    "ledger bytes": 0.25e-9,
    "S3 bytes written": 0.023e-9,
}
ALL_PRICES = PRICES | BYTES | cost_standing.PRICES
END = 5  # transitions after the last poll but one: the last question, and the end


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
SIZES = (
    "S3 bytes read",
    "S3 bytes written",
    "ledger bytes",
    "log bytes",
    "bytes to the vendor",
    "bytes from the vendor",
)


def goals(bills: Sequence[Bill]) -> str:
    one, polled, many = bills
    per_poll = [(b.counts["transitions"] - END) / max(1, b.polls - 1) for b in (one, many)]
    rows = (
        ("one batch with a callback: at most 10 transitions", one.counts["transitions"], 10),
        ("one batch with a callback: at most 5 invocations", one.counts["invocations"], 5),
        ("one batch with a callback: at most 12 DynamoDB writes", one.counts["DynamoDB writes"], 12),
        (f"200 batches: no more transitions a poll than one batch has, {per_poll[0]:g}", per_poll[1], per_poll[0]),
        ("a wait of two hours: at most 45 transitions", polled.counts["transitions"], 45),
    )
    lines = ["| goal | counted |", "| --- | --- |"]
    lines += [f"| {what} | {'met' if found <= most else '**missed**'}: {found:g} |" for what, found, most in rows]
    return "\n".join(lines)


def table(bills: Sequence[Bill], prices: Mapping[str, float]) -> str:
    lines = [
        "| per job | " + " | ".join(b.name for b in bills) + " | price of one |",
        "|" + " --- |" * (len(bills) + 2),
    ]
    for name in (*SHOWN, *SIZES):
        price = cost_standing.dollars(prices[name]) if name in prices else "–"
        lines.append(f"| {name} | " + " | ".join(f"{b.counts[name]:,.6g}" for b in bills) + f" | {price} |")
    return "\n".join([*lines, "| **together** | " + " | ".join(f"${b.price(prices):.6f}" for b in bills) + " | |"])


def writes(bill: Bill) -> str:
    """Every write of a job, one by one."""
    lines = [f"The DynamoDB writes of {bill.name}, in their order:", "", "| | by | item | what changes |"]
    lines += ["|" + " --- |" * 4]
    return "\n".join(lines + [f"| {n} | {by} | {item} | {what} |" for n, (by, item, what) in enumerate(bill.writes, 1)])


def page(bills: Sequence[Bill], prices: Mapping[str, float], found: Mapping[str, float]) -> str:
    functions = "; ".join(f"{b.name}: {', '.join(f'{n} {name}' for name, n in b.functions.items())}" for b in bills)
    standing = cost_standing.table(found, prices, prices["GB-seconds"])
    parts = [goals(bills), table(bills, prices), f"Invocations. {functions}.", writes(bills[0]), standing]
    return "\n\n".join(parts)


def pairs(given: Sequence[str]) -> dict[str, float]:
    return {name: float(value) for name, value in (one.split("=") for one in given)}


def main() -> None:
    parser = argparse.ArgumentParser(prog="tests.bench.cost", description=__doc__)
    parser.add_argument("--price", action="append", default=[], metavar="NAME=DOLLARS")
    parser.add_argument("--number", action="append", default=[], metavar="NAME=NUMBER", help="of what stands all month")
    parser.add_argument("--no-write", action="store_true")
    options = parser.parse_args()
    text = page(the_jobs(), ALL_PRICES | pairs(options.price), cost_standing.numbers() | pairs(options.number))
    print(text)
    if not options.no_write and not options.price and not options.number:
        section("cost", text, COST)


if __name__ == "__main__":
    main()
