"""The frame of all vendor simulators: endpoints, request log, faults, violations, ledgers and the control API.

A simulator is a real HTTP server on loopback. It does what the vendor's page says, refuses what the page does not
allow and writes each breach down in `violations`, which a test asserts to be empty. In process it is a context
manager with attributes; from outside it is steered through `/_sim/…`, see `control.py`.
"""

from __future__ import annotations

import re
import tempfile
import threading
import traceback
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Generic, Self, TypeVar

from local.simulators.clock import Clock, RealClock
from local.simulators.control import PREFIX, control
from local.simulators.faults import Fault, Faults, carry_out
from local.simulators.records import Commit, Created, Request, Violation
from local.simulators.wire import Call, Host, Reply

TICK = 0.02


@dataclass(slots=True)
class Options:
    """What every simulator can be told: how long each state of a submission lasts."""

    seconds_per_state: float = 0.3


O = TypeVar("O", bound=Options)  # noqa: E741 - the options of one vendor


class Refusal(Exception):
    """The vendor says no. A `rule` makes it a violation of the client's; `reply` replaces the vendor's usual body."""

    def __init__(self, status: int, message: str, rule: str = "", reply: Reply | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.rule = rule
        self.reply = reply


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One documented request. `{name}` in the path matches one segment; `name` of the endpoint selects the handler."""

    name: str
    method: str
    path: str
    host: str = "api"

    def match(self, path: str) -> dict[str, str] | None:
        pattern = re.sub(r"\\{(\w+)\\}", r"(?P<\1>[^/]+)", re.escape(self.path))
        found = re.fullmatch(pattern, path)
        return None if found is None else found.groupdict()


class Simulator(ABC, Generic[O]):
    """Base of the vendors' simulators. A subclass names its endpoints and has a method `on_<endpoint>` for each."""

    vendor: ClassVar[str]
    endpoints: ClassVar[tuple[Endpoint, ...]]
    hosts: ClassVar[tuple[str, ...]] = ("api",)
    extra_faults: ClassVar[Mapping[str, str]] = {}
    options_type: ClassVar[type[Options]] = Options

    def __init__(self, *, clock: Clock | None = None, port: int = 0, **options: Any) -> None:
        self.clock: Clock = clock or RealClock()
        self.options: O = self.options_type(**options)  # type: ignore[assignment]
        self._initial = replace(self.options)
        self.lock = threading.RLock()
        self.faults = Faults(self.extra_faults)
        self.reset()
        self._workdir = tempfile.TemporaryDirectory(prefix=f"simulator-{self.vendor}-")
        self._hosts = {name: self._open(name, port if name == "api" else 0) for name in self.hosts}
        self._stop = threading.Event()
        self._ticker = threading.Thread(target=self._tick_on, daemon=True, name=f"simulator-{self.vendor}-tick")
        self._ticker.start()

    # --- life ---

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Close the servers and forget the bodies kept on disk; what was written down stays readable."""
        self._stop.set()
        self._ticker.join()
        for host in self._hosts.values():
            host.stop()
        self._workdir.cleanup()

    def reset(self) -> None:
        """As new: no log, no faults, no ledgers, the options it was started with."""
        with self.lock:
            self.faults.clear()
            self.options = replace(self._initial)
            self.requests: list[Request] = []
            self.violations: list[Violation] = []
            self.created: list[Created] = []
            self.commits: list[Commit] = []
            self.clear()

    # --- for tests and tools ---

    @property
    def url(self) -> str:
        """Where the API is, without a path."""
        return self._hosts["api"].url

    def host_url(self, name: str) -> str:
        """One of `hosts`, or `elsewhere`: a host no client has business with, opened when first asked for."""
        with self.lock:
            if name not in self._hosts:
                self._hosts[name] = self._open(name)
            return self._hosts[name].url

    def fault(self, kind: str, endpoint: str = "*", *, count: int = 1, value: Any = None, acts: bool = False) -> None:
        """Queue misbehaviour for the next `count` calls of an endpoint; `ValueError` for an unknown kind."""
        self.faults.add(Fault(kind, endpoint, count, value, acts))

    def calls(self, endpoint: str) -> list[Request]:
        """The logged requests of one endpoint."""
        return [request for request in list(self.requests) if request.endpoint == endpoint]

    @property
    def commits_by_sha(self) -> Counter[str]:
        """How often each payload was committed; more than once means: imported twice."""
        with self.lock:
            return Counter(commit.sha256 for commit in self.commits if commit.sha256)

    @property
    def received_records(self) -> list[Any]:
        """The records of all commits, in order."""
        with self.lock:
            return [record for commit in self.commits for record in self.records_of(commit)]

    def files_on_disk(self) -> int:
        """How many large bodies are kept."""
        return len(list(Path(self._workdir.name).iterdir()))

    def state(self) -> dict[str, Any]:
        """All that is known, as JSON: for people and for tests in another process."""
        with self.lock:
            self.tick()
            return {
                "vendor": self.vendor,
                "url": self.url,
                "options": asdict(self.options),
                "violations": [asdict(violation) for violation in self.violations],
                "created": [asdict(created) for created in self.created],
                "commits": [commit.as_dict() for commit in self.commits],
                "faults": self.faults.as_list(),
                "requests": len(self.requests),
            } | self.describe()

    @abstractmethod
    def example(self) -> dict[str, Any]:
        """`{"url", "route", "secret"}`: a route and its secret that work with this simulator as they stand."""

    # --- for the vendor's own code ---

    def clear(self) -> None:
        """Forget the vendor's state."""

    def tick(self) -> None:
        """Do what is due by the clock; called under the lock, often."""

    def describe(self) -> dict[str, Any]:
        """What the vendor adds to `state`."""
        return {}

    @abstractmethod
    def records_of(self, commit: Commit) -> list[Any]:
        """The records that a commit brought."""

    def error(self, status: int, message: str) -> Reply:
        """The vendor's shape of an error."""
        return Reply.json({"message": message}, status)

    def check(self, call: Call, endpoint: Endpoint) -> None:
        """What holds for all of the vendor's requests: credentials, headers. Raises `Refusal`."""

    def make(self, kind: str, identifier: str) -> str:
        """Write down that something was created; returns its identifier."""
        self.created.append(Created(kind, identifier, self.clock.now()))
        return identifier

    def violate(self, request: int, endpoint: str, rule: str, message: str) -> None:
        """Write down a breach in the request of this number, also where the vendor itself would let it pass."""
        self.violations.append(Violation(request, endpoint, rule, message))

    # --- one request ---

    def _open(self, name: str, port: int = 0) -> Host:
        return Host(name, self.answer, Path(self._workdir.name), port)

    def answer(self, call: Call) -> Reply:
        """Log the call, find its endpoint, apply a queued fault, and let the vendor's code answer."""
        if call.host == "api" and call.path.startswith(PREFIX):
            return control(self, call)
        endpoint, refusal = self._find(call)
        with self.lock:
            call.number = len(self.requests) + 1
            entry = Request.of(call, endpoint.name, self.clock.now())
            self.requests.append(entry)
        reply = self._reply(call, endpoint, refusal, entry)
        entry.status = 0 if reply.drop else reply.status
        return reply

    def _reply(self, call: Call, endpoint: Endpoint, refusal: Refusal | None, entry: Request) -> Reply:
        fault = self.faults.take_wire(endpoint.name) if refusal is None else None

        def act() -> Reply:
            return self._act(call, endpoint, refusal)

        if fault is None:
            return act()
        entry.fault = fault.kind
        elsewhere = self.host_url("elsewhere") + "/" if fault.kind == "redirect" else ""
        return carry_out(fault, act, lambda status: self.error(status, "as ordered"), elsewhere)

    def _find(self, call: Call) -> tuple[Endpoint, Refusal | None]:
        """The endpoint (its path parameters go into the call), or the refusal of a request that no page describes."""
        if call.host == "elsewhere":
            unknown = Endpoint("elsewhere", call.method, call.path, call.host)
            return unknown, Refusal(404, "nothing here", "other_host")
        methods = []
        for endpoint in self.endpoints:
            params = endpoint.match(call.path) if endpoint.host == call.host else None
            if params is not None and endpoint.method == call.method:
                call.params = params
                return endpoint, None
            methods += [] if params is None else [endpoint.method]
        unknown = Endpoint("unknown", call.method, call.path, call.host)
        if methods:
            return unknown, Refusal(405, f"{call.method} here; the page has {', '.join(methods)}", "method")
        return unknown, Refusal(404, f"no such path: {call.method} {call.path}", "path")

    def _act(self, call: Call, endpoint: Endpoint, refusal: Refusal | None) -> Reply:
        with self.lock:
            try:
                return self._checked(call, endpoint, refusal)
            except Refusal as no:
                if no.rule:
                    self.violate(call.number, endpoint.name, no.rule, no.message)
                return no.reply or self.error(no.status, no.message)
            except Exception:  # noqa: BLE001 - a fault of the simulator itself: shown to whoever runs the test
                self.violate(call.number, endpoint.name, "simulator_bug", traceback.format_exc())
                return Reply.text(traceback.format_exc(), 500)

    def _checked(self, call: Call, endpoint: Endpoint, refusal: Refusal | None) -> Reply:
        if refusal is not None:
            raise refusal
        self.tick()
        self._check_length(call)
        self.check(call, endpoint)
        reply: Reply = getattr(self, f"on_{endpoint.name}")(call)
        return reply

    @staticmethod
    def _check_length(call: Call) -> None:
        """A body must come with its length: a signed upload URL refuses anything else."""
        if call.chunked:
            raise Refusal(411, "Transfer-Encoding: chunked where a Content-Length is due", "chunked")
        if call.method in ("POST", "PUT") and not call.header("Content-Length"):
            raise Refusal(411, "no Content-Length", "length")

    def _tick_on(self) -> None:
        while not self._stop.wait(TICK):
            with self.lock:
                self.tick()
