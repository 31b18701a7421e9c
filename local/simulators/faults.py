"""Misbehaviour on order: one vocabulary for all simulators.

A fault waits in a queue for the next call of its endpoint (`*`: any) and is used up after `count` calls.
Faults on the wire are carried out here; the others change what a vendor says or does and are taken by its simulator.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from email.utils import formatdate
from typing import Any

from local.simulators.wire import Reply

WIRE: Mapping[str, str] = {
    "reset_before": "the connection is reset before anything was done",
    "reset_after": "done, but the connection is reset without an answer",
    "drip": "the answer comes byte by byte; value: seconds between bytes (0.05)",
    "slow": "done, but the answer comes late; value: seconds (2)",
    "truncated": "the answer ends in the middle",
    "html200": "an HTML page with status 200",
    "redirect": "307 to another host; value: the URL (a host that records whoever follows)",
    "trailing_comma": "the JSON answer has a comma too many",
}
STATE: Mapping[str, str] = {
    "expired_token": "the credentials are refused as if they had run out",
    "expired_url": "a signed URL no longer works",
    "unknown_state": "the status is a word nobody has heard of; value: the word",
    "wrong_spelling": "the status comes in another spelling; value: the word",
    "never": "the submission never finishes",
    "failed": "the vendor fails the whole submission; value: the status word, where there is a choice",
}
STATUSES = frozenset(str(status) for status in (400, 401, 403, 404, 408, 409, 413, 422, 423, 429, 500, 502, 503, 504))
ACTS_FIRST = frozenset({"reset_after", "drip", "slow", "truncated", "trailing_comma"})
HTML = "<!DOCTYPE html>\n<html><head><title>Error</title></head><body><h1>Something went wrong</h1></body></html>\n"


@dataclass(slots=True)
class Fault:
    """`kind` is a name of the vocabulary or an HTTP status; `acts`: do what was asked, then answer so."""

    kind: str
    endpoint: str = "*"
    count: int = 1
    value: Any = None
    acts: bool = False

    def matches(self, endpoint: str) -> bool:
        return self.endpoint in ("*", endpoint)


class Faults:
    """The queue. Safe to use from several threads."""

    def __init__(self, extra: Mapping[str, str]) -> None:
        self._kinds = {*WIRE, *STATE, *extra, *STATUSES}
        self._queue: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, fault: Fault) -> None:
        """Raises `ValueError` for a kind that this simulator does not know."""
        if fault.kind not in self._kinds:
            raise ValueError(f"unknown fault {fault.kind!r}; known: {', '.join(sorted(self._kinds))}")
        with self._lock:
            self._queue.append(fault)

    def take(self, endpoint: str, *kinds: str) -> Fault | None:
        """The oldest fault of these kinds for this endpoint, used up by one."""
        with self._lock:
            for fault in self._queue:
                if fault.kind in kinds and fault.matches(endpoint):
                    fault.count -= 1
                    if fault.count <= 0:
                        self._queue.remove(fault)
                    return fault
        return None

    def take_wire(self, endpoint: str) -> Fault | None:
        return self.take(endpoint, *WIRE, *STATUSES)

    def clear(self) -> None:
        with self._lock:
            self._queue.clear()

    def as_list(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(fault) for fault in self._queue]


def carry_out(fault: Fault, act: Callable[[], Reply], refuse: Callable[[int], Reply], elsewhere: str) -> Reply:
    """Answer a call under a fault on the wire. `refuse` gives the vendor's own error body for a status."""
    reply = act() if fault.acts or fault.kind in ACTS_FIRST else Reply()
    if fault.kind in STATUSES:
        reply = refuse(int(fault.kind))
        if fault.value is not None:
            reply.headers["Retry-After"] = _retry_after(str(fault.value))
    elif fault.kind == "html200":
        reply = Reply.text(HTML, content_type="text/html; charset=utf-8")
    elif fault.kind == "redirect":
        reply = Reply(307, headers={"Location": str(fault.value or elsewhere)})
    elif fault.kind == "trailing_comma":
        reply.body = _with_trailing_comma(reply.body)
    elif fault.kind in ("reset_before", "reset_after"):
        reply.drop = True
    elif fault.kind == "truncated":
        reply.truncate = True
    elif fault.kind == "slow":
        reply.delay = float(fault.value or 2)
    elif fault.kind == "drip":
        reply.drip = float(fault.value or 0.05)
    return reply


def _retry_after(value: str) -> str:
    """The header as given; `date:N` becomes the HTTP date N seconds from now."""
    if not value.startswith("date:"):
        return value
    return formatdate(time.time() + float(value[5:]), usegmt=True)


def _with_trailing_comma(body: bytes) -> bytes:
    end = max(body.rfind(b"}"), body.rfind(b"]"))
    return body if end < 0 else body[:end] + b"," + body[end:]
