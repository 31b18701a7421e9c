"""The simulated `World`: every effect is a numbered call at which a fault may strike."""

from __future__ import annotations

import io
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol, TypeVar

from batchdrop.errors import ConditionFailed, RouteError, SecretError
from batchdrop.ledger import Ledger
from batchdrop.ports import Expect, Http, Item, Key, ObjectRef, Objects, Table, Upload, Workflow
from batchdrop.wiring import LambdaInvocation
from batchdrop.world import Settings
from tests.simulation.faults import Outage, Plan, Trace
from tests.simulation.kernel import Kernel
from tests.simulation.memory import MemoryObjects, MemoryTable

T = TypeVar("T")
WITHOUT_STORAGE = ("poll", "webhook")  # functions whose role has no right on S3
PAUSES = {"delay": 400.0, "zombie": 1100.0}  # seconds: within an invocation's time, and beyond any lease


class ServiceTrouble(Exception):
    """An AWS service throttles, is away, or its answer was lost: what boto3 would raise."""


class Executions(Protocol):
    """What the workflow's port needs of the machine."""

    def start(self, name: str, job_id: str) -> None: ...
    def wake(self, token: str) -> bool: ...
    def is_running(self, name: str) -> bool: ...


class Gate:
    """The one way out of the code under test: time passes, faults strike, the call is counted."""

    def __init__(self, kernel: Kernel, plan: Plan, outages: Sequence[Outage] = ()) -> None:
        self.kernel, self.plan, self.outages = kernel, plan, list(outages)
        self.trace = Trace()
        self.denied: list[str] = []

    def call(self, operation: str, sort: str, effect: Callable[[], T]) -> T:
        """Carry out one call of an AWS service."""
        task = self.kernel.current
        if task is None:
            return effect()
        if operation.startswith("objects.") and task.name in WITHOUT_STORAGE:
            self.denied.append(f"{task.name} has no right to {operation}")
            raise ServiceTrouble(self.denied[-1])
        fault = self.enter(operation, sort)
        if fault == "error_before" or self.is_away(operation):
            raise ServiceTrouble(operation)
        result = effect()
        if fault == "repeat":
            result = effect()
        if fault == "crash_after":
            self.kernel.crash()
        if fault == "error_after":
            raise ServiceTrouble(operation)
        return result

    def enter(self, operation: str, sort: str) -> str:
        """Count a call and let its time pass; returns the fault that strikes after that."""
        task, rng = self.kernel.current, self.kernel.rng
        number = self.trace.add(task.name if task else "", operation, sort)
        fault = self.plan.fault(number, sort)
        if fault == "zombie" and task is not None:
            task.dies_at = float("inf")
        self.kernel.sleep(rng.uniform(0.002, 0.03) + PAUSES.get(fault, 0.0))
        if fault == "crash_before":
            self.kernel.crash()
        return fault

    def is_away(self, operation: str) -> bool:
        return any(operation.startswith(o.service) and o.begins <= self.kernel.now < o.ends for o in self.outages)


@dataclass(slots=True)
class GatedTable:
    gate: Gate
    table: MemoryTable

    def get(self, key: Key) -> Item | None:
        return self.gate.call("table.get", "read", lambda: self.table.get(key))

    def put_new(self, key: Key, item: Item) -> None:
        self.gate.call("table.put_new", "write", lambda: self.table.put_new(key, item))

    def update(
        self,
        key: Key,
        set_: Mapping[str, object],
        *,
        remove: Sequence[str] = (),
        add: Mapping[str, int] | None = None,
        expect: Mapping[str, Expect] | None = None,
    ) -> Item:
        def effect() -> Item:
            return self.table.update(key, set_, remove=remove, add=add, expect=expect)

        return self.gate.call("table.update", "write", effect)

    def query(self, pk: str, sk_prefix: str = "") -> list[Item]:
        return self.gate.call("table.query", "read", lambda: self.table.query(pk, sk_prefix))

    def query_index(
        self, index: str, value: str, *, limit: int = 100, newest_first: bool = True, since: int = 0
    ) -> list[Item]:
        def effect() -> list[Item]:
            return self.table.query_index(index, value, limit=limit, newest_first=newest_first, since=since)

        return self.gate.call("table.query_index", "read", effect)

    def delete(self, key: Key) -> None:
        self.gate.call("table.delete", "write", lambda: self.table.delete(key))


class SlowStream(io.BytesIO):
    """Bytes that take their time: so many seconds a read."""

    def __init__(self, data: bytes, kernel: Kernel, seconds: float) -> None:
        super().__init__(data)
        self._kernel, self._seconds = kernel, seconds

    def read(self, size: int | None = -1) -> bytes:
        self._kernel.sleep(self._seconds)
        return super().read(size)


