"""An interpreter of the real state machine: the state types it uses, JSONata, retries, catches, time-outs, tokens."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, reduce
from pathlib import Path
from typing import Any, Protocol

import jsonata

from tests.simulation.kernel import Kernel

FILE = Path(__file__).parents[2] / "functions" / "workflow" / "job.asl.yaml"
HISTORY_LIMIT = 25_000
NAME_KEPT = 90 * 86400  # seconds after its end in which an execution's name cannot be used again
_EVENTS = {"Task": 5, "Wait": 2, "Choice": 2, "Pass": 2, "Map": 5, "Succeed": 2, "Fail": 2}

Answer = Callable[[Any, str], None]  # result, or the name of an error


class Services(Protocol):
    """What the machine's tasks may call."""

    def invoke(self, function: str, payload: Any, answer: Answer) -> None: ...
    def update_item(self, arguments: Mapping[str, Any]) -> str:
        """Carry out the update; the name of an error, or nothing."""


def definition() -> dict[str, Any]:
    """The machine as it is deployed, with the template's names left in place of ARNs."""
    found: dict[str, Any] = json.loads(FILE.read_text())
    return found


@cache
def _compiled(expression: str) -> jsonata.Jsonata:
    return jsonata.Jsonata(expression)


def evaluate(value: Any, states: Mapping[str, Any]) -> Any:
    """A value with its `{% … %}` expressions carried out."""
    if isinstance(value, dict):
        return {k: evaluate(v, states) for k, v in value.items()}
    if isinstance(value, list):
        return [evaluate(v, states) for v in value]
    if isinstance(value, str) and value.startswith("{%") and value.endswith("%}"):
        return _carried_out(value[2:-2].strip(), states)
    return value


_known: dict[tuple[Any, ...], Any] = {}


def _carried_out(expression: str, states: Mapping[str, Any]) -> Any:
    """What the expression comes to; looked up where all that it names has been seen with these values."""
    named = [_at(states, path) for path in _paths(expression)]
    key = (expression, *named) if all(isinstance(v, str | int) for v in named) else None
    if key in _known:
        return _known[key]
    compiled = _compiled(expression)
    frame = compiled.create_frame()
    frame.bind("states", states)
    found = compiled.evaluate(None, frame)
    if key:
        _known[key] = found
    return found


def _at(states: Any, path: list[str]) -> Any:
    return reduce(lambda at, name: at.get(name), path, states)


@cache
def _paths(expression: str) -> list[list[str]]:
    return [path.split(".")[1:] for path in re.findall(r"\$states((?:\.\w+)+)", expression)]


@dataclass(slots=True)
class Execution:
    """One run of the machine."""

    name: str
    input: Any
    started: float
    status: str = "RUNNING"
    state: str = ""
    events: int = 1
    turn: int = 0  # an answer to an earlier turn comes too late
    retries: dict[int, int] = field(default_factory=dict)
    token: str = ""
    ended: float = 0.0
    error: str = ""
    children: list[Child] = field(default_factory=list)  # those of the Map it is in


@dataclass(slots=True)
class Child(Execution):
    """One item of a distributed Map: an execution of the states inside it."""

    states: dict[str, Any] = field(default_factory=dict)
    then: Callable[[], None] = lambda: None


