"""The one HTTP client: every call to a vendor goes through it, and ends well or in one of five ways.

What it never does: repeat a request, follow a redirect, read the environment (proxies, netrc, CA bundles), keep
cookies, decompress, or wait longer than it was told. Retries are the workflow's.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from batchdrop import addresses
from batchdrop.errors import Ambiguous, ProvablyNotSent, RateLimited, Rejected
from batchdrop.ports import Request, Response
from batchdrop.verdict import classify, failure, parse_retry_after, reason, text

if TYPE_CHECKING:
    import ssl

    import requests

    from batchdrop.transport import Attempt, FileBody, Line, Resolve

ERROR_BYTES = 65_536  # of the answer to a failed request
KEEP_IDLE = 5.0  # seconds an idle connection is trusted for; a frozen function's connections die unseen
BARE_HEADERS = ("accept", "content-", "x-amz-")  # all that may go to a URL a vendor gave: no credentials


class Client:
    """`ports.Http` over the network.

    allow_insecure: hosts for which plain http and any address are accepted (the deployment's AllowInsecureHosts).
    remaining: seconds this process has left to live; a request ends `margin` seconds before that, or is not begun.
    connect / silence: limits of connecting (and of the TLS handshake), and of waiting for the next byte of a GET's
    answer. For other methods only the total counts: to give up early on a submission makes a doubt, not an answer.
    ca_file: certificate authorities to trust besides the public ones.
    """

    def __init__(
        self,
        *,
        allow_insecure: tuple[str, ...] = (),
        remaining: Callable[[], float] = lambda: math.inf,
        margin: float = 10.0,
        now: Callable[[], float] = time.time,
        resolve: Resolve | None = None,
        connect: float = 5.0,
        silence: float = 30.0,
        ca_file: str = "",
    ) -> None:
        self._allow_insecure = allow_insecure
        self._remaining = remaining
        self._margin = margin
        self._now = now
        self._resolve = resolve  # None: the system's
        self._connect = connect
        self._silence = silence
        self._ca_file = ca_file
        self._context: ssl.SSLContext | None = None
        self._kept = threading.local()

    def send(self, request: Request) -> Response:
        """The answer to one request, when it is a 2xx and was read to its end; else one of the five `VendorError`s."""
        with self._answer(request) as answer:
            headers = {name.lower(): value for name, value in answer.headers.items()}
            if headers.get("content-encoding", "identity").lower() != "identity":
                raise Ambiguous(text(request, "the answer is compressed, which was not asked for"), status=200)
            body = b"".join(_blocks(answer, request))
            return Response(answer.status_code, headers, body)

    def download(self, request: Request) -> Iterator[bytes]:
        """The body of a GET, block by block as it was sent (never decompressed); the call is made at the first block.

        Never ends early without an error: an answer that does not announce its length or end is `Ambiguous`, too.
        """
        with self._answer(request) as answer:
            if not _says_where_it_ends(answer):
                raise Ambiguous(text(request, "the answer does not say where it ends"), status=200)
            yield from _blocks(answer, request)

    @contextmanager
    def _answer(self, request: Request) -> Iterator[requests.Response]:
        """A 2xx answer whose body is still to be read; all trouble until the end of the block becomes a VendorError."""
        from batchdrop.transport import TROUBLE

        target = self._vet(request)
        attempt = self._attempt(request, target)
        try:
            with self._line(request) as line:
                answer = line.exchange(_prepare(request), target, attempt)
                with answer:
                    self._check(request, answer, attempt)
                    yield answer
        except (*TROUBLE, ValueError) as error:
            raise failure(request, error, started=attempt.started) from None  # the original's text holds the whole URL

    def _vet(self, request: Request) -> addresses.Target:
        if request.length is None and not isinstance(request.body, bytes | None):
            raise ValueError("a file body needs its length")
        if request.given_by_vendor:
            strange = [name for name in request.headers if not name.lower().startswith(BARE_HEADERS)]
            if strange:
                raise ValueError(f"these headers must not go to a URL given by a vendor: {', '.join(strange)}")
        try:
            if request.given_by_vendor:
                return addresses.check_given_url(request.url, request.hosts, self._allow_insecure)
            return addresses.check_url(request.url, self._allow_insecure)
        except addresses.Refused as refusal:
            raise Rejected(f"{request.method}: the URL was refused: {refusal}") from None

    def _attempt(self, request: Request, target: addresses.Target) -> Attempt:
        from batchdrop.transport import Attempt, look_up

        seconds = min(request.timeout, self._remaining() - self._margin)
        if seconds <= 0:
            raise ProvablyNotSent(text(request, "not begun: too little time is left"))
        return Attempt(
            lambda within: addresses.vet_addresses(target, look_up(target, within, self._resolve)),
            seconds=seconds,
            connect=self._connect,
            silence=self._silence if request.method == "GET" else seconds,
        )

    @contextmanager
    def _line(self, request: Request) -> Iterator[Line]:
        """A connection of its own for each request, but for GETs to a vendor's API: those reuse one for a while.

        A kept connection may turn out closed after the request was written, which for anything but a GET is a doubt.
        """
        from batchdrop.transport import Line

        if request.method == "GET" and not request.given_by_vendor:
            kept: Line | None = getattr(self._kept, "line", None)
            line = self._kept.line = kept or Line(self._tls)
            if time.monotonic() - getattr(self._kept, "used", 0.0) > KEEP_IDLE:
                line.close()
            yield line
            self._kept.used = time.monotonic()
            return
        line = Line(self._tls)
        try:
            yield line
        finally:
            line.close()

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:  # reading the authorities takes some 20 ms: once, and only for https
            from batchdrop.transport import tls_context

            self._context = tls_context(self._ca_file)
        return self._context

    def _check(self, request: Request, answer: requests.Response, attempt: Attempt) -> None:
        after = parse_retry_after(answer.headers.get("Retry-After"), self._now())
        kind = classify(answer.status_code, retry_after=after)
        if kind is None:
            if attempt.cut_short:
                raise Ambiguous(text(request, "answered before it had read the request"), status=answer.status_code)
            return
        status, body = answer.status_code, _error_body(answer)
        words = text(request, reason(status))
        if kind is RateLimited:
            raise RateLimited(words, after=after, status=status, body=body)
        raise kind(words, status=status, body=body)


def _prepare(request: Request) -> requests.PreparedRequest:
    from batchdrop.transport import FileBody, prepare

    headers = {"User-Agent": "batchdrop", "Accept": "*/*"} | dict(request.headers) | {"Accept-Encoding": "identity"}
    if request.method != "GET" or request.given_by_vendor:
        headers["Connection"] = "close"
    body: bytes | FileBody | None
    if request.body is None or isinstance(request.body, bytes):
        body = request.body
    else:
        body = FileBody(request.body, request.length) if request.length else b""
    return prepare(request.method, request.url, headers, body)


def _says_where_it_ends(answer: requests.Response) -> bool:
    """By a length that is one, or in chunks and nothing but chunks: all else is read until the connection closes."""
    length = answer.headers.get("Content-Length", "")
    coding = answer.headers.get("Transfer-Encoding")
    return coding.strip().lower() == "chunked" if coding is not None else length.isascii() and length.isdigit()


def _blocks(answer: requests.Response, request: Request) -> Iterator[bytes]:
    """The body to its proper end, at most `max_bytes`."""
    from batchdrop.transport import BLOCK

    left = request.max_bytes
    while block := answer.raw.read(BLOCK, decode_content=False):
        left -= len(block)
        if left < 0:
            too_large = text(request, f"the answer is larger than {request.max_bytes} bytes")
            raise Ambiguous(too_large, status=answer.status_code)
        yield block


def _error_body(answer: requests.Response) -> bytes:
    """The start of an error's body. The status says all that matters, so a body that breaks off is no trouble."""
    from batchdrop.transport import TROUBLE

    try:
        return bytes(answer.raw.read(ERROR_BYTES, decode_content=False))
    except TROUBLE:
        return b""
