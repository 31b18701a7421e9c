"""One exchange on the wire: a connection to vetted addresses only, under a deadline nothing can outlast.

`requests` and urllib3 do the HTTP. What they do not offer is added here: the clock is asked before every socket
operation (their read time-out starts anew with each byte, so a slow drip never ends), the addresses connected to are
those that were vetted, and it is known whether any byte of the request was handed to the network.
"""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, BinaryIO

import requests
from certifi import where
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError

from batchdrop.addresses import Target

Resolve = Callable[[str, int], Sequence[str]]

BLOCK = 65_536

#: All that can go wrong in an exchange, whichever library notices. A body that cannot be read is an OSError, too.
TROUBLE = (requests.RequestException, HTTPError, OSError)

# urllib3 logs whole paths, and signed URLs are paths: at DEBUG each request, at WARNING each odd header.
logging.getLogger("urllib3").setLevel(logging.ERROR)


class Attempt:
    """One request's time and fate. `started` turns true before its first byte is handed to the network."""

    def __init__(
        self, addresses: Callable[[float], Sequence[str]], *, seconds: float, connect: float, silence: float
    ) -> None:
        self.addresses = addresses  # the vetted addresses, looked up within so many seconds
        self.connect = connect
        self.silence = silence
        self.started = False
        self.cut_short = False  # the request could not be sent to its end
        self._deadline = time.monotonic() + seconds

    def left(self, at_most: float) -> float:
        """Seconds the next operation may take; TimeoutError when the deadline has passed."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the deadline has passed")
        return min(left, at_most)


class _Timed:
    """A socket that asks its attempt, before each operation, how long that may take."""

    attempt: Attempt

    def recv_into(self, *args: Any) -> int:
        self._arm()
        return super().recv_into(*args)  # type: ignore[misc,no-any-return]

    def send(self, *args: Any) -> int:
        self._arm()
        return super().send(*args)  # type: ignore[misc,no-any-return]

    def sendall(self, *args: Any) -> None:
        self._arm()
        super().sendall(*args)  # type: ignore[misc]

    def _arm(self) -> None:
        self.settimeout(self.attempt.left(self.attempt.silence))  # type: ignore[attr-defined]


class _Socket(_Timed, socket.socket):
    pass


class _TlsSocket(_Timed, ssl.SSLSocket):
    pass


class _Wired(HTTPConnection):
    """A connection to the vetted addresses, which notes when it starts to send."""

    def __init__(self, *args: Any, line: Line, **options: Any) -> None:
        super().__init__(*args, **options)
        self._line = line

    def _new_conn(self) -> socket.socket:
        attempt = self._line.attempt
        trouble: OSError = OSError("the name has no address")
        for address in attempt.addresses(attempt.left(attempt.connect)):
            try:
                return _connect(address, self.port, attempt)
            except OSError as error:
                trouble = error
        # Without an errno: urllib3 takes a reset, wherever it comes from, for one that follows a premature answer.
        raise OSError("no connection") from trouble

    def send(self, data: Any) -> None:
        if self.sock is None:
            self.connect()
        attempt = self._line.attempt
        attempt.started = True
        self.sock.attempt = attempt  # type: ignore[union-attr]
        try:
            super().send(data)
        except OSError:
            attempt.cut_short = True
            raise


class _WiredTls(_Wired, HTTPSConnection):
    pass


def _connect(address: str, port: int, attempt: Attempt) -> socket.socket:
    sock = _Socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    try:
        sock.settimeout(attempt.left(attempt.connect))
        sock.connect((address, port))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(attempt.left(attempt.connect))  # bounds the TLS handshake, as a whole
    except OSError:
        sock.close()
        raise
    return sock


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Wired


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _WiredTls


class Line(HTTPAdapter):
    """An adapter that is used without a Session, so there are no redirects, cookies, proxies or netrc to switch off.

    `attempt` is the exchange in hand; one thread at a time.
    """

    def __init__(self, tls: Callable[[], ssl.SSLContext]) -> None:
        super().__init__(max_retries=0)
        self.attempt: Attempt
        self._tls = tls
        self._pools: dict[tuple[str, str, int], HTTPConnectionPool] = {}

    def exchange(self, prepared: requests.PreparedRequest, target: Target, attempt: Attempt) -> requests.Response:
        """Send the request; the answer's body is still to be read. Raises one of `TROUBLE` or `addresses.Refused`."""
        self.attempt = attempt
        self._target = target
        return self.send(prepared)

    def get_connection_with_tls_context(self, *_args: Any, **_options: Any) -> HTTPConnectionPool:
        """The pool for the vetted target: host, port and TLS come from there, not from a second look at the URL."""
        target = self._target
        key = (target.scheme, target.host, target.port)
        if key not in self._pools:
            self._pools[key] = self._new_pool(target)
        return self._pools[key]

    def cert_verify(self, *_args: Any, **_options: Any) -> None:
        """Nothing to do for each request: the TLS context verifies, always."""

    def close(self) -> None:
        """Close the idle connections."""
        while self._pools:
            self._pools.popitem()[1].close()

    def _new_pool(self, target: Target) -> HTTPConnectionPool:
        if target.scheme == "http":
            return _Pool(target.host, target.port, line=self, blocksize=BLOCK)
        return _TlsPool(
            target.host, target.port, line=self, blocksize=BLOCK, ssl_context=self._tls(), cert_reqs="CERT_REQUIRED"
        )


def tls_context(ca_file: str = "") -> ssl.SSLContext:
    """TLS 1.2 or newer, verifying certificate and host name; `ca_file` adds authorities to the public ones."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(where())
    if ca_file:
        context.load_verify_locations(ca_file)
    context.sslsocket_class = _TlsSocket
    return context


class FileBody:
    """A request body of known length from a file; an OSError where the file turns out shorter or longer."""

    def __init__(self, source: BinaryIO, length: int) -> None:
        self.len = length  # requests makes the Content-Length of it
        self._source = source
        self._left = length

    def read(self, size: int = BLOCK) -> bytes:
        block = self._read(min(size, self._left)) if self._left else b""
        self._left -= len(block)
        if self._left and not block:
            raise OSError("the body is shorter than announced")
        # Looked at before the last block is handed over, so that a body that is too long never arrives as complete.
        if block and not self._left and self._read(1):
            raise OSError("the body is longer than announced")
        return block

    def _read(self, size: int) -> bytes:
        try:
            return self._source.read(size)
        except Exception as error:
            # Whatever the source raises; without an errno, or urllib3 would take a reset there for the vendor's.
            raise OSError("the body could not be read") from error

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.read, b"")


def prepare(
    method: str, url: str, headers: Mapping[str, str], body: bytes | FileBody | None
) -> requests.PreparedRequest:
    """The request as it goes out: exactly these headers, plus a Content-Length (never chunked)."""
    return requests.Request(method, url, headers=dict(headers), data=body).prepare()


def look_up(target: Target, seconds: float, resolve: Resolve | None = None) -> Sequence[str]:
    """The addresses of the target, in the system's order of preference; OSError when there are none.

    Abandoned after so many seconds: the system's resolver cannot be told how long it may take.
    """
    found: list[Sequence[str] | Exception] = []

    def run() -> None:
        try:
            found.append((resolve or _resolve)(target.host, target.port))
        except Exception as error:  # noqa: BLE001 (raised again in the caller's thread)
            found.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not found:
        raise TimeoutError("the name look-up took too long")
    if isinstance(found[0], Exception):
        raise OSError("the name could not be looked up") from found[0]
    return found[0]


def _resolve(host: str, port: int) -> list[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))
