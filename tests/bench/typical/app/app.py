"""A typical handler: parse the event, do it once, call a partner, keep the answer; logged, traced, measured."""

from __future__ import annotations

import json
import os
from typing import Any

import boto3
import requests
from aws_lambda_powertools import Logger, Metrics, Tracer
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer, idempotent
from aws_lambda_powertools.utilities.parser import BaseModel, event_parser
from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()
tracer = Tracer()
metrics = Metrics()
once = DynamoDBPersistenceLayer(table_name=os.environ.get("IDEMPOTENCY_TABLE", "idempotency"))
partner = requests.Session()
dynamodb = boto3.client("dynamodb")
s3 = boto3.client("s3")
secrets = boto3.client("secretsmanager")
workflow = boto3.client("stepfunctions")


class Order(BaseModel):
    """The event."""

    id: str
    bucket: str
    key: str


@logger.inject_lambda_context
@tracer.capture_lambda_handler
@metrics.log_metrics(capture_cold_start_metric=True)
@event_parser(model=Order)
@idempotent(persistence_store=once)
def lambda_handler(event: Order, context: LambdaContext) -> dict[str, Any]:
    body = s3.get_object(Bucket=event.bucket, Key=event.key)["Body"].read()
    token = secrets.get_secret_value(SecretId="partner")["SecretString"]
    url, headers = os.environ["PARTNER_URL"], {"Authorization": f"Bearer {token}"}
    answer = partner.post(url, data=body, headers=headers, timeout=10)
    answer.raise_for_status()
    dynamodb.put_item(TableName="orders", Item={"id": {"S": event.id}, "answer": {"S": answer.text}})
    workflow.start_execution(stateMachineArn=os.environ["WORKFLOW_ARN"], input=json.dumps({"id": event.id}))
    metrics.add_metric(name="Orders", unit=MetricUnit.Count, value=1)
    return {"id": event.id}
