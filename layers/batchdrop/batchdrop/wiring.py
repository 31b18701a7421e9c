"""The composition root: the real world, each part made when first used, so that a function pays for what it needs."""

from __future__ import annotations

import os
from functools import cached_property
from typing import Protocol, cast

from msgspec import Struct

from batchdrop.aws.clients import client
from batchdrop.ledger import Ledger
from batchdrop.observability import PowertoolsLog, PowertoolsMetrics
from batchdrop.ports import Clock, Events, Http, Log, Metrics, Objects, Rng, Routes, Secrets, Workflow
from batchdrop.world import Settings


class MissingSetting(Exception):
    """An environment variable the template must set is not there; names it."""


def _setting(name: str, default: str | None = None) -> str:
    value = os.environ.get(name, default)
    if value is None:
        raise MissingSetting(f"environment variable {name} is not set: deploy with the project's template")
    return value


class AwsWorld:
    """`World` on AWS, from the environment the template sets."""

    @cached_property
    def settings(self) -> Settings:
        hosts = tuple(h.strip() for h in _setting("ALLOW_INSECURE_HOSTS", "").split(",") if h.strip())
        return Settings(
            stack=_setting("STACK"),
            drop_bucket=_setting("DROP_BUCKET", ""),
            results_bucket=_setting("RESULTS_BUCKET", ""),
            notification_url=_setting("NOTIFICATION_URL", "").replace("{api}", _setting("NOTIFICATION_API", "")),
            allow_insecure=hosts,
            lease_margin=float(_setting("LEASE_MARGIN", "60")),
            reserve=float(_setting("RESERVE", "120")),
            quiet_period=float(_setting("QUIET_PERIOD", "120")),
            sweep_age=float(_setting("SWEEP_AGE", "900")),
            overlap=True,
        )

    @cached_property
    def ledger(self) -> Ledger:
        from batchdrop.aws.dynamodb import DynamoTable

        return Ledger(DynamoTable(client("dynamodb"), _setting("LEDGER_TABLE")), self.clock)

    @cached_property
    def objects(self) -> Objects:
        from batchdrop.aws.s3 import S3Objects

        return S3Objects(client("s3"))

    @cached_property
    def routes(self) -> Routes:
        from batchdrop.aws.services import ParameterRoutes

        return ParameterRoutes(client("ssm"), self.settings.stack)

    @cached_property
    def secrets(self) -> Secrets:
        from batchdrop.aws.services import SecretsManager

        return SecretsManager(client("secretsmanager"), self.settings.stack)

    @cached_property
    def workflow(self) -> Workflow:
        from batchdrop.aws.services import StepFunctions

        return StepFunctions(client("stepfunctions"), _setting("WORKFLOW_ARN"))

    @cached_property
    def http(self) -> Http:
        from batchdrop.http import Client

        return Client(allow_insecure=self.settings.allow_insecure, remaining=self._remaining)

    @cached_property
    def clock(self) -> Clock:
        from batchdrop.aws.services import SystemClock

        return SystemClock()

    @cached_property
    def rng(self) -> Rng:
        from batchdrop.aws.services import SystemRng

        return SystemRng()

    @cached_property
    def events(self) -> Events:
        from batchdrop.aws.services import EventBridge

        return EventBridge(client("events"), self.settings.stack)

    @cached_property
    def metrics(self) -> Metrics:
        return PowertoolsMetrics()

    @cached_property
    def log(self) -> Log:
        return PowertoolsLog()

    invocation: LambdaInvocation | None = None

    def _remaining(self) -> float:
        return self.invocation.time_left() if self.invocation else 60.0

    def begin(self, context: object) -> LambdaInvocation:
        """The invocation whose time every call to a vendor has to fit in."""
        self.invocation = LambdaInvocation(cast("_Context", context))
        return self.invocation


class _Context(Protocol):
    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int: ...


class LambdaInvocation(Struct):
    context: _Context
    whole: float = 0.0

    def __post_init__(self) -> None:
        self.whole = self.time_left()

    @property
    def owner(self) -> str:
        return self.context.aws_request_id

    def time_left(self) -> float:
        return self.context.get_remaining_time_in_millis() / 1000


world = AwsWorld()
