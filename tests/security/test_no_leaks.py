"""Secrets, tokens, signatures and personal data go where they must and nowhere else, whatever goes wrong.

Canaries are sent through jobs that end well and jobs that fail in many ways; then everything the stack holds is
searched for them, plain, escaped, URL-encoded and in base64. Personal data may lie in the two buckets alone, the
rest nowhere but in Secrets Manager.
"""

from __future__ import annotations

import base64
import json
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from jsonschema import Draft202012Validator

from local.home import REPO, home
from local.simulators.datagroup import DataGroupSimulator
from local.simulators.mediarithmics import MediarithmicsSimulator
from local.simulators.server import Endpoint, Refusal, Simulator
from local.simulators.sherpa import SherpaSimulator
from local.simulators.wire import Call
from tests.e2e.rig import Rig
from tests.security import haystack

EMAIL, NAME, PHONE = "canary.person+tag@example.org", "Cánary O'Nymous & Söhne", "+44 20 7946 0958"
PEOPLE = f'id,email,name,phone\n1,{EMAIL},"{NAME}",{PHONE}\n2,{EMAIL},x,{PHONE},one cell too many {EMAIL}\n'
ITEMS = f"itemId,name,price\n1,{EMAIL},1.5\n2,{NAME},not a price\n"
ACTIVITY = json.dumps({"$user_agent_id": "vec:1", "$ts": 1, "$email": EMAIL, "name": NAME, "phone": PHONE}) + "\n"
# What befalls a job at The Data Group; each kind of answer and of silence on each kind of call.
TROUBLE = (
    (("unknown_state", "state"), ("500", "result")),  # rests half a minute: begun first, waited for last
    (), (("reset_after", "upload"),), (("redirect", "upload"),), (("expired_url", "upload"),), (("404", "download"),),
    (("html200", "create_batch_file"),), (("expired_token", "state"), ("401", "create_batch_file")),
    (("truncated", "create_job"), ("403", "create_job")),
)  # fmt: skip


SIDE_BY_SIDE = 3  # each worker of the emulator takes its time to start: few of them, used again, are faster


class Echoing(DataGroupSimulator):
    """A vendor that puts into its refusals whatever it was sent."""

    def check(self, call: Call, endpoint: Endpoint) -> None:
        super().check(call, endpoint)
        if endpoint.name == "create_batch_file":
            raise Refusal(422, f"cannot take this from {dict(call.headers)} for {EMAIL}: {call.body!r}")


@dataclass
class Run:
    """The jobs that were run, and what must not be found of them."""

    secrets: dict[str, str] = field(default_factory=dict)
    personal: dict[str, str] = field(default_factory=lambda: {"e-mail": EMAIL, "name": NAME, "phone": PHONE})
    outcomes: dict[str, str] = field(default_factory=dict)
    told: list[dict[str, Any]] = field(default_factory=list)
    waiting: list[haystack.Place] = field(default_factory=list)  # messages in all queues


@pytest.fixture(scope="module")
def run(rig: Rig) -> Run:
    _listen(rig)
    found, jobs = Run(), {}
    with ExitStack() as stack:
        vendors: dict[str, tuple[Simulator[Any], str]] = {}
        for n, faults in enumerate(TROUBLE):
            people = stack.enter_context(DataGroupSimulator(seconds_per_state=0.2, **_credentials(found, n)))
            for kind, endpoint in faults:
                people.fault(kind=kind, endpoint=endpoint)
            vendors[f"people-{n}"] = (people, PEOPLE)
        vendors["echo"] = (stack.enter_context(Echoing(**_credentials(found, 99))), PEOPLE)
        sherpa: Any = SherpaSimulator(api_key=_secret(found, "sherpa key"), private_key=_secret(found, "private key"))
        vendors["items"] = (stack.enter_context(sherpa), ITEMS)
        lost: Any = SherpaSimulator(api_key=_secret(found, "sherpa key 2"), private_key=_secret(found, "private key 2"))
        vendors["items-lost"] = (stack.enter_context(lost), ITEMS)
        lost.fault(kind="502", endpoint="upload")
        media: Any = MediarithmicsSimulator(api_token="api:" + _secret(found, "media token"))
        vendors["activity"] = (stack.enter_context(media), ACTIVITY)
        for n, (name, (vendor, body)) in enumerate(vendors.items()):
            typed = {"input": {"format": "csv", "types": {"price": "number"}}}
            rig.route(name, vendor, **(typed if body is ITEMS else {}))
            jobs[name] = rig.drop(name, "drop.ndjson" if body is ACTIVITY else "drop.csv", body)
            if n % SIDE_BY_SIDE == SIDE_BY_SIDE - 1:
                rig.until_closed(list(jobs.values())[1:][-SIDE_BY_SIDE:], 120)
        jobs |= _spoilt(rig, found, stack)
        ended = rig.until_closed(jobs.values(), 120)
        found.outcomes = {name: ended[job].outcome for name, job in jobs.items()}
        for name, (vendor, _) in vendors.items():
            found.secrets |= _seen_by(name, vendor)
    for place, text in haystack.messages(rig):
        found.told += json.loads(text) if place == "queue told" else []
        found.waiting.append((place, text))
    keys = json.loads(
        rig.client("secretsmanager").get_secret_value(SecretId=f"{rig.stack.name}/notification-keys")["SecretString"]
    )
    found.secrets |= {f"notification key {k}": v for k, v in keys.items() if k != "current"}
    return found


