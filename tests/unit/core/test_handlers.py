"""The five functions as AWS calls them: real events in, real adapters on AWS in process, a vendor on loopback."""

from __future__ import annotations

import copy
import importlib.util
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import boto3
import pytest
from aws_lambda_powertools import Metrics
from moto import mock_aws

from batchdrop import capability, observability, wiring
from batchdrop.aws import clients
from batchdrop.drop import job_id
from local.simulators.datagroup import DataGroupSimulator

REPO = Path(__file__).resolve().parents[3]
DROPS, RESULTS = "batchdrop-drops", "batchdrop-results"
KEYS = {"current": "k1", "k1": "n" * 64}
MOST = 262_144  # bytes that Step Functions hands from state to state


def event(name: str) -> dict[str, Any]:
    """One of the example events."""
    found: dict[str, Any] = json.loads((REPO / f"events/{name}.json").read_text())
    return found


@dataclass
class Context:
    """What Lambda hands a function beside its event."""

    aws_request_id: str = "request-1"
    function_name: str = "function"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:eu-west-1:123456789012:function:function"
    whole: int = 300_000  # at its beginning
    left: int = 300_000  # from then on
    asked: int = 0

    def get_remaining_time_in_millis(self) -> int:
        self.asked += 1
        return self.whole if self.asked == 1 else self.left


@dataclass
class Platform:
    """AWS in process, and the functions on it."""

    machine: str
    vendor: DataGroupSimulator
    modules: dict[str, ModuleType] = field(default_factory=dict)
    requests: int = 0

    def call(self, function: str, given: dict[str, Any], **context: Any) -> dict[str, Any]:
        """Invoke a function; its answer, which must be small and JSON."""
        if function not in self.modules:
            place = importlib.util.spec_from_file_location(f"{function}_app", REPO / f"functions/{function}/app.py")
            assert place is not None
            assert place.loader is not None
            self.modules[function] = importlib.util.module_from_spec(place)
            place.loader.exec_module(self.modules[function])
        self.requests += 1
        handler: Callable[..., dict[str, Any]] = self.modules[function].lambda_handler
        answer = handler(copy.deepcopy(given), Context(f"request-{self.requests}", **context))
        assert len(json.dumps(answer)) < MOST / 100
        return answer

    def drop(self, key: str, body: bytes) -> dict[str, Any]:
        """Put an object and give the event the submit function gets of it, as in the example."""
        version = boto3.client("s3").put_object(Bucket=DROPS, Key=key, Body=body)["VersionId"]
        given = event("submit_drop")
        message = json.loads(given["Records"][0]["body"])
        found = message["Records"][0]["s3"]
        found["bucket"]["name"], found["object"]["versionId"] = DROPS, version
        found["object"]["key"] = key.replace(" ", "+")
        given["Records"][0]["body"] = json.dumps(message)
        self.job = job_id(DROPS, key, version)
        return given

    def executions(self) -> list[str]:
        found = boto3.client("stepfunctions").list_executions(stateMachineArn=self.machine)
        return [execution["name"] for execution in found["executions"]]

    def item(self) -> dict[str, Any]:
        found: Any = boto3.client("dynamodb").get_item(
            TableName="ledger", Key={"pk": {"S": f"job#{self.job}"}, "sk": {"S": "job"}}
        )
        return dict(found.get("Item", {}))


@pytest.fixture
def platform(monkeypatch: pytest.MonkeyPatch) -> Iterator[Platform]:
    with mock_aws(), DataGroupSimulator(seconds_per_state=0.0) as vendor:
        machine = _build(vendor)
        settings = {
            "STACK": "batchdrop", "LEDGER_TABLE": "ledger", "DROP_BUCKET": DROPS, "RESULTS_BUCKET": RESULTS,
            "WORKFLOW_ARN": machine, "NOTIFICATION_URL": "https://example.com", "ALLOW_INSECURE_HOSTS": "127.0.0.1",
        }  # fmt: skip
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(wiring, "world", wiring.AwsWorld())
        monkeypatch.setattr(observability, "metrics", Metrics(namespace="Batchdrop", service="test"))
        for cached in (clients.client, clients._session):
            cached.cache_clear()
        yield Platform(machine, vendor)
        for cached in (clients.client, clients._session):
            cached.cache_clear()


