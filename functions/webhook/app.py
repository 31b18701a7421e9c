"""Webhook: a vendor's callback at `/notifications/{token}`."""

from __future__ import annotations

from typing import Any

import batchdrop.calm  # noqa: F401 - first of all, so that what follows is imported faster
from batchdrop.notify import notify
from batchdrop.observability import handler
from batchdrop.wiring import world

_HEADERS = {"Cache-Control": "no-store", "Content-Type": "application/json"}


@handler
def lambda_handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """GET and POST are hints; HEAD and OPTIONS do nothing; all else is refused. The body is never read."""
    method = event["requestContext"]["http"]["method"]
    if method in ("HEAD", "OPTIONS"):
        return _answer(204)
    if method not in ("GET", "POST"):
        return _answer(405)
    token = (event.get("pathParameters") or {}).get("token") or ""
    return _answer(202 if notify(world, token) == "accepted" else 404)


def _answer(status: int) -> dict[str, Any]:
    allow = {"Allow": "GET, POST"} if status == 405 else {}
    return {"statusCode": status, "headers": {**_HEADERS, **allow}, "body": "" if status == 204 else "{}"}