def _listen(rig: Rig) -> None:
    """Have all events of Batchdrop kept in a queue, to be searched, too."""
    queue = rig.client("sqs").create_queue(QueueName="told")["QueueUrl"]
    arn = rig.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    rig.client("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    rig.client("events").put_rule(Name="told", EventPattern='{"source": ["batchdrop"]}')
    rig.client("events").put_targets(Rule="told", Targets=[{"Id": "told", "Arn": arn}])


def _secret(found: Run, name: str) -> str:
    value = found.secrets[name] = f"canary/{name.replace(' ', '=')}+{len(found.secrets):04d}"
    return value


def _credentials(found: Run, n: int) -> dict[str, str]:
    return {name: _secret(found, f"{name} {n}") for name in ("api_key", "username", "password")}


def _spoilt(rig: Rig, found: Run, stack: ExitStack) -> dict[str, str]:
    """Jobs that cannot begin: no route, a secret that is missing, is no JSON, has spaces; a drop that is no text."""
    vendor = stack.enter_context(DataGroupSimulator())
    for name in ("no-secret", "odd-secret", "spaced-secret", "odd-drop"):
        rig.route(name, vendor)
    secrets = rig.client("secretsmanager")
    secrets.delete_secret(SecretId=f"{rig.stack.name}/no-secret-secret", ForceDeleteWithoutRecovery=True)
    secrets.put_secret_value(
        SecretId=f"{rig.stack.name}/odd-secret-secret", SecretString=f'{{"api_key": "{_secret(found, "odd")}"'
    )
    spaced = {"api_key": f" {_secret(found, 'spaced')}", "username": "u", "password": "p"}
    secrets.put_secret_value(SecretId=f"{rig.stack.name}/spaced-secret-secret", SecretString=json.dumps(spaced))
    unsent = ("no-route", "no-secret", "odd-secret", "spaced-secret")
    jobs = {name: rig.drop(name, "people.csv", PEOPLE) for name in unsent}
    bad = PEOPLE.encode() + f"3,{EMAIL},".encode() + b"\xff\xfe," + PHONE.encode() + b"\n"
    return jobs | {"odd-drop": rig.drop("odd-drop", "people.csv", bad)}


def _seen_by(name: str, vendor: Simulator[Any]) -> dict[str, str]:
    """Tokens and signatures that went over the wire."""
    seen: dict[str, str] = {}
    for n, request in enumerate(list(vendor.requests)):
        heads = {key.lower(): value for key, value in request.headers}
        seen[f"{name} session token {n}"] = heads.get("authorizationtoken", "")
        seen[f"{name} signature {n}"] = request.query.get("X-Amz-Signature", "")
        given = json.loads(request.body) if request.body and request.body.startswith("{") else {}
        if callback := given.get("notification_URL"):
            seen[f"{name} callback {n}"] = str(callback).rpartition(".")[2]
        if staged := given.get("url"):
            query = parse_qs(urlsplit(staged).query)
            assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
            seen[f"{name} our signature {n}"] = query["X-Amz-Signature"][0]
    return {key: value for key, value in seen.items() if value}


def test_the_search_finds_what_is_there() -> None:
    text = f"x{EMAIL}"
    for shift in range(3):
        wrapped = base64.b64encode(b"y" * shift + text.encode() + b"zz").decode()
        assert haystack.search([("here", wrapped)], {"e-mail": EMAIL})[1], shift
    for place in (text, json.dumps({"a": NAME}), "https://x/?q=canary.person%2Btag%40example.org"):
        assert haystack.search([("here", place)], {"e-mail": EMAIL, "name": NAME})[1], place
    assert haystack.search([("here", "nothing")], {"e-mail": EMAIL}) == (7, [])


@pytest.mark.acceptance("F10", "H3")
def test_no_canary_is_found_outside_its_place(rig: Rig, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    assert {"completed", "completed_with_rejects", "failed", "held"} <= set(run.outcomes.values()), run.outcomes
    assert len(run.secrets) > 60
    open_ = [
        *haystack.logs(rig), *haystack.histories(rig), *haystack.items(rig), *haystack.the_rest(rig), *run.waiting,
        ("emulator", (home() / "emulator.log").read_text(errors="replace")),
    ]  # fmt: skip
    buckets = [*haystack.objects(rig, rig.drops), *haystack.objects(rig, rig.results)]
    outside, hits = haystack.search(open_, run.secrets | run.personal)
    inside, secret_hits = haystack.search(buckets, run.secrets)
    with capsys.disabled():
        print(
            f"\nleak test: {len(run.outcomes)} jobs, {len(run.secrets)} secrets and {len(run.personal)} personal data "
            f"searched in {outside:,} characters outside the buckets: {len(hits)} hits; "
            f"secrets in {inside:,} characters in the buckets: {len(secret_hits)} hits"
        )
    assert outside > 200_000
    assert hits == []
    assert secret_hits == []


def test_every_event_fits_its_schema(run: Run) -> None:
    schema = Draft202012Validator(json.loads((REPO / "docs/job-finished.schema.json").read_text()))
    events = [json.loads(message["Body"]) for message in run.told]
    assert {event["detail"]["outcome"] for event in events} == set(run.outcomes.values())
    for event in events:
        assert (event["source"], event["detail-type"]) == ("batchdrop", "Job Finished")
        schema.validate(event["detail"])
