"""What a call to a vendor amounted to: the one table of errors, and the words for them, which give nothing away."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from batchdrop.addresses import Refused
from batchdrop.errors import Ambiguous, AuthExpired, ProvablyNotSent, RateLimited, Rejected, VendorError
from batchdrop.ports import Request

RETRY_AFTER_CAP = 6 * 3600.0


def classify(status: int, *, started: bool = True, retry_after: float | None = None) -> type[VendorError] | None:
    """What an exchange amounts to: None is success. The one table.

    | what happened                                                     | class            |
    | ----------------------------------------------------------------- | ---------------- |
    | no byte sent: no name, no connection, no TLS, no time left        | ProvablyNotSent  |
    | sent, no readable answer (`status` 0): reset, time-out, cut short | Ambiguous        |
    | 2xx                                                               | None             |
    | 401                                                               | AuthExpired      |
    | 429; 503 with a usable Retry-After                                | RateLimited      |
    | 408, 1xx, 5xx                                                     | Ambiguous        |
    | 3xx (never followed), any other 4xx                               | Rejected         |
    """
    if status == 0:
        return Ambiguous if started else ProvablyNotSent
    if 200 <= status < 300:
        return None
    if status == 401:
        return AuthExpired
    if status == 429 or (status == 503 and retry_after is not None):
        return RateLimited
    if 300 <= status < 500 and status != 408:  # 408: the server gave up waiting, perhaps for what it already has
        return Rejected
    return Ambiguous


def parse_retry_after(value: str | None, now: float) -> float | None:
    """Seconds to wait by a Retry-After header: a number or an HTTP date, at most six hours; None when unusable."""
    text = (value or "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]*)?", text):
        return min(float(text), RETRY_AFTER_CAP)
    try:
        from datetime import UTC
        from email.utils import parsedate_to_datetime

        when = parsedate_to_datetime(text)
        seconds = (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - now
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), RETRY_AFTER_CAP)


def failure(request: Request, error: Exception, *, started: bool) -> VendorError:
    """The VendorError for what went wrong on the way; its text has nothing of the original's, which may hold it all."""
    if isinstance(error, Refused):
        return Rejected(text(request, f"refused: {error}"))
    if isinstance(error, ValueError) and not started:
        return Rejected(text(request, "the request has a header or URL that cannot be sent; look for stray characters"))
    kind = classify(0, started=started) or Ambiguous
    return kind(text(request, _cause(error)))


def _cause(error: BaseException) -> str:
    """In fixed words, so that nothing of the request gets into them."""
    import socket
    import ssl
    from http.client import IncompleteRead

    root = _root(error)
    texts: Mapping[type[BaseException], str] = {
        ssl.SSLCertVerificationError: f"its certificate was refused: {getattr(root, 'verify_message', '')}",
        ssl.SSLError: "TLS failed",
        ConnectionRefusedError: "the connection was refused",
        TimeoutError: "it took too long",
        IncompleteRead: "the answer ended early",
        ConnectionError: "the connection was closed",
        socket.gaierror: "the host name has no address",
    }
    return next(
        (words for kind, words in texts.items() if isinstance(root, kind)), f"it failed ({type(root).__name__})"
    )


def _root(error: BaseException) -> BaseException:
    while inner := error.__cause__ or next((arg for arg in error.args if isinstance(arg, BaseException)), None):
        error = inner
    return error


def reason(status: int) -> str:
    if 300 <= status < 400:
        return f"answered {status}, a redirect, which is never followed; correct base_url if the address has moved"
    return f"answered {status}"


def text(request: Request, what: str) -> str:
    """Method and host, and the path unless a vendor gave the URL. Never the query: that is where signatures are."""
    parts = urlsplit(request.url)
    path = "" if request.given_by_vendor else parts.path
    return f"{request.method} {parts.hostname}{path}: {what}"
