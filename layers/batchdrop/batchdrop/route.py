"""A route: which destination and account a drop goes to, and by which options. Validated when put and when read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from msgspec import Struct

from batchdrop import capability
from batchdrop.destinations import REGISTRY, destination
from batchdrop.errors import RouteError
from batchdrop.fields import Field, object_schema, read_all
from batchdrop.places import NAME

if TYPE_CHECKING:
    from batchdrop.destinations.base import Destination

SECRET_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}"

POLL = {
    "first": Field(
        "duration",
        "wait before the first question to the vendor; default: 30s, or 15m where it calls back",
        None,
        minimum=1,
    ),
    "factor": Field("number", "each further wait is this many times the one before", 2.0, minimum=1, maximum=10),
    "max": Field("duration", "no wait is longer than this", "15m", minimum=1, maximum=86400),
}

SHARE = 8  # spans of a drop as big as the least that is cut
MOST_SPANS = 90  # of a drop: its job keeps where they begin
MOST_WORKERS = 40  # the workflow starts no more at a time
SIDE_BY_SIDE = {
    "above": Field(
        "integer",
        "bytes of a plain file above which it is cut into spans of at least an eighth of that",
        10**10,
        minimum=1,
    ),
    "workers": Field(
        "integer", "at most so many spans are submitted at a time; 1: none is cut", 8, minimum=1, maximum=MOST_WORKERS
    ),
}

COMMON = {
    "destination": Field("text", "the vendor: " + ", ".join(REGISTRY), choices=tuple(REGISTRY)),
    "account": Field("map", "the destination's own options", {}),
    "secret": Field("text", "name of the secret in Secrets Manager, under the stack's prefix", pattern=SECRET_NAME),
    "input": Field("map", "how to read the dropped file", {}),
    "deadline": Field("duration", "a job that is not done by then ends timed_out", "24h", minimum=60, maximum=2592000),
    "poll": Field("map", "how often the vendor is asked", {}),
    "quiet_period": Field(
        "duration",
        "how long after a doubtful call the vendor's look-up can be trusted; default: the deployment's",
        None,
        minimum=0,
    ),
    "on_doubt": Field(
        "text",
        "what to do where nobody can tell whether a batch arrived: hold it for an operator, or send it again, flagged",
        "hold",
        choices=("hold", "resubmit"),
    ),
    "on_duplicate_content": Field(
        "text",
        "what to do with a file whose bytes were dropped before; skipped, its job ends failed (duplicate_content)",
        "process",
        choices=("process", "skip"),
    ),
    "keep_batches": Field("boolean", "keep the exact bytes of every batch in the results bucket", False),
    "hash_ids": Field(
        "boolean",
        "in reports, tell ids by 16 hex digits of their SHA-256: where they are e-mail addresses, say",
        False,
    ),
    "max_in_flight": Field(
        "integer", "at most so many jobs of this account between submission and end; 0: no limit", 0, minimum=0
    ),
    "side_by_side": Field("map", "how a large drop is packaged and submitted by several workers at the same time", {}),
}


class Poll(Struct, frozen=True):
    first: float
    factor: float
    max: float

    def wait(self, lap: int) -> float:
        """Seconds to wait before question number `lap` (from 0)."""
        return min(self.first * self.factor ** min(lap, 64), self.max)

    @property
    def max_wait(self) -> float:
        """The pace it settles at."""
        return self.wait(64)


class SideBySide(Struct, frozen=True):
    """When a drop is cut into spans, and how many of them are submitted at a time."""

    above: int
    workers: int

    def span_bytes(self, size: int) -> int:
        """About how many bytes each span of a drop has; 0: it is not cut."""
        if size <= self.above or self.workers == 1:
            return 0
        return max(1, self.above // SHARE, size // MOST_SPANS)


class Route(Struct, frozen=True):
    """A valid route. `raw` is what was put: a job pins it, so that its batches can be made again byte for byte."""

    name: str
    raw: Mapping[str, object]
    vendor: Destination
    account: Mapping[str, object]
    secret: str
    input: Mapping[str, object]
    deadline: float
    poll: Poll
    quiet_period: float | None
    on_doubt: str
    on_duplicate_content: str
    keep_batches: bool
    hash_ids: bool
    max_in_flight: int
    side_by_side: SideBySide

    @property
    def account_key(self) -> str:
        """What identifies the vendor account: jobs of all its routes share limits and memory."""
        who = [f"{k}={self.account[k]}" for k in sorted(self.account) if k in _IDENTITY and self.account[k]]
        return f"{self.vendor.name}:{self.secret}:{','.join(who)}"

    @property
    def calls_back(self) -> bool:
        """Whether the vendor is asked to notify us of this route's batches."""
        return _calls_back(self.vendor, self.account)


def _calls_back(vendor: Destination, account: Mapping[str, object]) -> bool:
    return vendor.callbacks and account.get("notification_method") != "none"


def _poll(given: Mapping[str, object], *, calls_back: bool) -> Poll:
    """The pace of the questions: where the vendor calls back, they are for the callback that never comes."""
    first = given["first"] or (900.0 if calls_back else 30.0)
    return Poll(**cast("dict[str, float]", {**given, "first": first}))


