"""A vendor that has one answer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from batchdrop.ports import Response


class Canned:
    """An HTTP port whose every answer is the same."""

    def __init__(self, body: bytes) -> None:
        self.body = body

    def send(self, _: Any) -> Response:
        return Response(200, {}, self.body)

    def download(self, _: Any) -> Iterator[bytes]:
        raise AssertionError("nothing is downloaded here")
