"""A vendor that misbehaves on real sockets: one answer function a request, the last one repeated."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType

Answer = Callable[["Exchange"], None]


@dataclass
class Seen:
    """One request as it arrived; `headers` have lower-case names."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    connection: int


class Exchange:
    """What an answer function can do with the connection in hand."""

    def __init__(self, conn: socket.socket, stopped: threading.Event) -> None:
        self.conn = conn
        self.stopped = stopped
        self.open = True

    def write(self, data: bytes) -> None:
        self.conn.sendall(data)

    def drip(self, data: bytes, every: float = 0.02) -> None:
        for n in range(len(data)):
            self.write(data[n : n + 1])
            if self.stopped.wait(every):
                return

    def pause(self, seconds: float = 5) -> None:
        """Nothing, until the server stops or the time is up."""
        self.open = not self.stopped.wait(seconds)

    def swallow_until(self, end: bytes) -> int:
        """Read up to these last bytes without keeping any; how many came."""
        buffer, tail, count = bytearray(65_536), b"", 0
        while not tail.endswith(end) and (n := self.conn.recv_into(buffer)):
            count += n
            tail = (tail + buffer[max(0, n - len(end)) : n])[-len(end) :]
        return count

    def close(self) -> None:
        self.open = False

    def reset(self) -> None:
        self.conn.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.open = False


def reply(status: int = 200, body: bytes = b"", **headers: str) -> Answer:
    """A whole answer; header names are written with `_` for `-`."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status} Whatever\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
    return lambda exchange: exchange.write(head.encode() + body)


def raw(data: bytes) -> Answer:
    """Exactly these bytes, then the end of the connection."""

    def answer(exchange: Exchange) -> None:
        exchange.write(data)
        exchange.close()

    return answer


class Vendor:
    """A server on a free loopback port. `early` answers get the connection before anything is read from it."""

    def __init__(self, *answers: Answer, early: bool = False, tls: ssl.SSLContext | None = None) -> None:
        self.answers = list(answers)
        self.seen: list[Seen] = []
        self.connections = 0
        self._early = early
        self._tls = tls
        self._stopped = threading.Event()
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Vendor:
        self._start(self._accept)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Close everything; from now on connections are refused."""
        self._stopped.set()
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()
        for thread in self._threads:
            thread.join(2)

    def hang_up(self) -> None:
        """Close the connections there are."""
        for sock in self._open:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def _start(self, run: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=run, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopped.is_set():
            try:
                conn, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(conn)
            self._start(self._serve, conn, self.connections)

    def _serve(self, conn: socket.socket, number: int) -> None:
        with suppress(OSError, ValueError):
            if self._tls is not None:
                conn = self._tls.wrap_socket(conn, server_side=True)
                self._open.append(conn)
            exchange = Exchange(conn, self._stopped)
            while exchange.open and (self._early or self._read(conn, number)):
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                answer(exchange)
        conn.close()

    def _read(self, conn: socket.socket, number: int) -> bool:
        stream = conn.makefile("rb")
        first = stream.readline().decode("latin-1").split()
        if not first:
            return False
        headers = {}
        while line := stream.readline().decode("latin-1").strip():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        body = stream.read(int(headers.get("content-length", "0")))
        self.seen.append(Seen(first[0], first[1], headers, body, number))
        return True
