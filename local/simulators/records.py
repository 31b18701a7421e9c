"""What a simulator writes down: every request, every breach of the vendor's rules, everything made and committed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from local.simulators.wire import Body, Call

SMALL_BODY = 4096  # larger bodies are not logged, only their length and digest


@dataclass(slots=True)
class Request:
    """One request of the log; `status` is 0 where the connection was dropped without an answer."""

    number: int
    at: float
    host: str
    endpoint: str
    method: str
    path: str
    query: dict[str, str]
    headers: list[tuple[str, str]]
    length: int
    sha256: str
    body: str | None
    fault: str = ""
    status: int = 0

    def header(self, name: str) -> str:
        """The header's value, `""` where it was not sent."""
        return ", ".join(value for key, value in self.headers if key.lower() == name.lower())

    @classmethod
    def of(cls, call: Call, endpoint: str, at: float) -> Request:
        small = call.body.data if call.body.size <= SMALL_BODY else None
        text = None if small is None else small.decode("utf-8", "replace")
        body = call.body
        return cls(
            call.number,
            at,
            call.host,
            endpoint,
            call.method,
            call.path,
            call.query,
            call.headers,
            body.size,
            body.sha256,
            text,
        )


@dataclass(slots=True)
class Violation:
    """A way in which the client broke the vendor's rules, and in which request."""

    request: int
    endpoint: str
    rule: str
    message: str


@dataclass(slots=True)
class Created:
    """Something the client made that imports nothing by itself: a job, an upload, a configuration."""

    kind: str
    id: str
    at: float


@dataclass(slots=True)
class Commit:
    """A submission the vendor acts upon: what would be imported twice if it came twice."""

    id: str
    at: float
    sha256: str = ""
    size: int = 0
    records: int = 0
    detail: dict[str, Any] = field(default_factory=dict)
    bodies: list[Body] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("id", "at", "sha256", "size", "records", "detail")}
