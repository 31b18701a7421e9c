"""The platform around the functions: queue, schedule, event rule, callbacks, and the functions' own life."""

from __future__ import annotations

import importlib.util
import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from urllib.parse import quote_plus, urlsplit

from batchdrop.destinations import datagroup
from batchdrop.ports import Key
from tests.simulation.asl import Answer, Execution, Machine, condition_holds, typed
from tests.simulation.kernel import Kernel, Task
from tests.simulation.memory import MemoryObjects, MemoryTable
from tests.simulation.world import Gate, SimulatedWorld

FUNCTIONS = Path(__file__).parents[2] / "functions"
DROPS, RESULTS = "drops-bucket", "results-bucket"
VISIBILITY, MOST_RECEIVES = 5400.0, 3
SWEEP_EVERY = 900.0
TIMEOUTS = {"submit": 900.0, "poll": 300.0, "webhook": 10.0, "finish": 900.0, "sweep": 600.0}
NAMES = {"${PollFunctionArn}": "poll", "${SubmitFunctionArn}": "submit", "${FinishFunctionArn}": "finish"}
DIED = ("FAILED", "ABORTED", "TIMED_OUT")
Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


@cache
def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"simulated_{name}", FUNCTIONS / name / "app.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if hasattr(module, "logger"):
        module.__dict__["logger"] = SimpleNamespace(info=lambda *_, **__: None)
    return module


@dataclass(slots=True)
class Message:
    """One message of the drop queue."""

    id: str
    body: str
    receives: int = 0


class Context:
    """What Lambda hands a handler."""

    def __init__(self, kernel: Kernel, task: Task) -> None:
        self._kernel, self._task = kernel, task
        self.aws_request_id = task.owner

    def get_remaining_time_in_millis(self) -> int:
        return int((self._task.ends_at - self._kernel.now) * 1000)


