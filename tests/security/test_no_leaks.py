"""Secrets, tokens, signatures and personal data go where they must and nowhere else, whatever goes wrong.

Canaries are sent to all five destinations, in jobs that end well and jobs that fail in many ways, with vendors that
repeat in their refusals all they were sent; then everything the stack holds, and what the commands print, is searched
for them, plain, escaped, URL-encoded and in base64. Personal data may lie in the two buckets alone, the rest nowhere
but in Secrets Manager.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from jsonschema import Draft202012Validator

from batchdrop.destinations import destination
from local.home import REPO, home
from local.simulators.datagroup import DataGroupSimulator
from local.simulators.haplo import HaploSimulator
from local.simulators.mediarithmics import MediarithmicsSimulator
from local.simulators.ometria import OmetriaSimulator
from local.simulators.server import Endpoint, Refusal, Simulator
from local.simulators.sherpa import SherpaSimulator
from local.simulators.wire import Call
from tests.e2e.rig import PAUSE, Rig
from tests.security import haystack
from tests.template.translated import resources

EMAIL, NAME, PHONE = "canary.person+tag@example.org", "Cánary O'Nymous & Söhne", "+44 20 7946 0958"
PEOPLE = f'id,email,name,phone\n1,{EMAIL},"{NAME}",{PHONE}\n2,{EMAIL},x,{PHONE},one cell too many {EMAIL}\n'
ITEMS = f"itemId,name,price\n1,{EMAIL},1.5\n2,{NAME},not a price\n"
ACTIVITY = json.dumps({"$user_account_id": "u1", "$ts": 1, "$email": EMAIL, "name": NAME, "phone": PHONE}) + "\n"
CONTROL = json.dumps(
    {
        "dataImportControlFileVersion": 0,
        "model": "haplo:person",
        "files": {"DEFAULT": {"read": "json"}},
        "instructions": [{"action": "new", "destination": "profile"}],
    }
)
STAFF = json.dumps([{"name": NAME, "email": EMAIL, "phone": PHONE}], ensure_ascii=False)
SHOP = f"id,name,price\np1,{EMAIL},1.50\np2,{NAME},2.00\n"

Files = tuple[tuple[str, str], ...]  # name and content, in the order they are dropped; the last one starts the job
FILES: dict[str, Files] = {
    "datagroup": (("drop.csv", PEOPLE),),
    "sherpa": (("drop.csv", ITEMS),),
    "mediarithmics": (("drop.ndjson", ACTIVITY),),
    "ometria": (("shop/products.csv", SHOP), ("shop/_READY", "")),
    "haplo": (("set/control.json", CONTROL), ("set/staff.json", STAFF), ("set/_READY", "")),
}
VENDORS: dict[str, type[Simulator[Any]]] = {
    "datagroup": DataGroupSimulator, "sherpa": SherpaSimulator, "mediarithmics": MediarithmicsSimulator,
    "ometria": OmetriaSimulator, "haplo": HaploSimulator,
}  # fmt: skip
# What befalls a job; each kind of answer and of silence on each kind of call.
TROUBLE: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    *((vendor, ()) for vendor in VENDORS),
    ("datagroup", (("unknown_state", "state"), ("503", "result"), ("404", "download"))),
    ("datagroup", (("reset_after", "upload"),)),
    ("datagroup", (("redirect", "upload"),)),
    ("datagroup", (("html200", "create_batch_file"),)),
    ("datagroup", (("expired_url", "upload"), ("expired_token", "state"), ("401", "create_batch_file"))),
    ("datagroup", (("truncated", "create_job"), ("403", "create_job"))),
    ("sherpa", (("502", "upload"),)),
    ("mediarithmics", (("reset_after", "create_execution"),)),
    ("ometria", (("reset_after", "process"),)),
    ("haplo", (("expired_token", "batch"), ("html200", "schedule"))),
)
# The call that a vendor refuses with all that it was sent.
ECHOES = (
    ("datagroup", "create_batch_file", 422),
    ("datagroup", "auth", 401),
    ("sherpa", "upload", 400),
    ("mediarithmics", "create_execution", 400),
    ("ometria", "upload", 400),
    ("haplo", "control", 400),
    ("haplo", "file", 400),
)
SIDE_BY_SIDE = 4  # each worker of the emulator takes its time to start: few of them, used again, are faster
# Counted for whoever wants a chart of their own.
NEITHER_ALARM_NOR_WIDGET = {"BatchesHeld", "BatchesSubmitted", "EventsIgnored", "Records"}
# The commands in one process: starting one takes longer than what it does.
COMMANDS = """
import json, sys
from local import cli
for words in json.loads(sys.argv[1]):
    sys.argv = ["batchdrop", *words]
    try:
        cli.main()
    except SystemExit:
        pass
