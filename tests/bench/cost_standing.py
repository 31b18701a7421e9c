"""What a stack costs in a month in which nothing is dropped."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from batchdrop.words import Counts, JobOutcome
from tests.bench.cost_meter import memory
from tests.template.translated import source

LIBRARY = Path(__file__).resolve().parents[2] / "layers" / "batchdrop" / "batchdrop"
HOURS = 730.0  # of a month
SWEEP_SECONDS = 0.5  # an assumption: billed, with nothing to find
POLLERS, RECEIVE_SECONDS = 5, 20  # of Lambda at an idle queue: as AWS describes them
PRICES = {  # US dollars, each a month
    "alarms": 0.10,
    "dashboard": 3.00,
    "secrets": 0.40,
    "custom metrics": 0.30,
    "KMS key": 1.00,
    "idle queue": 0.40e-6,
    "sweep": 0.20e-6,
}
NOTES = {
    "secrets": "the notification keys, and one vendor's credentials",
    "custom metrics": "if every one of them has a value in every hour; of a quiet stack nearly none",
    "KMS key": 'the parameter `KmsKeyArn`, if a key of one\'s own is wanted: `--number "KMS key=1"`',
    "idle queue": f"receives: {POLLERS} pollers, each {RECEIVE_SECONDS} s",
    "sweep": "invocations on its schedule, with their run time",
}


def numbers() -> dict[str, float]:
    """How many there are of each, as the template and the library have them."""
    resources = source()["Resources"]
    kinds = [resource["Type"] for resource in resources.values()]
    schedule = resources["SweepFunction"]["Properties"]["Events"]["Schedule"]["Properties"]["Schedule"]
    minutes = int(re.findall(r"rate\((\d+) minutes?\)", schedule)[0])
    return {
        "alarms": kinds.count("AWS::CloudWatch::Alarm"),
        "dashboard": kinds.count("AWS::CloudWatch::Dashboard"),
        "secrets": kinds.count("AWS::SecretsManager::Secret") + 1,
        "custom metrics": len(metrics()),
        "KMS key": kinds.count("AWS::KMS::Key"),
        "idle queue": POLLERS * HOURS * 3600 / RECEIVE_SECONDS,
        "sweep": HOURS * 60 / minutes,
    }


def metrics() -> set[str]:
    """The names of the metrics the library can count."""
    text = "".join(path.read_text() for path in sorted(LIBRARY.glob("*.py")))
    plain = set(re.findall(r"metrics\.count\(\"(\w+)\"", text))
    outcomes = {f"Jobs{outcome.title().replace('_', '')}" for outcome in JobOutcome}
    records = {f"Records{name.title()}" for name in Counts().as_dict() if name != "records"}
    return plain | outcomes | records | {"Records"}


def dollars(price: float) -> str:
    return f"${price:.2f}" if price >= 0.01 else "$" + f"{price:.12f}".rstrip("0")


def table(found: Mapping[str, float], prices: Mapping[str, float], second: float) -> str:
    """`second`: the price of a GB-second."""
    lines = ["| standing, a month | number | price of one | US dollars | |", "|" + " --- |" * 5]
    together = 0.0
    for name, number in found.items():
        price = prices[name] + (memory("sweep") * SWEEP_SECONDS * second if name == "sweep" else 0.0)
        together += number * price
        lines.append(f"| {name} | {number:,.0f} | {dollars(price)} | {number * price:.2f} | {NOTES.get(name, '')} |")
    return "\n".join([*lines, f"| **together** | | | {together:.2f} | |"])