class Machine:
    """All executions. `told(execution)` is called when one ends."""

    def __init__(self, kernel: Kernel, services: Services, asl: dict[str, Any] | None = None) -> None:
        self.kernel, self.services = kernel, services
        self.asl = asl or definition()
        self.executions: dict[str, Execution] = {}
        self.told: list[Callable[[Execution], None]] = []
        self.children: list[Child] = []

    # --- the API ---

    def start(self, name: str, job_id: str, given: Any = None) -> None:
        """Start an execution; somebody may start one by hand, `given` anything."""
        found = self.executions.get(name)
        if found and (found.status == "RUNNING" or self.kernel.now - found.ended < NAME_KEPT):
            return
        execution = Execution(name, {"job_id": job_id} if given is None else given, self.kernel.now)
        self.executions[name] = execution
        self._limit(execution)
        self._enter(execution, self.asl["StartAt"], execution.input)

    def wake(self, token: str) -> bool:
        for execution in self.executions.values():
            if token and execution.token == token and execution.status == "RUNNING":
                self._result(execution, execution.turn, {}, "")
                return True
        return False

    def is_running(self, name: str) -> bool:
        return name in self.executions and self.executions[name].status == "RUNNING"

    def abort(self, name: str) -> None:
        if self.is_running(name):
            self._end(self.executions[name], "ABORTED")

    def redrive(self, name: str) -> None:
        """Go on where it failed."""
        execution = self.executions[name]
        if execution.status not in ("FAILED", "ABORTED", "TIMED_OUT"):
            return
        execution.status, execution.retries = "RUNNING", {}
        again = execution.state if self._state(execution)["Type"] != "Fail" else "Finish"
        self._limit(execution)
        self._enter(execution, again, execution.input)

    # --- states ---

    def _state(self, execution: Execution) -> dict[str, Any]:
        states = execution.states if isinstance(execution, Child) else self.asl["States"]
        found: dict[str, Any] = states[execution.state]
        return found

    def _limit(self, execution: Execution) -> None:
        if limit := self.asl.get("TimeoutSeconds"):
            self.kernel.after(limit, lambda: self._end(execution, "TIMED_OUT"))

    def _enter(self, execution: Execution, state: str, given: Any) -> None:
        execution.state, execution.input, execution.retries = state, given, {}
        self._run(execution)

    def _run(self, execution: Execution) -> None:
        kind = self._state(execution)["Type"]
        execution.events += _EVENTS[kind]
        execution.turn += 1
        if execution.events > HISTORY_LIMIT:
            self._end(execution, "FAILED", "States.HistoryLimit")
            return
        getattr(self, f"_{kind.lower()}")(execution, self._state(execution), execution.turn)

    def _choice(self, execution: Execution, state: dict[str, Any], turn: int) -> None:
        states = {"input": execution.input}
        chosen = (c["Next"] for c in state["Choices"] if evaluate(c["Condition"], states) is True)
        self._enter(execution, next(chosen, state["Default"]), execution.input)

    def _pass(self, execution: Execution, state: dict[str, Any], turn: int) -> None:
        self._enter(execution, state["Next"], evaluate(state["Output"], {"input": execution.input}))

    def _map(self, execution: Execution, state: dict[str, Any], turn: int) -> None:
        """Each item is a child execution; so many at a time. What becomes of one is no matter of the others."""
        items, processor = evaluate(state["Items"], {"input": execution.input}), state["ItemProcessor"]
        if not isinstance(items, list):
            self._result(execution, turn, None, "States.QueryEvaluationError")
            return
        execution.children = [
            Child(f"{self.kernel.rng.getrandbits(128):032x}", item, self.kernel.now, states=processor["States"])
            for item in items
        ]
        waiting = list(execution.children)
        self.children += waiting

        def ended() -> None:
            if execution.status != "RUNNING" or execution.turn != turn:
                return
            if waiting:
                begin(waiting.pop(0))
            elif all(child.status != "RUNNING" for child in execution.children):
                self._result(execution, turn, [child.input for child in execution.children], "")

        def begin(child: Child) -> None:
            child.then = ended
            self._enter(child, processor["StartAt"], child.input)

        for child in [waiting.pop(0) for _ in range(min(len(waiting), state["MaxConcurrency"]))]:
            begin(child)

    def _wait(self, execution: Execution, state: dict[str, Any], turn: int) -> None:
        seconds = evaluate(state["Seconds"], {"input": execution.input})
        if not isinstance(seconds, int) or not 0 <= seconds <= 99_999_999:
            self._end(execution, "FAILED", "States.QueryEvaluationError")
            return
        self.kernel.after(seconds, lambda: self._go_on(execution, turn))

    def _go_on(self, execution: Execution, turn: int) -> None:
        if execution.status == "RUNNING" and execution.turn == turn:
            self._enter(execution, self._state(execution)["Next"], execution.input)

    def _task(self, execution: Execution, state: dict[str, Any], turn: int) -> None:
        execution.token = f"task-token-{execution.name}-{turn}"
        states = {
            "input": execution.input,
            "context": {"Execution": {"Name": execution.name}, "Task": {"Token": execution.token}},
        }
        arguments = evaluate(state["Arguments"], states)
        if limit := state.get("TimeoutSeconds"):
            self.kernel.after(limit, lambda: self._result(execution, turn, None, "States.Timeout"))
        if state["Resource"].endswith("lambda:invoke"):
            name, payload = arguments["FunctionName"], json.loads(json.dumps(arguments["Payload"]))
            self.services.invoke(
                name, payload, lambda found, error: self._result(execution, turn, {"Payload": found}, error)
            )
            return
        error = self.services.update_item(arguments)
        if error:
            self._result(execution, turn, None, error)

    def _result(self, execution: Execution, turn: int, result: Any, error: str) -> None:
        if execution.status != "RUNNING" or execution.turn != turn:
            return
        execution.token = ""
        state = self._state(execution)
        if error:
            self._failed(execution, state, turn, error)
            return
        states = {"input": execution.input, "result": result}
        self._enter(execution, state["Next"], evaluate(state.get("Output", "{% $states.result %}"), states))

    def _failed(self, execution: Execution, state: dict[str, Any], turn: int, error: str) -> None:
        if self._retried(execution, state, error):
            return
        for catch in state.get("Catch", []):
            if _matches(error, catch["ErrorEquals"]):
                states = {"input": execution.input, "errorOutput": {"Error": error, "Cause": ""}}
                self._enter(execution, catch["Next"], evaluate(catch.get("Output", {"Error": error}), states))
                return
        self._end(execution, "FAILED", error)

    def _retried(self, execution: Execution, state: dict[str, Any], error: str) -> bool:
        retries = enumerate(state.get("Retry", []))
        number, retry = next(((n, r) for n, r in retries if _matches(error, r["ErrorEquals"])), (0, {"MaxAttempts": 0}))
        done = execution.retries.get(number, 0)
        if done >= retry.get("MaxAttempts", 3):
            return False
        execution.retries[number] = done + 1
        pause = retry.get("IntervalSeconds", 1) * retry.get("BackoffRate", 2.0) ** done
        pause = min(pause, retry.get("MaxDelaySeconds", pause))
        execution.turn += 1
        turn = execution.turn
        self.kernel.after(pause * self.kernel.rng.random(), lambda: self._again(execution, turn))
        return True

    def _again(self, execution: Execution, turn: int) -> None:
        if execution.status == "RUNNING" and execution.turn == turn:
            self._run(execution)

    def _succeed(self, execution: Execution, state: dict[str, Any], turn: int) -> None:
        self._end(execution, "SUCCEEDED")

    def _fail(self, execution: Execution, state: dict[str, Any], turn: int) -> None:
        self._end(execution, "FAILED", str(evaluate(state.get("Error", ""), {"input": execution.input})))

    def _end(self, execution: Execution, status: str, error: str = "") -> None:
        if execution.status != "RUNNING":
            return
        execution.status, execution.error, execution.ended = status, error, self.kernel.now
        execution.turn += 1
        for child in execution.children:
            self._end(child, "ABORTED")
        if isinstance(execution, Child):
            execution.then()
            return
        for told in self.told:
            told(execution)