"""


def echoing(vendor: str, name: str, status: int) -> type[Simulator[Any]]:
    """A vendor that puts into its refusals whatever it was sent."""
    kind = VENDORS[vendor]

    class Echoing(kind):  # type: ignore[misc,valid-type]
        def check(self, call: Call, endpoint: Endpoint) -> None:
            super().check(call, endpoint)
            if endpoint.name == name:
                sent = f"{dict(call.headers)}, {self.options}, {call.body.read()!r} for {EMAIL}"
                raise Refusal(status, f"cannot take this: {sent}")

    return Echoing


@dataclass
class Run:
    """The jobs that were run, and what must not be found of them."""

    secrets: dict[str, str] = field(default_factory=dict)
    personal: dict[str, str] = field(default_factory=lambda: {"e-mail": EMAIL, "name": NAME, "phone": PHONE})
    jobs: dict[str, str] = field(default_factory=dict)
    outcomes: dict[str, str] = field(default_factory=dict)
    told: list[dict[str, Any]] = field(default_factory=list)
    waiting: list[haystack.Place] = field(default_factory=list)  # messages in all queues

    def secret(self, name: str) -> str:
        """A secret nobody else has, with characters that are written differently in a URL."""
        value = self.secrets[name] = f"canary/{name.replace(' ', '=')}+{len(self.secrets):04d}"
        return value


@pytest.fixture(scope="module")
def run(rig: Rig) -> Run:
    _listen(rig)
    found = Run()
    with ExitStack() as stack:
        vendors = {name: (stack.enter_context(one), files) for name, one, files in _vendors(found)}
        _drop_all(rig, found, vendors)
        _spoilt(rig, found, stack)
        ended = rig.until_closed(found.jobs.values(), 120)
        found.outcomes = {name: ended[job].outcome for name, job in found.jobs.items()}
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


def _vendors(found: Run) -> Iterator[tuple[str, Simulator[Any], Files]]:
    """Name, simulator and files of every job; the credentials of each are canaries."""
    for n, (vendor, faults) in enumerate(TROUBLE):
        one = VENDORS[vendor](**_options(found, f"{vendor}-{n}", vendor))
        for kind, endpoint in faults:
            one.fault(kind=kind, endpoint=endpoint, value="1" if kind == "503" else None)
        yield f"{vendor}-{n}", one, FILES[vendor]
    for vendor, endpoint, status in ECHOES:
        name = f"echo-{vendor}-{endpoint}".replace("_", "-")
        yield name, echoing(vendor, endpoint, status)(**_options(found, name, vendor)), FILES[vendor]


def _options(found: Run, name: str, vendor: str) -> dict[str, Any]:
    credentials = {one: found.secret(f"{one} {name}") for one in destination(vendor).secret}
    if vendor == "mediarithmics":
        credentials["api_token"] = "api:" + credentials["api_token"]
    return {"seconds_per_state": 0.2, **credentials}


def _drop_all(rig: Rig, found: Run, vendors: dict[str, tuple[Simulator[Any], Files]]) -> None:
    """One job after the other, a few at a time."""
    for name, (vendor, files) in vendors.items():
        typed = {"input": {"format": "csv", "types": {"price": "number"}}} if files == FILES["sherpa"] else {}
        rig.route(name, vendor, **typed)
        for file, body in files:
            found.jobs[name] = rig.drop(name, file, body)
        while len([job for job in found.jobs.values() if _is_open(rig, job)]) >= SIDE_BY_SIDE:
            time.sleep(PAUSE)


def _is_open(rig: Rig, job: str) -> bool:
    known = rig.ledger.job(job)
    return known is None or not known.is_closed


def _listen(rig: Rig) -> None:
    """Have all events of Batchdrop kept in a queue, to be searched, too."""
    queue = rig.client("sqs").create_queue(QueueName="told")["QueueUrl"]
    arn = rig.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    allow = {"Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": arn}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
    rig.client("sqs").set_queue_attributes(QueueUrl=queue, Attributes={"Policy": policy})
    rig.client("events").put_rule(Name="told", EventPattern='{"source": ["batchdrop"]}')
    rig.client("events").put_targets(Rule="told", Targets=[{"Id": "told", "Arn": arn}])


def _spoilt(rig: Rig, found: Run, stack: ExitStack) -> None:
    """Jobs that cannot begin: no route, a secret that is missing, is no JSON, has spaces; a drop that is no text."""
    vendor = stack.enter_context(DataGroupSimulator())
    for name in ("no-secret", "odd-secret", "spaced-secret", "odd-drop"):
        rig.route(name, vendor)
    secrets = rig.client("secretsmanager")
    secrets.delete_secret(SecretId=f"{rig.stack.name}/no-secret-secret", ForceDeleteWithoutRecovery=True)
    secrets.put_secret_value(
        SecretId=f"{rig.stack.name}/odd-secret-secret", SecretString=f'{{"api_key": "{found.secret("odd")}"'
    )
    spaced = {"api_key": f" {found.secret('spaced')}", "username": "u", "password": "p"}
    secrets.put_secret_value(SecretId=f"{rig.stack.name}/spaced-secret-secret", SecretString=json.dumps(spaced))
    unsent = ("no-route", "no-secret", "odd-secret", "spaced-secret")
    found.jobs |= {name: rig.drop(name, "people.csv", PEOPLE) for name in unsent}
    bad = PEOPLE.encode() + f"3,{EMAIL},".encode() + b"\xff\xfe," + PHONE.encode() + b"\n"
    found.jobs["odd-drop"] = rig.drop("odd-drop", "people.csv", bad)


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


@pytest.fixture(scope="module")
def printed(rig: Rig, run: Run, tmp_path_factory: pytest.TempPathFactory) -> list[haystack.Place]:
    """What the commands say of these jobs and routes, and of secrets that are wrong."""
    place = tmp_path_factory.mktemp("commands")
    route = json.loads(
        rig.client("ssm").get_parameter(Name=f"/{rig.stack.name}/routes/datagroup-0")["Parameter"]["Value"]
    )
    (place / "route.json").write_text(json.dumps(route | {"secret": "wrong"}))
    wrong = {
        "text.json": f'{{"api_key": "{run.secret("text")}"',
        "text.yaml": f"api_key: [{run.secret('yaml')}",
        "number.json": json.dumps({"api_key": run.secret("number"), "username": run.secret("number 2"), "password": 5}),
        "spaced.json": json.dumps({name: f" {run.secret(name)} " for name in ("api_key", "username", "password")}),
        "list.json": json.dumps([run.secret("list")]),
    }
    for name, text in wrong.items():
        (place / name).write_text(text)
    put = [["routes", "put", "wrong", "--file", str(place / "route.json"), "--secret", str(place / n)] for n in wrong]
    jobs = [["show", job] for job in run.jobs.values()] + [["show", job, "--json"] for job in run.jobs.values()]
    routes = [["routes", "show", name] for name in run.jobs if name != "no-route"]
    lists = [["jobs"], ["jobs", "--json"], ["routes", "list"], ["routes", "list", "--json"], ["env"]]
    said = _said(place, [*lists, *jobs, *routes, *put])
    assert said.count("is no text") == 1
    assert all(job in said for job in run.jobs.values())
    reports = _said(place, [["report", job, "--json"] for job in run.jobs.values()])
    assert "is not among" not in reports
    return [("commands", said), ("report", reports)]


def _said(place: Path, commands: list[list[str]]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, json.dumps(commands)],
        cwd=REPO, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    assert "Traceback" not in done.stdout, done.stdout[-3000:]
    return done.stdout


@pytest.mark.acceptance("F10", "H3")
def test_no_canary_is_found_outside_its_place(
    rig: Rig, run: Run, printed: list[haystack.Place], capsys: pytest.CaptureFixture[str]
) -> None:
    assert {"completed", "completed_with_rejects", "failed", "held", "handed_over"} <= set(run.outcomes.values())
    assert len(run.secrets) > 80
    said, reports = printed
    open_ = [
        *haystack.logs(rig), *haystack.histories(rig), *haystack.items(rig), *haystack.the_rest(rig), *run.waiting,
        said, ("emulator", (home() / "emulator.log").read_text(errors="replace")),
    ]  # fmt: skip
    buckets = [*haystack.objects(rig, rig.drops), *haystack.objects(rig, rig.results), reports]
    outside, hits = haystack.search(open_, run.secrets | run.personal)
    inside, secret_hits = haystack.search(buckets, run.secrets)
    with capsys.disabled():
        print(
            f"\nleak test: {len(run.outcomes)} jobs at {len(VENDORS)} destinations; {len(run.secrets)} secrets and "
            f"{len(run.personal)} personal data searched in {outside:,} characters outside the buckets: "
            f"{len(hits)} hits; secrets in {inside:,} characters in the buckets: {len(secret_hits)} hits"
        )
    assert outside > 300_000
    assert hits == []
    assert secret_hits == []


def test_what_the_functions_count_is_what_alarms_and_dashboard_look_at(rig: Rig, run: Run) -> None:
    """The metrics as they leave the functions: their namespace, their one dimension and its value, and their names."""
    told = [json.loads(line) for _, text in haystack.logs(rig) for line in text.splitlines() if '"_aws"' in line]
    blocks = [(line, block) for line in told for block in line["_aws"]["CloudWatchMetrics"]]
    assert {block["Namespace"] for _, block in blocks} == {"Batchdrop"}
    assert {json.dumps(block["Dimensions"]) for _, block in blocks} == {'[["service"]]'}
    assert {line["service"] for line, _ in blocks} == {rig.stack.name}
    counted = {metric["Name"] for _, block in blocks for metric in block["Metrics"]}
    shown = json.dumps([resources("AWS::CloudWatch::Alarm"), resources("AWS::CloudWatch::Dashboard")])
    assert {"JobsClaimed", "JobsCompleted", "JobsFailed", "JobsHeld", "JobsHandedOver", "RecordsAccepted"} <= counted
    assert {name for name in counted if name not in shown} <= NEITHER_ALARM_NOR_WIDGET


def test_every_event_fits_its_schema(run: Run) -> None:
    schema = Draft202012Validator(json.loads((REPO / "docs/job-finished.schema.json").read_text()))
    events = [json.loads(message["Body"]) for message in run.told]
    assert {event["detail"]["outcome"] for event in events} == set(run.outcomes.values())
    for event in events:
        assert (event["source"], event["detail-type"]) == ("batchdrop", "Job Finished")
        schema.validate(event["detail"])
