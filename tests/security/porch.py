"""The callback endpoint's handler in this process, on a world in memory that counts what is asked of it."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from batchdrop import capability
from batchdrop.job import Job
from batchdrop.ledger import Ledger, job_key
from tests.simulation.memory import MemoryTable

APP = Path(__file__).resolve().parents[2] / "functions/webhook/app.py"
KEYS = {"current": "k2", "k1": "a" * 64, "k2": "b" * 64}
JOB = "0123456789abcdef0123456789abcdef"


@dataclass
class Porch:
    """What the handler reaches, with one open job in it that waits for a callback."""

    time: float = 1_800_000_000.0
    keys: Mapping[str, str] = field(default_factory=lambda: KEYS)
    counted: Counter[str] = field(default_factory=Counter)
    woken: list[str] = field(default_factory=list)
    touched: int = 0  # writes and reads of the ledger

    def __post_init__(self) -> None:
        self.table = MemoryTable(lambda: self.time, lambda: 0.0)
        self.ledger = Ledger(cast("Any", self), self)
        job = Job(JOB, "r", "b", "drops/r/k", "v", created_at=1, deadline_at=2, task_token="waiter")
        self.table.put_new(job_key(JOB), job.to_item())

    clock = property(lambda self: self)
    secrets = property(lambda self: SimpleNamespace(get=lambda name: self.keys))
    workflow = property(lambda self: SimpleNamespace(wake=lambda token: not self.woken.append(token)))
    metrics = property(lambda self: SimpleNamespace(count=self._count))
    log = property(lambda self: SimpleNamespace(info=lambda *a, **k: None))

    def now(self) -> float:
        return self.time

    def update(self, *args: Any, **how: Any) -> Any:
        """The one call of the ledger's table a callback needs; any other would be an AttributeError."""
        self.touched += 1
        return self.table.update(*args, **how)

    def _count(self, name: str, value: int = 1) -> None:
        self.counted[name] += value

    def token(self, job: str = JOB, seconds: float = 3600) -> str:
        return capability.issue(self.keys, job, int(self.time + seconds))

    def call(self, token: str | None, method: str = "POST", **event: Any) -> dict[str, Any]:
        given = {
            "version": "2.0",
            "requestContext": {"http": {"method": method}},
            "pathParameters": None if token is None else {"token": token},
            **event,
        }
        app = self.app()
        answer: dict[str, Any] = app.lambda_handler(given, Context())
        return answer

    def app(self) -> Any:
        if not hasattr(self, "_app"):
            spec = importlib.util.spec_from_file_location("webhook_app", APP)
            assert spec is not None
            assert spec.loader is not None
            app = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(app)
            vars(app)["world"] = self
            self._app = app
        return self._app


@dataclass(frozen=True)
class Context:
    function_name: str = "webhook"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:000000000000:function:webhook"
    aws_request_id: str = "request"
