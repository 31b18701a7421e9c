"""The HTTP side of a simulator: reads whole requests, hands each to a function, writes the reply it gives.

The reply may ask for misbehaviour on the wire: a delay, a drip, a short body, a dropped connection.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

IN_MEMORY = 1 << 20  # larger bodies go to a file
MAX_BODY = 400_000_000
READ_SIZE = 1 << 16


@dataclass(slots=True)
class Body:
    """A request's body: in memory when small, else in a file that lives until `discard`."""

    size: int = 0
    sha256: str = hashlib.sha256(b"").hexdigest()
    md5: str = hashlib.md5(b"", usedforsecurity=False).hexdigest()
    data: bytes = b""
    path: Path | None = None
    kept: bool = False

    @classmethod
    def of(cls, data: bytes) -> Body:
        """A body of bytes at hand."""
        md5 = hashlib.md5(data, usedforsecurity=False).hexdigest()
        return cls(len(data), hashlib.sha256(data).hexdigest(), md5, data)

    def read(self) -> bytes:
        return self.data if self.path is None else self.path.read_bytes()

    def keep(self) -> Body:
        """Keep the bytes beyond the request; returns itself."""
        self.kept = True
        return self

    def discard(self) -> None:
        if self.path is not None:
            self.path.unlink(missing_ok=True)


@dataclass(slots=True)
class Call:
    """One request as it came in; `path` is still percent-encoded and without the query."""

    host: str
    method: str
    target: str
    headers: list[tuple[str, str]]
    body: Body
    chunked: bool = False
    number: int = 0
    params: dict[str, str] = field(default_factory=dict)  # the named segments of the path

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    def header(self, name: str) -> str:
        """The header's value, `""` where it is missing; several are joined with a comma."""
        return ", ".join(value for key, value in self.headers if key.lower() == name.lower())

    @property
    def content_type(self) -> str:
        """The media type alone, in lower case."""
        return self.header("Content-Type").split(";")[0].strip().lower()


@dataclass(slots=True)
class Reply:
    """What to answer, and how badly."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0.0  # seconds before the answer
    drip: float = 0.0  # seconds between single bytes of the body
    truncate: bool = False  # announce the whole body, send half of it
    drop: bool = False  # no answer: the connection is reset

    @classmethod
    def json(cls, value: Any, status: int = 200) -> Reply:
        return cls(status, json.dumps(value).encode())

    @classmethod
    def text(cls, text: str, status: int = 200, content_type: str = "text/plain; charset=utf-8") -> Reply:
        return cls(status, text.encode(), content_type)


Answer = Callable[[Call], Reply]


class Host:
    """A threaded HTTP/1.1 server on 127.0.0.1 with keep-alive."""

    def __init__(self, name: str, answer: Answer, workdir: Path, port: int = 0) -> None:
        self.name = name
        self.answer = answer
        self.workdir = workdir
        self.stopping = threading.Event()
        self._server = _Server(self, port)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name=f"simulator-{name}")
        self._thread.daemon = True
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def stop(self) -> None:
        self.stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._server.close_connections()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, host: Host, port: int) -> None:
        self.host = host
        self.open_sockets: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), _Handler)

    def close_connections(self) -> None:
        """End idle keep-alive connections, so that their threads end too."""
        for connection in list(self.open_sockets):
            with contextlib.suppress(OSError):  # closed already
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are part of the game; nothing else can reach this point."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "simulator"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.open_sockets.add(self.connection)

    def finish(self) -> None:
        self.server.open_sockets.discard(self.connection)
        super().finish()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
        """Silent: the simulator keeps its own log."""

    def serve(self) -> None:
        chunked = "chunked" in self.headers.get("Transfer-Encoding", "").lower()
        body = _receive(self, chunked)
        call = Call(self.server.host.name, self.command, self.path, list(self.headers.items()), body, chunked)
        try:
            reply = self.server.host.answer(call)
        finally:
            if not body.kept:
                body.discard()
        self._write(reply)

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = do_HEAD = do_OPTIONS = serve  # noqa: N815

    def _write(self, reply: Reply) -> None:
        if reply.delay:
            self.server.host.stopping.wait(reply.delay)
        if reply.drop:
            self._reset()
            return
        self.send_response(reply.status)
        for name, value in {"Content-Type": reply.content_type, **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self._write_body(reply)

    def _write_body(self, reply: Reply) -> None:
        if reply.truncate:
            self.wfile.write(reply.body[: len(reply.body) // 2])
            self.close_connection = True
        elif reply.drip:
            for i in range(len(reply.body)):
                self.wfile.write(reply.body[i : i + 1])
                if self.server.host.stopping.wait(reply.drip):
                    return
        else:
            self.wfile.write(reply.body)

    def _reset(self) -> None:
        """Close so that the client sees a reset, as from a machine that died."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())


def _receive(handler: _Handler, chunked: bool) -> Body:
    """Read the whole body before anything is answered, so that no client is cut off in mid-upload."""
    chunks = _chunked(handler) if chunked else _sized(handler, int(handler.headers.get("Content-Length") or 0))
    sha256, md5 = hashlib.sha256(), hashlib.md5(usedforsecurity=False)
    data, size, path = bytearray(), 0, None
    for chunk in chunks:
        sha256.update(chunk)
        md5.update(chunk)
        size += len(chunk)
        if size > MAX_BODY:
            raise ConnectionAbortedError("body larger than any vendor takes")
        data += chunk
        if len(data) > IN_MEMORY:
            path = path or handler.server.host.workdir / f"body-{os.urandom(8).hex()}"
            _append(path, data)
    if path is not None:
        _append(path, data)
    return Body(size, sha256.hexdigest(), md5.hexdigest(), bytes(data), path)


def _append(path: Path, data: bytearray) -> None:
    with path.open("ab") as file:
        file.write(data)
    data.clear()


def _sized(handler: _Handler, left: int) -> Iterator[bytes]:
    while left:
        chunk = handler.rfile.read(min(left, READ_SIZE))
        if not chunk:
            raise ConnectionAbortedError("the client closed in mid-body")
        left -= len(chunk)
        yield chunk


def _chunked(handler: _Handler) -> Iterator[bytes]:
    while size := int(handler.rfile.readline().split(b";")[0], 16):
        yield handler.rfile.read(size)
        handler.rfile.readline()
    while handler.rfile.readline() not in (b"\r\n", b"\n", b""):
        pass  # trailers