def _matches(error: str, wanted: list[str]) -> bool:
    if "States.ALL" in wanted:
        return True
    return error in wanted or ("States.TaskFailed" in wanted and error != "States.Timeout")


# --- a DynamoDB update as the machine writes it ---


def typed(value: Mapping[str, Any]) -> Any:
    """A value in DynamoDB's own notation."""
    ((kind, text),) = value.items()
    return int(text) if kind == "N" else text


def condition_holds(expression: str, item: Mapping[str, Any] | None, values: Mapping[str, Any]) -> bool:
    """A condition made of attribute_exists, attribute_not_exists, `<`, `=`, AND, OR and brackets."""
    known = item or {}
    if not expression:
        return True
    found = re.sub(r"attribute_exists\((\w+)\)", r'("\1" in known)', expression)
    found = re.sub(r"attribute_not_exists\((\w+)\)", r'("\1" not in known)', found)
    found = re.sub(r"\b(\w+) (<|=) (:\w+)", _compared, found)
    found = found.replace(" AND ", " and ").replace(" OR ", " or ")
    return bool(eval(found, {"known": known, "values": values}))


def _compared(match: re.Match[str]) -> str:
    name, sign, value = match.groups()
    compared = {"<": "<", "=": "=="}[sign]
    return f'("{name}" in known and known["{name}"] {compared} values["{value}"])'
