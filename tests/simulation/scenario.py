"""What is dropped where: one scenario for each destination and personality."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

BASE = "http://127.0.0.1"


@dataclass(frozen=True, slots=True)
class Scenario:
    """A route, its secret, its vendor, and the files dropped under it."""

    name: str
    destination: str
    account: Mapping[str, object]
    secret: Mapping[str, str]
    files: Mapping[str, bytes]  # by name, dropped in this order
    records: int  # in the drop
    outcomes: frozenset[str]  # without any fault
    route: Mapping[str, object] = field(default_factory=dict)
    vendor: Mapping[str, Any] = field(default_factory=dict)  # options of its simulator
    limits: Mapping[str, int] = field(default_factory=dict)  # the destination's own, made small: attribute, value
    seconds_per_read: float = 0.0  # of a drop, while it is being submitted
    seconds_to_finish: float = 0.0  # the same of all that is read while the job is finished
    folder: str = ""

    def whole_route(self) -> dict[str, object]:
        common = {
            "destination": self.destination,
            "account": dict(self.account),
            "secret": "vendor-main",
            "deadline": "6h",
            "poll": {"first": "30s", "factor": 2, "max": "15m"},
        }
        return common | dict(self.route)


CSV = b"id,name\n1,ann\n2,bob\n3,bad\n4,dan\n"
_ONESHOT = {"base_url": f"{BASE}:7000", "max_bytes": 60}
_DATAGROUP = {
    "base_url": f"{BASE}:5000/v3",
    "transfer_hosts": ["127.0.0.1"],
    "state_before_upload": "CREATED",
    "notification_method": "POST",
}
_DATAGROUP_SECRET = {
    "api_key": "datagroup-api-key",
    "username": "datagroup-user",
    "password": "datagroup-password",
}
_KEY = {"api_key": "oneshot-api-key"}
_DONE, _PARTLY = frozenset({"completed"}), frozenset({"completed_with_rejects"})


def _oneshot(name: str, account: Mapping[str, object], route: Mapping[str, object]) -> Scenario:
    whole = {"input": {"format": "csv", "id": "id"}} | dict(route)
    return Scenario(name, "oneshot", _ONESHOT | dict(account), _KEY, {"people.csv": CSV}, 4, _PARTLY, whole)


def _datagroup(name: str, account: Mapping[str, object]) -> Scenario:
    return Scenario(
        name,
        "datagroup",
        _DATAGROUP | dict(account),
        _DATAGROUP_SECRET,
        {"people.csv": CSV},
        4,
        _DONE,
        {"input": {"format": "csv", "id": "id"}},
        limits={"batchdrop.destinations.datagroup.BATCH_FILE_BYTES": 60},
    )


def _sherpa() -> Scenario:
    items = b"itemId,price\n" + b"".join(b"p%d,1.50\n" % n for n in range(4))
    account = {"base_url": f"{BASE}:5000/v2/recomm", "table_id": "products", "dataset": "items", "max_records": 2}
    secret = {"api_key": "sherpa-public-key", "private_key": "sherpa-private-key"}
    given = {"input": {"format": "csv", "types": {"price": "number"}}}
    return Scenario("sherpa", "sherpa", account, secret, {"items.csv": items}, 4, _DONE, given)


def cut(chosen: Scenario, name: str, size: int, workers: int = 2) -> Scenario:
    """The same with its drop cut into spans of about so many bytes, submitted by several workers at a time."""
    route = {**chosen.route, "side_by_side": {"above": 2 * size, "workers": workers}}
    return replace(chosen, name=name, route=route, limits={**chosen.limits, **_SMALL})


# A look cuts where it has read a block: here it reads very small ones.
_SMALL: Mapping[str, int] = {
    "batchdrop.route.SHARE": 2,
    "batchdrop.records.expand.BLOCK": 8,
    "batchdrop.records.reading._HEAD": 8,
}


def _spans(name: str, account: Mapping[str, object]) -> Scenario:
    """Three spans of one or two batches, for two workers; one name has a line break in it."""
    people = b'id,name\n1,anna\n2,"b\nb"\n3,bad\n4,eva\n'
    chosen = _oneshot(name, {**account, "max_bytes": 45}, {})
    return cut(replace(chosen, files={"people.csv": people}), name, 7)


def _ometria() -> Scenario:
    files = {
        "products.json": as_json([{"id": f"p{n}", "titles": {"default": "x"}} for n in range(3)]),
        "categories.json": as_json([{"id": "c1"}]),
        "_READY": b"",
    }
    account = {"base_url": f"{BASE}:5000", "domain_key": "shop", "location_key": "eu", "type": "delta"}
    secret = {"api_key": "ometria-key", "api_secret": "ometria-secret"}
    return Scenario("ometria", "ometria", account, secret, files, 4, _DONE, folder="load-1/")


def _haplo() -> Scenario:
    control = {
        "dataImportControlFileVersion": 0,
        "model": "haplo:person",
        "files": {"DEFAULT": {"read": "json"}},
        "instructions": [{"action": "new", "destination": "profile"}],
    }
    people = as_json([{"url": f"https://example.org/{n}"} for n in range(3)])
    files = {"control.json": as_json(control), "people.json": people, "_READY": b""}
    account = {"base_url": f"{BASE}:5000", "control": "control.json"}
    secret = {"api_key": "haplo-api-key"}
    return Scenario("haplo", "haplo", account, secret, files, 3, frozenset({"handed_over"}), folder="load-1/")


def _mediarithmics() -> Scenario:
    lines = [as_json({"$email_hash": {"$hash": f"h{n}"}, "$type": "SITE_VISIT", "$ts": 1}) for n in range(4)]
    account = {"base_url": f"{BASE}:5000", "datamart_id": "1502", "document_type": "USER_ACTIVITY"}
    secret = {"api_token": "api:mediarithmics-token"}
    limits = {"batchdrop.destinations.mediarithmics.FILE_BYTES": 160}
    files = {"visits.ndjson": b"\n".join(lines) + b"\n"}
    return Scenario("mediarithmics", "mediarithmics", account, secret, files, 4, _DONE, limits=limits)


_ALL: dict[str, Callable[[], Scenario]] = {
    "lookup": lambda: _oneshot("lookup", {"lookup": True}, {}),
    "hold": lambda: _oneshot("hold", {"lookup": False}, {}),
    "resubmit": lambda: _oneshot("resubmit", {"lookup": False}, {"on_doubt": "resubmit"}),
    "datagroup": lambda: _datagroup("datagroup", {}),
    "datagroup-blind": lambda: _datagroup("datagroup-blind", {"state_before_upload": None}),
    "sherpa": _sherpa,
    "spans": lambda: _spans("spans", {"lookup": True}),
    "spans-hold": lambda: _spans("spans-hold", {"lookup": False}),
    "spans-datagroup": lambda: cut(_datagroup("spans-datagroup", {}), "spans-datagroup", 12),
    "spans-sherpa": lambda: cut(_sherpa(), "spans-sherpa", 20),
    "ometria": _ometria,
    "haplo": _haplo,
    "mediarithmics": _mediarithmics,
}
NAMES = tuple(_ALL)


def scenario(name: str) -> Scenario:
    """The scenario of this name."""
    return _ALL[name]()


def one_batch(name: str) -> Scenario:
    """The same with two records only, for as short a way to the vendor as there is."""
    return replace(scenario(name), files={"two.csv": b"id,name\n1,ann\n2,bad\n"}, records=2)


def long_look(packed: bool) -> Scenario:
    """A drop that takes longer to be looked into than an invocation has, with ids that are not all held in memory."""
    rows = b"id,name\n" + b"".join(b"%d,%s\n" % (n % 38, b"somebody" * (n % 4)) for n in range(40))
    limits = {
        "batchdrop.records.inspect.LARGE": 0,
        "batchdrop.records.expand.BLOCK": 20 if packed else 50,
        "batchdrop.records.reading._HEAD": 100,
        "batchdrop.records.idhashes.HELD": 8,
    }
    return replace(
        scenario("lookup"),
        name="long-look",
        account={**_ONESHOT, "lookup": True, "max_bytes": 1000},
        files={"people.csv": gzip.compress(rows, 1, mtime=0) if packed else rows},
        records=40,
        limits=limits,
        seconds_per_read=60.0,
    )


def long_finish(*, spread: bool, records: int = 30) -> Scenario:
    """A drop none of which can be sent, and that takes longer to be told of than an invocation has."""
    rows = b"id,name\n" + b"".join(b"%d,somebody\n" % n for n in range(records))
    chosen = replace(scenario("lookup"), files={"people.csv": rows}, records=records, secret={}, seconds_to_finish=60.0)
    chosen = cut(chosen, "long-finish", 60) if spread else chosen
    small = {"batchdrop.records.expand.BLOCK": 8, "batchdrop.rejects_file.BLOCK": 500}
    return replace(chosen, limits={**chosen.limits, **small})


def as_json(value: object) -> bytes:
    return json.dumps(value).encode()
