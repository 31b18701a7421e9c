"""The simulators' own calls: notifications they send, files they fetch. No proxy, no redirects, no credentials."""

from __future__ import annotations

import urllib.error
import urllib.request
from typing import Any


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), _NoRedirect)


def call_out(
    method: str, url: str, body: bytes | None = None, content_type: str = "", timeout: float = 10
) -> tuple[int, bytes]:
    """Status and body of the answer; status 0 with the error's text where there was none."""
    headers = {"Content-Type": content_type} if content_type else {}
    request = urllib.request.Request(url, data=body, method=method, headers=headers)  # noqa: S310 - http(s) checked
    try:
        with _opener.open(request, timeout=timeout) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except (OSError, ValueError) as error:
        return 0, str(error).encode()
