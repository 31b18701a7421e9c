"""Secrets, tokens, signed URLs and records stay where they belong: nothing of them in histories, ledger or logs."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from local.simulators.datagroup import DataGroupSimulator
from tests.e2e.rig import Rig

SECRET = {"api_key": "canary-api-key-7Q", "username": "canary-user", "password": "canary-pass word/+="}
TROUBLE = (
    ("expired_token", "state"),
    ("expired_url", "upload"),
    ("500", "upload"),
    ("502", "state"),
    ("503", "result"),
)
PERSON = "Zaphod Canary-Beeblebrox"


def forms(text: str) -> set[str]:
    """The ways a text could be written."""
    plain = text.encode()
    coded = base64.b64encode(plain).decode().rstrip("=")
    return {text, quote(text, safe=""), quote(text), json.dumps(text)[1:-1], coded[:-2]}


def logs(rig: Rig) -> Iterator[str]:
    client = rig.client("logs")
    for page in client.get_paginator("describe_log_groups").paginate():
        for group in page["logGroups"]:
            events = client.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"])
            yield from (event["message"] for found in events for event in found["events"])


def ledger(rig: Rig) -> Iterator[str]:
    pages = rig.client("dynamodb").get_paginator("scan").paginate(TableName=rig.stack.outputs["LedgerTable"])
    yield from (json.dumps(item, ensure_ascii=False) for page in pages for item in page["Items"])


@pytest.mark.acceptance("F10", "H1")
def test_nothing_leaks_even_where_things_go_wrong(rig: Rig) -> None:
    with DataGroupSimulator(seconds_per_state=0.5, **SECRET) as vendor:
        for kind, endpoint in TROUBLE:
            vendor.fault(kind, endpoint, value="1")
        rig.route("canary", vendor)
        job = rig.drop("canary", "a.csv", f"id,name\n1,{PERSON}\n2\n")
        report = rig.report(job, 90)
        assert report["counts"]["accepted"] == 1
        told = json.loads(vendor.calls("create_batch_file")[0].body or "{}")["notification_URL"].rsplit("/", 1)[1]
        token = vendor.calls("create_job")[0].header("AuthorizationToken")
        rig.execution(job)

    history = json.dumps(rig.history(job), default=str, ensure_ascii=False)
    texts = {
        "the history": history,
        "the ledger": "\n".join(ledger(rig)),
        "the logs": "\n".join(logs(rig)),
        "the report": json.dumps(report, ensure_ascii=False) + rig.beside(report, "report.html").decode(),
    }
    assert all(text for text in texts.values())
    for canary in (*SECRET.values(), told, token, PERSON, "X-Amz-Signature", "X-Amz-Credential"):
        for place, text in texts.items():
            for form in forms(canary):
                assert form not in text, f"{canary} is in {place}"
