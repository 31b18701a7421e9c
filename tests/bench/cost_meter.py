"""Counts what one simulated job uses, from outside: calls, steps, writes and bytes."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from batchdrop.ports import Item, Key, ObjectRef, Request, Response
from tests.simulation.asl import Execution
from tests.simulation.run import Simulation
from tests.template.translated import source

SECONDS = {"submit": 2.0, "poll": 0.4, "webhook": 0.2, "finish": 1.0}  # an assumption: billed, a small drop
LINE, INVOCATION = 450, 650  # assumed log bytes: around each line of ours; Lambda's start, end, report and our metrics
WRITES, READS = ("table.put_new", "table.update", "table.delete"), ("table.get", "table.query")


@dataclass(slots=True)
class Bill:
    """What one job used."""

    name: str
    counts: Counter[str] = field(default_factory=Counter)
    states: list[str] = field(default_factory=list)
    functions: Counter[str] = field(default_factory=Counter)
    writes: list[tuple[str, str, str]] = field(default_factory=list)  # by whom, of which item, what changed
    polls: int = 0

    def price(self, prices: Mapping[str, float]) -> float:
        return sum(self.counts[name] * price for name, price in prices.items())


class CountedHttp:
    """The way to the vendors; what goes out and comes in is counted."""

    def __init__(self, http: Any, counts: Counter[str]) -> None:
        self.http, self.counts = http, counts

    def send(self, request: Request) -> Response:
        self._count(request)
        answer: Response = self.http.send(request)
        self.counts["bytes from the vendor"] += len(answer.body)
        return answer

    def download(self, request: Request) -> Iterator[bytes]:
        self._count(request)
        for block in self.http.download(request):
            self.counts["bytes from the vendor"] += len(block)
            yield block

    def _count(self, request: Request) -> None:
        self.counts["bytes to the vendor"] += request.length or len(request.body or b"")  # type: ignore[arg-type]


class Meter:
    """Counts what a simulation does."""

    def __init__(self, simulation: Simulation, bill: Bill) -> None:
        self.simulation, self.bill = simulation, bill
        self._states_and_functions()
        self._objects()
        simulation.world.http = CountedHttp(simulation.world.http, bill.counts)
        simulation.table.watchers.append(self.written)

    def _states_and_functions(self) -> None:
        machine, cloud, bill = self.simulation.cloud.machine, self.simulation.cloud, self.bill
        run_state, run_function = machine._run, cloud.run

        def state(execution: Execution) -> None:
            bill.states.append(execution.state)
            run_state(execution)

        def function(name: str, event: dict[str, Any], answer: Callable[[Any, str], None]) -> None:
            if name != "sweep":  # it runs for all jobs together
                bill.functions[name] += 1
            run_function(name, event, answer)

        machine._run, cloud.run = state, function  # type: ignore[method-assign]

    def _objects(self) -> None:
        objects, counts = self.simulation.objects, self.bill.counts
        open_, put = objects.open, objects.put

        def opened(ref: ObjectRef, start: int = 0, end: int | None = None) -> BinaryIO:
            body = open_(ref, start, end)
            if self._is_counted():
                counts["S3 bytes read"] += len(body.getvalue())  # type: ignore[attr-defined]
            return body

        def kept(
            bucket: str, key: str, body: bytes | bytearray | BinaryIO, *, content_type: str = "", new: bool = False
        ) -> None:
            data = bytes(body) if isinstance(body, bytes | bytearray) else body.read()
            if self._is_counted():
                counts["S3 bytes written"] += len(data)
            put(bucket, key, data, content_type=content_type, new=new)

        objects.open, objects.put = opened, kept  # type: ignore[method-assign]

    def _is_counted(self) -> bool:
        task = self.simulation.kernel.current
        return task is not None and task.name != "sweep"

    def written(self, key: Key, before: Item | None, after: Item) -> None:
        task = self.simulation.kernel.current
        size = max(len(json.dumps(item)) for item in (before, after) if item is not None)
        indexed = (after.get("open") == "1") + ("listing" in after)
        self.bill.counts["write units"] += math.ceil(size / 1024) * (1 + indexed)
        names = {k for k in {*after, *(before or {})} if after.get(k) != (before or {}).get(k)}
        what = "everything" if before is None else ", ".join(sorted(names))
        self.bill.writes.append((task.name if task else "workflow", _kind(key), what))

    def read(self) -> Bill:
        """Everything counted, once the job has its report."""
        bill, simulation = self.bill, self.simulation
        ours = [(f, op.partition(" /")[0]) for f, op, _ in simulation.gate.trace.calls if f != "sweep"]
        made = Counter(op for _, op in ours)
        lines = [len(line) + LINE for line in simulation.world.log.lines if line.split(" ")[1] != "sweep"]
        counted = {
            "transitions": len(bill.states),
            "invocations": sum(bill.functions.values()),
            "GB-seconds": sum(n * memory(f) * SECONDS[f] for f, n in bill.functions.items()),
            "DynamoDB writes": sum(made[w] for w in (*WRITES, "updateItem")),
            "read units": sum(made[r] for r in READS),
            "S3 writes": sum(made[o] for o in ("objects.put", "objects.list")),
            "S3 reads": sum(made[o] for o in ("objects.open", "objects.head")),
            "vendor requests": sum(n for op, n in made.items() if op.startswith("http")),
            "SQS requests": 3,  # sent by S3 (free), received, deleted; the empty receives of an idle queue aside
            "API requests": bill.functions["webhook"],
            "events": made["events.publish"],
            "ledger bytes": sum(len(json.dumps(item)) for item in simulation.table.items.values()),
            "log bytes": sum(lines) + INVOCATION * sum(bill.functions.values()),
        }
        bill.counts.update(counted)
        bill.polls = bill.functions["poll"]
        return bill


def memory(function: str) -> float:
    """GB, of the template."""
    template = source()
    properties = template["Resources"][f"{function.title()}Function"]["Properties"]
    return float(properties.get("MemorySize", template["Globals"]["Function"]["MemorySize"])) / 1024


def _kind(key: Key) -> str:
    return "job" if key.sk == "job" else key.sk if key.sk.startswith("batch#") else key.pk.partition("#")[0]
