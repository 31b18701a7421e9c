"""The vendors in process: the strict simulators without their sockets, and the HTTP port in front of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from random import Random
from types import SimpleNamespace
from typing import Any, Protocol, cast
from unittest.mock import patch
from urllib.parse import urlsplit

from batchdrop.errors import Ambiguous, AuthExpired, ProvablyNotSent, RateLimited
from batchdrop.ports import Request, Response
from batchdrop.verdict import classify, parse_retry_after, reason, text
from local.simulators import ALL
from local.simulators.faults import Faults
from local.simulators.server import Simulator
from local.simulators.wire import Body, Call
from tests.simulation.kernel import Kernel
from tests.simulation.oneshot import OneShotVendor
from tests.simulation.world import Gate

Call_ = tuple[int, Mapping[str, str], bytes]  # status, headers (lower case), body
STATE_SECONDS = 40.0
HTML = b"<!DOCTYPE html><html><body>Something is not right</body></html>"


class Vendor(Protocol):
    """A vendor behind one or more hosts."""

    hosts: tuple[str, ...]

    def answer(self, request: Request, body: bytes) -> Call_: ...

    @property
    def commits(self) -> int:
        """How many submissions it has begun to import."""

    @property
    def created(self) -> int:
        """How many things were made there, commits aside."""

    def sent(self) -> list[str]:
        """SHA-256 of each payload it imported."""


class SimulatorVendor:
    """One of the strict simulators, on virtual time."""

    def __init__(self, kernel: Kernel, name: str, notify: Callable[[str], None], **options: Any) -> None:
        self.kernel = kernel
        self.simulator = _without_sockets(kernel, ALL[name], notify, options)
        urls = {host: h.url for host, h in self.simulator._hosts.items()}
        self._names = {urlsplit(url).netloc: host for host, url in urls.items()}
        self.hosts = tuple(self._names)

    def answer(self, request: Request, body: bytes) -> Call_:
        parts = urlsplit(request.url)
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        headers = [*request.headers.items()]
        if request.method in ("POST", "PUT") or body:
            headers.append(("Content-Length", str(len(body))))
        call = Call(self._names[parts.netloc], request.method, target, headers, Body.of(body))
        before = len(self.simulator.commits)
        reply = self.simulator.answer(call)
        if len(self.simulator.commits) > before or request.method == "PUT":
            for stage in (1, 2, 3):
                self.kernel.after(stage * self.simulator.options.seconds_per_state + 0.01, self.simulator.tick)
        found = {k.lower(): v for k, v in reply.headers.items()}
        return reply.status, found | {"content-length": str(len(reply.body))}, reply.body

    @property
    def commits(self) -> int:
        return len(self.simulator.commits)

    @property
    def created(self) -> int:
        return len(self.simulator.created)

    def sent(self) -> list[str]:
        return [commit.sha256 for commit in self.simulator.commits]


def _without_sockets(
    kernel: Kernel, kind: type[Simulator[Any]], notify: Callable[[str], None], options: dict[str, Any]
) -> Simulator[Any]:
    simulator: Simulator[Any] = object.__new__(kind)
    simulator.clock = SimpleNamespace(now=lambda: kernel.now)
    simulator.options = kind.options_type(**({"seconds_per_state": STATE_SECONDS} | options))
    simulator._initial = replace(simulator.options)
    simulator.lock, simulator.faults = threading.RLock(), Faults(kind.extra_faults)
    hosts = [(host, f"http://127.0.0.1:{5000 + n}") for n, host in enumerate((*kind.hosts, "elsewhere"))]
    simulator._hosts = cast("Any", {host: SimpleNamespace(url=url) for host, url in hosts})
    simulator.notifier = SimpleNamespace(sent=[], send=lambda *call: notify(call[3]))  # type: ignore[attr-defined]
    simulator.reset()
    return simulator


class PlainVendor:
    """The one-shot vendor of the tests."""

    created = 0

    def __init__(self, kernel: Kernel, notify: Callable[[str], None]) -> None:
        self.hosts: tuple[str, ...] = ("127.0.0.1:7000",)
        self.kernel, self.notify, self.vendor = kernel, notify, OneShotVendor()

    def answer(self, request: Request, body: bytes) -> Call_:
        before = len(self.vendor.imports)
        path = urlsplit(request.url).path
        status, answer = self.vendor.answer(request.method, path, request.headers, body, self.kernel.now)
        for taken in self.vendor.imports[before:]:
            if taken["notify"]:
                url = taken["notify"]
                self.kernel.after(self.vendor.seconds + 1, lambda url=url: self.notify(url))  # type: ignore[misc]
        return status, {}, json.dumps(answer).encode()

    @property
    def commits(self) -> int:
        return len(self.vendor.imports)

    def sent(self) -> list[str]:
        return []


class Observer(Protocol):
    """Who wants to know what reaches a vendor."""

    def before(self, request: Request) -> Any: ...
    def after(self, request: Request, seen: Any, commits: int, created: int, status: int) -> None: ...


@dataclass(slots=True)
class SimulatedHttp:
    """`ports.Http`: the same errors from the same table, without a network."""

    gate: Gate
    vendors: list[Vendor]
    observer: Observer

    def send(self, request: Request) -> Response:
        status, headers, body = self._exchange(request)
        return Response(status, headers, body)

    def download(self, request: Request) -> Iterator[bytes]:
        _, _, body = self._exchange(request)
        yield body

    def _exchange(self, request: Request) -> Call_:
        body = request.body if isinstance(request.body, bytes | None) else request.body.read()
        operation = f"http {request.method} {urlsplit(request.url).path}"
        fault = self.gate.enter(operation, "http")
        task = self.gate.kernel.current
        if fault == "refused" or self.gate.is_away(operation) or (task and task.ends_at - self.gate.kernel.now <= 10):
            raise ProvablyNotSent(text(request, "not sent"))
        if fault == "reset_before":
            raise Ambiguous(text(request, "the connection was closed"))
        if fault == "limited":
            raise RateLimited(text(request, reason(429)), after=20.0)
        if fault == "expired":
            raise AuthExpired(text(request, reason(401)), status=401)
        seen = self.observer.before(request)
        if fault == "late":
            self.gate.kernel.after(60.0, lambda: self._deliver_late(request, body or b"", seen))
            raise Ambiguous(text(request, "it took too long"))
        answer = self._deliver(request, body or b"", seen)
        if fault == "crash_after":
            self.gate.kernel.crash()
        if fault == "reset_after":
            raise Ambiguous(text(request, "the connection was closed"))
        if fault == "unreadable" and answer[0] < 300:
            return 200, {}, HTML
        return self._judged(request, answer)

    def _deliver_late(self, request: Request, body: bytes, seen: Any) -> None:
        self._deliver(request, body, seen)

    def _deliver(self, request: Request, body: bytes, seen: Any) -> Call_:
        vendor = next(v for v in self.vendors if urlsplit(request.url).netloc in v.hosts)
        commits, created = vendor.commits, vendor.created
        answer = vendor.answer(request, body)
        self.observer.after(request, seen, vendor.commits - commits, vendor.created - created, answer[0])
        return answer

    def _judged(self, request: Request, answer: Call_) -> Call_:
        status, headers, body = answer
        after = parse_retry_after(headers.get("retry-after"), self.gate.kernel.now)
        kind = classify(status, retry_after=after)
        if kind is RateLimited:
            raise RateLimited(text(request, reason(status)), after=after, status=status, body=body)
        if kind is not None:
            raise kind(text(request, reason(status)), status=status, body=body)
        task = self.gate.kernel.current
        if task is not None and request.method == "GET":
            task.asked += 1
        return answer


def steadied(rng: Random, fetch: Callable[[str], tuple[int, bytes]]) -> list[Any]:
    """Patches that take chance, threads and the network out of the simulators."""

    class Inline:
        """A thread that has run by the time it was started."""

        def __init__(self, target: Callable[..., None], args: tuple[Any, ...] = (), **_: Any) -> None:
            self.start = lambda: target(*args)

        def join(self) -> None:
            pass

    chance = SimpleNamespace(
        token_hex=lambda n: rng.randbytes(n).hex(),
        token_urlsafe=lambda n: rng.randbytes(n).hex(),
        token_bytes=rng.randbytes,
    )
    places = ("datagroup", "haplo", "ometria", "signed_url")
    patches: list[Any] = [patch(f"local.simulators.{place}.secrets", chance) for place in places]
    patches.append(patch("local.simulators.sherpa.uuid", SimpleNamespace(uuid4=lambda: rng.randbytes(16).hex())))
    inline = SimpleNamespace(Thread=Inline, RLock=threading.RLock)
    patches.append(patch("local.simulators.sherpa.threading", inline))
    patches.append(patch("local.simulators.sherpa.call_out", lambda _m, url, _b=None, **_: fetch(url)))
    return patches