def _side_by_side(vendor: Destination, given: Mapping[str, object]) -> SideBySide:
    workers = cast(int, given["workers"]) if vendor.side_by_side else 1
    return SideBySide(cast(int, given["above"]), workers)


def _check_side_by_side(vendor: Destination, given: object) -> list[tuple[str, str]]:
    if not given or vendor.side_by_side:
        return []
    return [("side_by_side", f"batches for {vendor.name} are submitted one after the other: leave it out")]


_IDENTITY = ("base_url", "datamart_id", "domain_key", "location_key", "table_id")


def check_name(name: str) -> str:
    """The name, if it can be one; `RouteError` otherwise."""
    if not NAME.fullmatch(name):
        raise RouteError(
            f'"{name[:64]}" cannot be a route\'s name: use a-z, 0-9 and -, at most 63, a letter or digit first', "name"
        )
    return name


def read_route(name: str, raw: object, allow_insecure: tuple[str, ...] = ()) -> Route:
    """Validate a route; `RouteError` with every wrong field at once.

    `allow_insecure`: hosts for which plain http and loopback addresses may stand in `base_url`.
    """
    check_name(name)
    problems: list[tuple[str, str]] = []
    values = _section(problems, raw, COMMON, "")
    given = values or (raw if isinstance(raw, Mapping) else {})  # where it is wrong, its sections are looked at too
    poll = _section(problems, given.get("poll") or {}, POLL, "poll")
    aside = _section(problems, given.get("side_by_side") or {}, SIDE_BY_SIDE, "side_by_side")
    of_input = _check_input(given.get("input") or {})
    problems += of_input
    problems += _check_secret(given.get("secret"))
    problems += _check_url(given.get("account"), allow_insecure)
    vendor_name = str(given.get("destination"))
    if vendor_name not in REGISTRY:
        raise RouteError.of(_once(problems))
    vendor = destination(vendor_name)
    account = _section(problems, given.get("account") or {}, vendor.account, "account")
    problems += _check_side_by_side(vendor, given.get("side_by_side"))
    if values and account and not of_input:
        problems += vendor.check(values | {"account": account})
    if problems:
        raise RouteError.of(_once(problems))
    return Route(
        name=name,
        raw=cast("Mapping[str, object]", raw),
        vendor=vendor,
        account=account,
        secret=str(values["secret"]),
        input=cast("Mapping[str, object]", values["input"]),
        deadline=cast(float, values["deadline"]),
        poll=_poll(poll, calls_back=_calls_back(vendor, account)),
        quiet_period=cast("float | None", values["quiet_period"]),
        on_doubt=str(values["on_doubt"]),
        on_duplicate_content=str(values["on_duplicate_content"]),
        keep_batches=bool(values["keep_batches"]),
        hash_ids=bool(values["hash_ids"]),
        max_in_flight=cast(int, values["max_in_flight"]),
        side_by_side=_side_by_side(vendor, aside),
    )


def _check_secret(name: object) -> list[tuple[str, str]]:
    if name != capability.SECRET:
        return []
    return [("secret", f"{name} holds the stack's own keys of its callback URLs: choose another name")]


def _section(
    problems: list[tuple[str, str]], data: object, fields: Mapping[str, Field], path: str
) -> dict[str, object]:
    try:
        return read_all(data, fields, path)
    except RouteError as error:
        problems += error.problems
        return {}


def _check_input(raw: object) -> list[tuple[str, str]]:
    from batchdrop.records.spec import InputSpec

    if not isinstance(raw, Mapping):
        return []  # said already, with the other options
    try:
        InputSpec.from_route(raw)
    except RouteError as error:
        return error.problems
    return []


def _once(problems: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return list(dict.fromkeys(problems))


def _check_url(account: object, allow_insecure: tuple[str, ...]) -> list[tuple[str, str]]:
    from batchdrop.addresses import check_base_url

    url = account.get("base_url") if isinstance(account, Mapping) else None
    try:
        if url and isinstance(url, str | int):  # of another kind: said with the account's options
            check_base_url(str(url), allow_insecure)
    except ValueError as error:
        return [("account.base_url", str(error))]
    return []


def schema() -> dict[str, object]:
    """The JSON Schema of routes, made from the declarations the validator itself uses."""
    found = object_schema(COMMON, "A Batchdrop route")
    properties = cast("dict[str, object]", found["properties"])
    properties["poll"] = object_schema(POLL, COMMON["poll"].description)
    properties["side_by_side"] = object_schema(SIDE_BY_SIDE, COMMON["side_by_side"].description)
    properties["secret"] = COMMON["secret"].schema() | {"not": {"const": capability.SECRET}}
    from batchdrop.records.schema import input_schema

    properties["input"] = input_schema(COMMON["input"].description)
    properties["$schema"] = {"type": "string", "description": "this schema, for an editor; not kept"}
    found["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    found["title"] = "Batchdrop route"
    found["allOf"] = [
        {
            "if": {"properties": {"destination": {"const": name}}, "required": ["destination"]},
            "then": _account_schema(name),
        }
        for name in REGISTRY
    ]
    return found


def _account_schema(name: str) -> dict[str, object]:
    account = object_schema(destination(name).account, f"options of {name}")
    return {"properties": {"account": account}} | ({"required": ["account"]} if account["required"] else {})