class Cloud:
    """Everything that calls the functions."""

    def __init__(self, kernel: Kernel, gate: Gate, table: MemoryTable, objects: MemoryObjects) -> None:
        self.kernel, self.gate, self.table, self.objects = kernel, gate, table, objects
        self.machine = Machine(kernel, self)
        self.machine.told.append(self._execution_ended)
        self.world: SimulatedWorld | None = None
        self.dead_letters: list[Message] = []
        self.waiting: set[str] = set()  # messages that are neither taken nor dead
        self.answers: list[int] = []  # of the callback endpoint
        self.rule_works = True
        self._begun = 0
        self._sequence = 0

    # --- functions ---

    def run(self, name: str, event: dict[str, Any], answer: Answer) -> None:
        """One invocation of a function, to its answer, its failure or its end."""
        assert self.world is not None
        module = _module(name)
        module.__dict__["world"] = self.world
        handler: Handler = inspect.unwrap(module.lambda_handler)
        self._begun += 1
        now, rng = self.kernel.now, self.kernel.rng
        ends = now + TIMEOUTS[name]
        task = Task(name, f"request-{self._begun}", lambda: None, ends, ends + rng.choice((0.5, 30.0)))

        def body() -> None:
            outcome: tuple[Any, str] = (None, "Sandbox.Timedout")
            try:
                outcome = (handler(json.loads(json.dumps(event)), Context(self.kernel, task)), "")
            except Exception as error:  # noqa: BLE001 - what a handler raises is the platform's to report
                if self.world is not None:
                    self.world.log.warning("function failed", error=repr(error))
                outcome = (None, "Failed")
            finally:
                if task.dead:
                    datagroup._tokens.clear()  # the process is gone, and what it kept with it
                self.kernel.after(rng.uniform(0.01, 0.2), lambda: answer(*outcome))

        task.body = body
        self.kernel.spawn(task)

    def invoke(self, function: str, payload: Any, answer: Answer) -> None:
        """The workflow's call of a function."""
        name = NAMES[function]
        number = self.gate.trace.add("workflow", f"invoke {name}", "invoke")
        fault = self.gate.plan.fault(number, "invoke")
        if fault == "not_started":
            answer(None, "Lambda.TooManyRequestsException")
            return
        if fault == "twice":
            self.run(name, payload, lambda _result, _error: None)
        if fault == "reply_lost":
            self.run(name, payload, lambda _result, _error: None)
            self.kernel.after(1.0, lambda: answer(None, "Lambda.SdkClientException"))
            return
        self.run(name, payload, answer)

    def update_item(self, arguments: Mapping[str, Any]) -> str:
        """The workflow's own write to the ledger."""
        key = Key(*(str(typed(arguments["Key"][k])) for k in ("pk", "sk")))
        values = {k: typed(v) for k, v in arguments["ExpressionAttributeValues"].items()}
        number = self.gate.trace.add("workflow", "updateItem", "write")
        fault = self.gate.plan.fault(number, "write")
        if fault in ("crash_before", "error_before"):
            return "DynamoDb.ProvisionedThroughputExceededException"
        if not condition_holds(arguments.get("ConditionExpression", ""), self.table.items.get(key), values):
            return "DynamoDb.ConditionalCheckFailedException"
        changes = {}
        for part in arguments["UpdateExpression"].removeprefix("SET ").split(", "):
            name, _, value = part.partition(" = ")
            changes[name] = values[value]
        self.table.update(key, changes)
        return "DynamoDb.InternalServerError" if fault in ("crash_after", "error_after") else ""

    # --- drops ---

    def put(self, key: str, data: bytes, *, events: int = 1) -> str:
        """Drop an object; S3 tells of it so often (0: the event is lost)."""
        self.objects.put(DROPS, key, data)
        version = self.objects.stored[DROPS, key][-1][0]
        self._sequence += 1
        for _ in range(events):
            self.tell(key, version, len(data), f"{self._sequence:016X}")
        return version

    def tell(self, key: str, version: str, size: int, sequencer: str = "", delay: float | None = None) -> None:
        """One event of an object's creation on its way to the queue."""
        record = {
            "eventName": "ObjectCreated:Put",
            "s3": {
                "bucket": {"name": DROPS},
                "object": {"key": quote_plus(key), "versionId": version, "size": size, "sequencer": sequencer},
            },
        }
        self._begun += 1
        message = Message(f"m{self._begun}", json.dumps({"Records": [record]}))
        self.waiting.add(message.id)
        self.kernel.after(self.kernel.rng.uniform(0.5, 2.0) if delay is None else delay, lambda: self._receive(message))

    def _receive(self, message: Message) -> None:
        if message.receives >= MOST_RECEIVES:
            self.dead_letters.append(message)
            self.waiting.discard(message.id)
            return
        message.receives += 1
        received, event = self.kernel.now, {"Records": [{"messageId": message.id, "body": message.body}]}

        def answer(result: Any, error: str) -> None:
            failed = error or any(f["itemIdentifier"] == message.id for f in result["batchItemFailures"])
            if failed:
                self.kernel.after(received + VISIBILITY - self.kernel.now, lambda: self._receive(message))
            else:
                self.waiting.discard(message.id)

        self.run("submit", event, answer)

    def redrive_dead_letters(self) -> None:
        messages, self.dead_letters = self.dead_letters, []
        for message in messages:
            message.receives = 0
            self.waiting.add(message.id)
            self._receive(message)

    # --- callbacks ---

    def call_back(self, url: str, method: str = "POST") -> None:
        token = urlsplit(url).path.rpartition("/")[2]
        event = {"requestContext": {"http": {"method": method}}, "pathParameters": {"token": token}, "body": "{}"}
        self.run("webhook", event, lambda result, error: self.answers.append(502 if error else result["statusCode"]))

    # --- the second net ---

    def sweep_on(self) -> None:
        """Sweep now, and then on schedule."""
        self.sweep()
        self.kernel.after(SWEEP_EVERY, self.sweep_on)

    def sweep(self) -> None:
        self._asynchronously("sweep", {"source": "aws.events", "detail-type": "Scheduled Event"})

    def _execution_ended(self, execution: Execution) -> None:
        if execution.status in DIED and self.rule_works:
            detail = {"name": execution.name, "status": execution.status}
            event = {"detail-type": "Step Functions Execution Status Change", "detail": detail}
            self.kernel.after(1.0, lambda: self._asynchronously("sweep", event))

    def _asynchronously(self, name: str, event: dict[str, Any], tries: int = 3) -> None:
        def answer(_result: Any, error: str) -> None:
            if error and tries > 1:
                self.kernel.after(60.0, lambda: self._asynchronously(name, event, tries - 1))

        self.run(name, event, answer)