def _build(vendor: DataGroupSimulator) -> str:
    s3: Any = boto3.client("s3")
    for bucket in (DROPS, RESULTS):
        s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    dynamodb: Any = boto3.client("dynamodb")
    dynamodb.create_table(
        TableName="ledger",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": kind}
            for name, kind in {"pk": "S", "sk": "S", "open": "S", "listing": "S", "created_at": "N"}.items()
        ],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[
            {
                "IndexName": name,
                "KeySchema": [
                    {"AttributeName": name, "KeyType": "HASH"},
                    {"AttributeName": "created_at", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "ALL"},
            }
            for name in ("open", "listing")
        ],
    )
    example = vendor.example()
    boto3.client("ssm").put_parameter(
        Name="/batchdrop/routes/people", Value=json.dumps(example["route"]), Type="String"
    )
    secrets = boto3.client("secretsmanager")
    secrets.create_secret(Name="batchdrop/datagroup-main", SecretString=json.dumps(example["secret"]))
    secrets.create_secret(Name="batchdrop/notification-keys", SecretString=json.dumps(KEYS))
    made = boto3.client("stepfunctions").create_state_machine(
        name="batchdrop-job",
        definition=(REPO / "functions/workflow/job.asl.yaml").read_text(),
        roleArn="arn:aws:iam::123456789012:role/workflow",
    )
    return str(made["stateMachineArn"])


FILE = b"id,zip\n1,01234\n2\n3,00001\n"


def test_a_drop_goes_from_function_to_function_to_its_report(platform: Platform) -> None:
    arrived = platform.drop("drops/people/june list.csv", FILE)
    assert platform.call("submit", arrived) == {"batchItemFailures": []}
    assert platform.executions() == [platform.job]
    answer = platform.call("poll", event("poll") | {"job_id": platform.job})
    assert (answer["next"], answer["lap"]) == ("finish", 1)
    done = platform.call("finish", {"job_id": platform.job})
    assert (done["next"], done["outcome"], done["success"]) == ("done", "completed_with_rejects", True)
    assert platform.call("finish", {"job_id": platform.job}) == done
    assert platform.call("poll", {"job_id": platform.job, "lap": 1})["next"] == "finish"
    objects = boto3.client("s3").list_objects_v2(Bucket=RESULTS)["Contents"]
    assert {o["Key"].rsplit("/", 1)[1] for o in objects} >= {"report.json", "report.html", "rejects.csv", "index.html"}
    assert platform.vendor.violations == []


@pytest.mark.acceptance("A1", "A2")
def test_the_same_event_again_makes_no_second_job_and_no_second_call(platform: Platform) -> None:
    arrived = platform.drop("drops/people/a.csv", FILE)
    for _ in range(3):
        assert platform.call("submit", arrived) == {"batchItemFailures": []}
    assert platform.executions() == [platform.job]
    assert len(platform.vendor.commits) == 1


@pytest.mark.acceptance("A6")
def test_malformed_messages_are_counted_and_do_not_come_back(platform: Platform, capsys: Any) -> None:
    assert platform.call("submit", event("submit_malformed")) == {"batchItemFailures": []}
    assert platform.executions() == []
    metrics = json.loads(capsys.readouterr().out)
    assert sum(metrics["EventsIgnored"]) == 3


@pytest.mark.acceptance("A14", "D10")
def test_a_message_that_could_not_be_dealt_with_is_named_and_comes_back(platform: Platform) -> None:
    """The ledger is down: nothing is sent to the vendor, and the queue keeps the message."""
    arrived = platform.drop("drops/people/a.csv", FILE)
    boto3.client("dynamodb").delete_table(TableName="ledger")
    failures = platform.call("submit", arrived)["batchItemFailures"]
    assert failures == [{"itemIdentifier": arrived["Records"][0]["messageId"]}]
    assert platform.vendor.requests == []
    assert platform.executions() == []


@pytest.mark.acceptance("B17")
def test_a_drop_without_a_route_has_a_job_and_a_report(platform: Platform) -> None:
    platform.call("submit", platform.drop("drops/nowhere/a.csv", FILE))
    assert platform.executions() == [platform.job]
    assert platform.call("poll", {"job_id": platform.job})["next"] == "finish"
    done = platform.call("finish", {"job_id": platform.job})
    assert (done["outcome"], done["success"]) == ("failed", False)


@pytest.mark.acceptance("A7")
def test_a_drop_deleted_before_it_was_read_ends_in_a_report(platform: Platform) -> None:
    arrived = platform.drop("drops/people/a.csv", FILE)
    version = json.loads(arrived["Records"][0]["body"])["Records"][0]["s3"]["object"]["versionId"]
    boto3.client("s3").delete_object(Bucket=DROPS, Key="drops/people/a.csv", VersionId=version)
    platform.call("submit", arrived)
    assert platform.call("poll", {"job_id": platform.job})["next"] == "finish"
    assert platform.call("finish", {"job_id": platform.job})["outcome"] == "failed"
    assert platform.vendor.commits == []


