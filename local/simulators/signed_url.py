"""Pre-signed URLs as a storage service hands them out: the signature is in the query and runs out."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from datetime import UTC, datetime

from local.simulators.wire import Call, Reply

# A second way to identify oneself beside the signature: the storage service refuses it, and it leaks a credential.
CREDENTIAL_HEADERS = ("Authorization", "AuthorizationToken", "x-api-key", "Authentication", "Cookie")


class Signer:
    """Makes and checks signed URLs of one host; the key lives as long as the simulator."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def sign(self, base: str, method: str, path: str, now: float, seconds: int) -> str:
        date = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        signature = self._signature(method, path, date, str(seconds))
        return (
            f"{base}{path}?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIASIMULATOR%2F{date[:8]}%2Fus-east-1"
            f"%2Fs3%2Faws4_request&X-Amz-Date={date}&X-Amz-Expires={seconds}&X-Amz-SignedHeaders=host"
            f"&X-Amz-Signature={signature}"
        )

    def refusal(self, call: Call, now: float) -> tuple[str, str] | None:
        """`(code, message)` of the storage service if the call's signature is wrong or has run out."""
        query = call.query
        date, seconds = query.get("X-Amz-Date", ""), query.get("X-Amz-Expires", "")
        expected = self._signature(call.method, call.path, date, seconds)
        if not hmac.compare_digest(expected, query.get("X-Amz-Signature", "")):
            return "SignatureDoesNotMatch", "The request signature we calculated does not match"
        signed_at = datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
        return ("AccessDenied", "Request has expired") if now > signed_at + int(seconds) else None

    def _signature(self, *parts: str) -> str:
        return hmac.new(self._key, "\n".join(parts).encode(), hashlib.sha256).hexdigest()


def storage_error(status: int, code: str, message: str) -> Reply:
    """The storage service's XML error."""
    xml = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>'
    return Reply(status, xml.encode(), "application/xml")
