"""What is dropped while everything breaks: small files for all five destinations, each record known by its name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from local.simulators.server import Simulator
from tests.e2e.rig import Rig

GOOD = 5  # records of each drop that its vendor takes
NAME = re.compile(r"([a-z]+-\d{4})-\d+")
PACE = {"first": "1s", "factor": 1.5, "max": "4s"}
CONTROL = {
    "dataImportControlFileVersion": 0,
    "model": "haplo:person",
    "files": {"DEFAULT": {"read": "json"}},
    "instructions": [{"action": "new", "destination": "profile"}],
}


@dataclass(frozen=True, slots=True)
class Dropped:
    """One drop. `good` are the records its vendor takes; the others are refused by us, or by the vendor."""

    job: str
    vendor: str
    tag: str
    good: frozenset[str]
    invalid: int = 0
    refused: int = 0

    @property
    def records(self) -> int:
        return len(self.good) + self.invalid + self.refused


def put_routes(rig: Rig, vendors: Mapping[str, Simulator[Any]]) -> None:
    """A route to each vendor: two that hold what nobody can tell, and one that sends it again and says so."""
    rig.route("datagroup", vendors["datagroup"], poll=PACE, account__notification_method="POST")
    rig.route(
        "sherpa", vendors["sherpa"], poll=PACE, input={"id": "itemId"}, account__format="json", on_doubt="resubmit"
    )
    rig.route("mediarithmics", vendors["mediarithmics"], poll=PACE, input={"id": "$user_account_id"})
    rig.route("ometria", vendors["ometria"], poll=PACE, account__look_for_report="10s")
    rig.route("haplo", vendors["haplo"], poll=PACE)


def drop_all(rig: Rig, count: int) -> list[Dropped]:
    """So many drops, the destinations in turn."""
    kinds = list(_KINDS.items())
    return [_KINDS[kinds[n % 5][0]](rig, f"{kinds[n % 5][0]}-{n:04d}") for n in range(count)]


def tags_in(records: Iterable[Any]) -> set[tuple[str, str]]:
    """`(drop, record)` of all the names found in what a vendor holds."""
    return {(found[1], found[0]) for record in records for found in NAME.finditer(json.dumps(record))}


def _names(tag: str) -> list[str]:
    return [f"{tag}-{n}" for n in range(GOOD)]


def _datagroup(rig: Rig, tag: str) -> Dropped:
    rows = [f"{name},01234" for name in _names(tag)]
    job = rig.drop("datagroup", f"{tag}.csv", "\n".join(["id,zip", *rows[:2], f"{tag}-90", *rows[2:]]) + "\n")
    return Dropped(job, "datagroup", tag, frozenset(_names(tag)), invalid=1)


def _sherpa(rig: Rig, tag: str) -> Dropped:
    rows = [json.dumps({"itemId": name, "price": 1.5}) for name in _names(tag)]
    refused, broken = json.dumps({"itemId": f"{tag}-80", "price": "high"}), f'{{"itemId": "{tag}-90"'
    job = rig.drop("sherpa", f"{tag}.ndjson", "\n".join([refused, *rows, broken]))
    return Dropped(job, "sherpa", tag, frozenset(_names(tag)), invalid=1, refused=1)


def _mediarithmics(rig: Rig, tag: str) -> Dropped:
    rows = [json.dumps({"$user_account_id": name, "$type": "TOUCH"}) for name in _names(tag)]
    refused = json.dumps({"$user_account_id": f"{tag}-80", "$type": "TOUCH", "$fail": True})
    job = rig.drop("mediarithmics", f"{tag}.ndjson", "\n".join([*rows, refused]))
    return Dropped(job, "mediarithmics", tag, frozenset(_names(tag)), refused=1)


def _ometria(rig: Rig, tag: str) -> Dropped:
    rows = "".join(f"{name},2.00\n" for name in _names(tag))
    rig.drop("ometria", f"{tag}/products.csv", f"id,price\n{tag}-90\n{rows}")
    return Dropped(rig.drop("ometria", f"{tag}/_READY", b""), "ometria", tag, frozenset(_names(tag)), invalid=1)


def _haplo(rig: Rig, tag: str) -> Dropped:
    rig.drop("haplo", f"{tag}/control.json", json.dumps(CONTROL))
    rig.drop("haplo", f"{tag}/staff.json", json.dumps([{"name": name} for name in _names(tag)]))
    return Dropped(rig.drop("haplo", f"{tag}/_READY", b""), "haplo", tag, frozenset(_names(tag)))


_KINDS: dict[str, Callable[[Rig, str], Dropped]] = {
    "datagroup": _datagroup,
    "sherpa": _sherpa,
    "mediarithmics": _mediarithmics,
    "ometria": _ometria,
    "haplo": _haplo,
}