@dataclass(slots=True)
class GatedObjects:
    gate: Gate
    objects: MemoryObjects
    seconds_per_read: float = 0.0  # of a drop, by the submit function
    seconds_to_finish: float = 0.0  # a read of anything, by the finish function

    def open(self, ref: ObjectRef, start: int = 0, end: int | None = None) -> BinaryIO:
        stream = self.gate.call("objects.open", "read", lambda: self.objects.open(ref, start, end))
        seconds = self._seconds(ref)
        return SlowStream(stream.read(), self.gate.kernel, seconds) if seconds else stream

    def _seconds(self, ref: ObjectRef) -> float:
        task = self.gate.kernel.current
        if task is not None and task.name == "finish":
            return self.seconds_to_finish
        return self.seconds_per_read if task and task.name == "submit" and ref.key.startswith("drops/") else 0.0

    def head(self, ref: ObjectRef) -> ObjectRef:
        return self.gate.call("objects.head", "read", lambda: self.objects.head(ref))

    def list(self, bucket: str, prefix: str) -> Iterable[ObjectRef]:
        return self.gate.call("objects.list", "read", lambda: list(self.objects.list(bucket, prefix)))

    def versions(self, bucket: str, prefix: str, *, after: str = "") -> Iterable[ObjectRef]:
        def effect() -> list[ObjectRef]:
            return list(self.objects.versions(bucket, prefix, after=after))

        return self.gate.call("objects.versions", "read", effect)

    def put(
        self,
        bucket: str,
        key: str,
        body: bytes | bytearray | BinaryIO,
        *,
        content_type: str = "",
        new: bool = False,
    ) -> None:
        data = bytes(body) if isinstance(body, bytes | bytearray) else body.read()
        self.gate.call("objects.put", "write", lambda: self.objects.put(bucket, key, data, new=new))

    def put_stream(self, bucket: str, key: str, chunks: Iterator[bytes], *, content_type: str = "") -> int:
        data = b"".join(chunks)
        self.put(bucket, key, data)
        return len(data)

    def begin(self, bucket: str, key: str, *, content_type: str = "") -> Upload:
        return self.gate.call("objects.begin", "write", lambda: self.objects.begin(bucket, key))

    def add(self, upload: Upload, number: int, block: bytes) -> str:
        return self.gate.call("objects.add", "write", lambda: self.objects.add(upload, number, block))

    def complete(self, upload: Upload, marks: Sequence[str]) -> None:
        self.gate.call("objects.complete", "write", lambda: self.objects.complete(upload, marks))

    def delete(self, bucket: str, key: str) -> None:
        self.gate.call("objects.delete", "write", lambda: self.objects.delete(bucket, key))

    def signed_url(self, bucket: str, key: str, seconds: int) -> str:
        return self.objects.signed_url(bucket, key, seconds)  # signed in process, no call


@dataclass(slots=True)
class GatedWorkflow:
    gate: Gate
    executions: Executions

    def start(self, name: str, job_id: str) -> None:
        self.gate.call("workflow.start", "write", lambda: self.executions.start(name, job_id))

    def wake(self, token: str) -> bool:
        return self.gate.call("workflow.wake", "write", lambda: self.executions.wake(token))

    def is_running(self, name: str) -> bool:
        return self.gate.call("workflow.is_running", "read", lambda: self.executions.is_running(name))


@dataclass(slots=True)
class SimulatedSecrets:
    gate: Gate
    held: dict[str, dict[str, str]]

    def get(self, name: str, *, fresh: bool = False) -> Mapping[str, str]:
        found = self.gate.call("secrets.get", "read", lambda: dict(self.held.get(name, {})))
        if not found:
            raise SecretError(f'secret "{name}" cannot be read')
        return found


@dataclass(slots=True)
class SimulatedRoutes:
    gate: Gate
    held: dict[str, dict[str, object]]

    def get(self, name: str) -> Mapping[str, object]:
        found = self.gate.call("routes.get", "read", lambda: dict(self.held.get(name, {})))
        if not found:
            raise RouteError(f'there is no route "{name}"')
        return found


@dataclass(slots=True)
class SimulatedClock:
    kernel: Kernel
    skew: float = 0.0  # how wrong the machines' clocks are

    def now(self) -> float:
        return self.kernel.now + self.skew


@dataclass(slots=True)
class SimulatedRng:
    kernel: Kernel

    def token(self) -> str:
        return f"{self.kernel.rng.getrandbits(128):032x}"

    def uniform(self, low: float, high: float) -> float:
        return self.kernel.rng.uniform(low, high)


@dataclass(slots=True)
class SimulatedEvents:
    gate: Gate
    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def publish(self, kind: str, detail: Mapping[str, object]) -> None:
        self.gate.call("events.publish", "write", lambda: self.told.append((kind, dict(detail))))


@dataclass(slots=True)
class Notes:
    """Metrics and log in one: counted and kept in process, no calls."""

    kernel: Kernel
    counted: dict[str, int] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)

    def count(self, name: str, value: int = 1) -> None:
        self.counted[name] = self.counted.get(name, 0) + value

    def info(self, message: str, **fields: object) -> None:
        self._add("info", message, fields)

    def warning(self, message: str, **fields: object) -> None:
        self._add("warning", message, fields)

    def exception(self, message: str, **fields: object) -> None:
        self._add("exception", f"{message} {traceback.format_exc(limit=-3)}", fields)

    def _add(self, level: str, message: str, fields: Mapping[str, object]) -> None:
        task = self.kernel.current
        self.lines.append(f"{self.kernel.now:.3f} {task.name if task else '-'} {level} {message} {dict(fields)}")


class SimulatedWorld:
    """`batchdrop.world.World`, and what `wiring.world` has beside it."""

    def __init__(
        self,
        gate: Gate,
        table: Table,
        objects: Objects,
        workflow: Workflow,
        http: Http,
        secrets: SimulatedSecrets,
        routes: SimulatedRoutes,
        settings: Settings,
    ) -> None:
        self.clock = SimulatedClock(gate.kernel)
        self.ledger = Ledger(table, self.clock)
        self.objects, self.workflow, self.http = objects, workflow, http
        self.secrets, self.routes, self.settings = secrets, routes, settings
        self.rng = SimulatedRng(gate.kernel)
        self.events = SimulatedEvents(gate)
        self.metrics = self.log = Notes(gate.kernel)

    def begin(self, context: Any) -> LambdaInvocation:
        return LambdaInvocation(context)


__all__ = ["ConditionFailed", "Gate", "ServiceTrouble", "SimulatedWorld"]
