"""The one place that owns logging and metrics."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

logger = Logger()
metrics = Metrics()


class PowertoolsLog:
    """`Log` on the Powertools logger: constant messages with fields, never payloads."""

    def info(self, message: str, **fields: object) -> None:
        logger.info(message, extra=fields)

    def warning(self, message: str, **fields: object) -> None:
        logger.warning(message, extra=fields)

    def exception(self, message: str, **fields: object) -> None:
        # An exception's own text may carry a URL or a value: only its type and the way it took are logged.
        logger.error(message, extra={**fields, **_refusal(), "at": _where()})


def _refusal() -> dict[str, str]:
    """Which AWS call was refused and with which code, where that is what happened."""
    error = sys.exc_info()[1]
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return {"refused": f"{getattr(error, 'operation_name', '')}: {code}"} if code else {}


def _where() -> list[str]:
    frames = traceback.extract_tb(sys.exc_info()[2])[-6:]
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]


class PowertoolsMetrics:
    """`Metrics` in embedded metric format; names are business events, without high-cardinality dimensions."""

    def count(self, name: str, value: int = 1) -> None:
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)


class Failed(Exception):
    """A function's own failure, told without the text of its cause: that text may carry a URL or a value."""


Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


def handler(function: Handler) -> Handler:
    """Wrap a Lambda handler: its request id in every log line, its metrics flushed, its failures told safely."""

    @logger.inject_lambda_context(log_event=False)
    @wraps(function)
    def wrapped(event: dict[str, Any], context: Any) -> dict[str, Any]:
        try:
            return function(event, context)
        except Exception as error:  # noqa: BLE001 - the one place where everything ends
            PowertoolsLog().exception("function failed", error=type(error).__name__)
            raise Failed(f"{type(error).__name__}: the function's log says where") from None
        finally:
            if metrics.metric_set:
                metrics.flush_metrics()

    return wrapped
