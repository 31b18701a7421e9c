"""A plain HTTP client for the simulators' own tests: one call, one answer, nothing clever."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

FIXTURES = Path(__file__).parents[2] / "fixtures" / "vendors"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def text(self) -> str:
        return self.body.decode()


def ask(method: str, url: str, headers: dict[str, str] | None = None, body: Any = None, **options: Any) -> Answer:
    """One request on a connection of its own; a dict or list as the body is sent as JSON."""
    parts = urlsplit(url)
    connection = HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    payload = json.dumps(body).encode() if isinstance(body, dict | list) else body
    try:
        connection.request(method, target, body=payload, headers=headers or {}, **options)
        response = connection.getresponse()
        return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())
    finally:
        connection.close()


def sample(vendor: str, name: str) -> str:
    """A sample payload of the vendor's page, verbatim."""
    return (FIXTURES / vendor / name).read_text(encoding="utf-8")