def test_a_resume_of_nothing_does_nothing(platform: Platform) -> None:
    assert platform.call("submit", event("submit_resume")) == {"resumed": False}
    assert platform.call("submit", event("submit_span")) == {"resumed": False}
    assert platform.call("poll", event("poll"))["next"] == "finish"
    assert platform.call("finish", event("finish"))["outcome"] == "unknown"


@pytest.mark.acceptance("D11")
def test_a_submission_short_of_time_is_gone_on_with_by_the_workflow(platform: Platform) -> None:
    platform.call("submit", platform.drop("drops/people/a.csv", FILE), left=1_000)
    assert platform.vendor.commits == []
    rest = platform.call("poll", {"job_id": platform.job})  # nothing could be done at all: not again at once
    assert rest["next"] == "wait"
    assert rest["seconds"] <= 4
    assert platform.call("submit", {"job_id": platform.job}) == {"resumed": True}
    assert len(platform.vendor.commits) == 1


def test_the_spans_of_a_large_drop_go_through_the_same_functions(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look cuts where it has read a block, so here it reads small ones."""
    monkeypatch.setattr("batchdrop.records.expand.BLOCK", 8)
    monkeypatch.setattr("batchdrop.records.reading._HEAD", 8)
    route = platform.vendor.example()["route"] | {"side_by_side": {"above": 8, "workers": 2}}
    boto3.client("ssm").put_parameter(Name="/batchdrop/routes/people", Value=json.dumps(route), Overwrite=True)
    platform.call("submit", platform.drop("drops/people/a.csv", FILE + b'4,"0\n1"\n5\n'))
    lap, given = 0, []
    while (answer := platform.call("poll", {"job_id": platform.job, "lap": lap}))["next"] == "submit":
        assert len(answer["spans"]) <= 2
        for item in answer["spans"]:
            assert platform.call("submit", event("submit_span") | item) == {"resumed": True}
        given += [item["span"] for item in answer["spans"]]
        lap = answer["spans"][0]["lap"]
    assert (answer["next"], given, answer["lap"]) == ("finish", [*range(1, len(given) + 1)], lap + 1)
    assert lap == (len(given) + 1) // 2 > 1
    done = platform.call("finish", {"job_id": platform.job})
    assert done["outcome"] == "completed_with_rejects"
    told = {name: int(count["N"]) for name, count in platform.item()["counts"]["M"].items()}
    assert (told["records"], told["accepted"], told["invalid"]) == (5, 3, 2)
    assert platform.vendor.violations == []


# --- the webhook ---


def call_of(token: str, method: str = "POST", **changes: Any) -> dict[str, Any]:
    found = event("webhook_post")
    found["pathParameters"] = {"token": token}
    found["requestContext"]["http"]["method"] = method
    return {**found, **changes}


@pytest.fixture
def waiting(platform: Platform) -> Platform:
    """A job that waits for its vendor."""
    platform.vendor.options.seconds_per_state = 60
    platform.call("submit", platform.drop("drops/people/a.csv", FILE))
    return platform


def token_of(platform: Platform, expires: int = 4_000_000_000) -> str:
    return capability.issue(KEYS, platform.job, expires)


@pytest.mark.acceptance("F7", "F8")
@pytest.mark.parametrize(
    ("method", "status", "hint"),
    [("POST", 202, True), ("GET", 202, True), ("HEAD", 204, False), ("OPTIONS", 204, False),
     ("PUT", 405, False), ("DELETE", 405, False), ("TRACE", 405, False), ("PATCH", 405, False)],
)  # fmt: skip
def test_only_get_and_post_are_hints(waiting: Platform, method: str, status: int, hint: bool) -> None:
    answer = waiting.call("webhook", call_of(token_of(waiting), method))
    assert answer["statusCode"] == status
    assert answer["headers"]["Cache-Control"] == "no-store"
    assert ("hint_at" in waiting.item()) is hint


@pytest.mark.acceptance("F8")
@pytest.mark.parametrize(
    "changes",
    [
        {"body": "x" * 6_000_000},
        {"body": "////", "isBase64Encoded": True},
        {"body": "<?xml version='1.0'?><a/>"},
        {"body": "state=COMPLETED&state=FAILED", "rawQueryString": "q=" + "x" * 65_000},
        {"body": None, "headers": {}},
        {"body": '{"state": "FAILED"'},
    ],
)
def test_a_body_is_never_read(waiting: Platform, changes: dict[str, Any]) -> None:
    assert waiting.call("webhook", call_of(token_of(waiting), **changes))["statusCode"] == 202
    assert "outcome" not in waiting.item()


@pytest.mark.acceptance("F1")
@pytest.mark.parametrize("token", ["", "x", "../../etc/passwd", "{job}.1.k1." + "A" * 32, "expired", "of no job"])
def test_what_is_no_genuine_token_meets_one_wall_and_leaves_no_trace(waiting: Platform, token: str) -> None:
    token = token.replace("{job}", waiting.job)
    if token == "expired":
        token = token_of(waiting, expires=1)
    if token == "of no job":
        token = capability.issue(KEYS, "0" * 32, 4_000_000_000)
    before = waiting.item()
    answer = waiting.call("webhook", call_of(token))
    assert answer == {
        "statusCode": 404,
        "headers": {"Cache-Control": "no-store", "Content-Type": "application/json"},
        "body": "{}",
    }
    assert waiting.item() == before


def test_a_call_without_a_token_is_unknown(waiting: Platform) -> None:
    assert waiting.call("webhook", call_of("x", pathParameters=None))["statusCode"] == 404


@pytest.mark.acceptance("F5")
def test_a_call_after_the_end_is_taken_and_changes_nothing(platform: Platform) -> None:
    platform.call("submit", platform.drop("drops/people/a.csv", FILE))
    platform.call("poll", {"job_id": platform.job})
    platform.call("finish", {"job_id": platform.job})
    before = platform.item()
    assert platform.call("webhook", call_of(token_of(platform)))["statusCode"] == 202
    assert platform.item() == before


# --- the sweep ---


def test_a_scheduled_sweep_of_a_healthy_stack_finds_nothing(waiting: Platform) -> None:
    found = waiting.call("sweep", event("sweep_schedule"))
    assert found["drops_without_job"] == found["jobs_without_execution"] == 0


@pytest.mark.acceptance("E8")
def test_a_job_whose_execution_died_gets_another_once(waiting: Platform) -> None:
    died = event("sweep_execution_died")
    died["detail"]["name"] = waiting.job
    assert waiting.call("sweep", died) == {"revived": True}
    assert set(waiting.executions()) == {waiting.job, f"{waiting.job}-2"}
    assert waiting.call("sweep", event("sweep_execution_died")) == {"revived": False}  # of a job nobody knows


# --- what functions say ---


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """What the functions write into their log."""
    written = io.StringIO()
    monkeypatch.setattr(observability.logger.registered_handler, "stream", written)
    return written


@pytest.mark.acceptance("F10")
def test_a_failure_tells_its_kind_and_never_its_text(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, log: io.StringIO
) -> None:
    platform.call("poll", event("poll"))
    secret = "https://vendor.example/x?X-Amz-Signature=c0ffee"
    monkeypatch.setattr(platform.modules["poll"], "what_next", _raising(ValueError(secret)))
    with pytest.raises(observability.Failed) as failed:
        platform.call("poll", event("poll"))
    assert str(failed.value) == "ValueError: the function's log says where"
    assert failed.value.__cause__ is None
    assert failed.value.__suppress_context__
    assert "function failed" in log.getvalue()
    assert "c0ffee" not in log.getvalue()


def _raising(error: Exception) -> Callable[..., Any]:
    def fail(*_: object) -> Any:
        raise error

    return fail


def test_a_refused_aws_call_is_named_in_the_log(platform: Platform, log: io.StringIO) -> None:
    boto3.client("dynamodb").delete_table(TableName="ledger")
    with pytest.raises(observability.Failed):
        platform.call("poll", event("poll"))
    assert "GetItem: ResourceNotFoundException" in log.getvalue()


@pytest.mark.acceptance("H3", "F10")
def test_no_log_line_holds_a_secret_a_token_or_a_record(platform: Platform, log: io.StringIO) -> None:
    platform.call("submit", platform.drop("drops/people/a.csv", b"id,name\n1,Zaphod\n2\n"))
    platform.call("poll", {"job_id": platform.job})
    platform.call("poll", {"job_id": platform.job})
    platform.call("finish", {"job_id": platform.job})
    platform.call("webhook", call_of(token_of(platform)))
    options = platform.vendor.options
    for canary in (options.api_key, options.password, KEYS["k1"], "X-Amz-Signature", "Zaphod", token_of(platform)):
        assert canary not in log.getvalue()
