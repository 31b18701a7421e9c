"""The one place that owns logging and metrics."""

from __future__ import annotations

import sys
import traceback
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
        logger.error(message, extra={**fields, "at": _where()})


def _where() -> list[str]:
    frames = traceback.extract_tb(sys.exc_info()[2])[-6:]
    return [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]


class PowertoolsMetrics:
    """`Metrics` in embedded metric format; names are business events, without high-cardinality dimensions."""

    def count(self, name: str, value: int = 1) -> None:
        metrics.add_metric(name=name, unit=MetricUnit.Count, value=value)


def handler(function: Any) -> Any:
    """Wrap a Lambda handler: request id in every log line, metrics flushed at its end."""
    return logger.inject_lambda_context(log_event=False)(metrics.log_metrics(function))
