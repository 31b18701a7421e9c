"""mediarithmics' simulator against the samples and rules of the vendor's page."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from local.simulators.clock import ManualClock
from local.simulators.mediarithmics import MediarithmicsSimulator
from tests.unit.simulators.plain import Answer, ask, sample

TOKEN = {"Authorization": "api:mediarithmics-token"}
JSON_TYPE = {**TOKEN, "Content-Type": "application/json"}
NDJSON_TYPE = {**TOKEN, "Content-Type": "application/x-ndjson"}
SECONDS = 10.0
REQUEST = json.loads(sample("mediarithmics", "create_import_request.json"))
THREE = b'{"$ts": 1}\n{"$ts": 2, "$fail": true}\n{"$ts": 3}\n'


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def sim(clock: ManualClock) -> Iterator[MediarithmicsSimulator]:
    with MediarithmicsSimulator(clock=clock, seconds_per_state=SECONDS) as simulator:
        yield simulator


class Client:
    def __init__(self, sim: MediarithmicsSimulator, clock: ManualClock) -> None:
        self.sim, self.clock = sim, clock
        self.imports = sim.url + "/v1/datamarts/1502/document_imports"

    def create_import(self, **changes: Any) -> Answer:
        return ask("POST", self.imports, JSON_TYPE, {**REQUEST, **changes})

    def executions(self, **changes: Any) -> str:
        return f"{self.imports}/{self.create_import(**changes).json['data']['id']}/executions"

    def run(self, body: bytes) -> Any:
        """Submit, let the vendor finish, return the execution."""
        executions = self.executions()
        made = ask("POST", executions, NDJSON_TYPE, body).json["data"]
        self.clock.advance(2 * SECONDS)
        return ask("GET", f"{executions}/{made['id']}", TOKEN).json["data"]


@pytest.fixture
def client(sim: MediarithmicsSimulator, clock: ManualClock) -> Client:
    return Client(sim, clock)


def rules(sim: MediarithmicsSimulator) -> list[str]:
    return [violation.rule for violation in sim.violations]


def test_an_import_is_created_as_on_the_page(client: Client) -> None:
    answer = client.create_import().json

    documented = json.loads(sample("mediarithmics", "create_import_response.json"))
    assert list(answer) == list(documented)
    assert set(answer["data"]) == set(documented["data"])
    assert {name: answer["data"][name] for name in REQUEST} == REQUEST
    assert isinstance(answer["data"]["id"], str)


def test_an_execution_goes_from_pending_to_succeeded_in_the_form_of_the_page(
    client: Client, clock: ManualClock
) -> None:
    executions = client.executions()
    body = sample("mediarithmics", "user_activity.ndjson").encode()

    made = ask("POST", executions, NDJSON_TYPE, body).json
    shown = [made["data"]]
    for _ in range(3):
        shown.append(ask("GET", f"{executions}/{made['data']['id']}", TOKEN).json["data"])
        clock.advance(SECONDS)

    assert [execution["status"] for execution in shown] == ["PENDING", "PENDING", "RUNNING", "SUCCEEDED"]
    created = json.loads(sample("mediarithmics", "create_execution_response.json"))["data"]
    finished = json.loads(sample("mediarithmics", "execution_response.json"))["data"]
    assert {name: type(value) for name, value in shown[0].items()} == {n: type(v) for n, v in created.items()}
    for part in ("parameters", "result"):
        assert set(shown[-1][part]) == set(finished[part])
    assert set(shown[-1]) == set(finished)
    assert shown[-1]["end_date"] == shown[-1]["start_date"] + shown[-1]["duration"]
    assert client.sim.received_records == [json.loads(body)]
    assert client.sim.violations == []


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("records", b'{"error": "the record asked to fail", "record": {"$ts": 2, "$fail": true}}\n'),
        ("lines", b'{"$ts": 2, "$fail": true}\n'),
        ("numbered", b'{"line": 2, "error": "the record asked to fail"}\n'),
    ],
)
def test_failed_records_are_counted_and_listed_in_the_error_file(client: Client, style: str, expected: bytes) -> None:
    client.sim.options.error_file = style

    done = client.run(THREE)

    assert (done["status"], done["result"]["total_success"], done["result"]["total_failure"]) == ("SUCCEEDED", 2, 1)
    file = client.sim.url + "/v1/data_file/data?uri=" + quote(done["result"]["error_file_uri"], safe="")
    assert ask("GET", file, TOKEN).body == expected


def test_a_segment_may_come_as_csv(client: Client, clock: ManualClock) -> None:
    executions = client.executions(document_type="USER_SEGMENT", mime_type="TEXT_CSV")
    made = ask("POST", executions, {**TOKEN, "Content-Type": "text/csv"}, b"operation,$fail\nUPDATE,\nUPDATE,true\n")
    clock.advance(2 * SECONDS)

    done = ask("GET", f"{executions}/{made.json['data']['id']}", TOKEN).json["data"]

    assert (done["result"]["total_success"], done["result"]["total_failure"]) == (1, 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"mime_type": "TEXT_CSV"},
        {"mime_type": "application/x-ndjson"},
        {"document_type": "USER_STUFF"},
        {"encoding": "latin-1"},
        {"priority": "URGENT"},
        {"name": ""},
        {"charset": "utf-8"},
    ],
)
def test_a_wrong_import_is_refused(client: Client, changes: dict[str, str]) -> None:
    answer = client.create_import(**changes)

    assert (answer.status, answer.json["status"], rules(client.sim)) == (400, "error", ["payload"])


def test_the_token_and_the_datamart_must_be_right(client: Client, sim: MediarithmicsSimulator) -> None:
    for value in ("", "Bearer api:mediarithmics-token"):
        assert ask("POST", client.imports, {**JSON_TYPE, "Authorization": value}, REQUEST).status == 401
    assert ask("GET", client.imports.replace("1502", "7"), TOKEN).status == 403
    assert rules(sim) == ["credentials", "credentials", "datamart"]


def test_the_content_type_must_be_that_of_the_import(client: Client) -> None:
    executions = client.executions()

    for content_type in ("application/json", "text/csv", "multipart/form-data; boundary=x"):
        assert ask("POST", executions, {**TOKEN, "Content-Type": content_type}, THREE).status == 400
    assert ask("POST", client.imports, {**TOKEN, "Content-Type": "text/plain"}, REQUEST).status == 400
    assert rules(client.sim) == ["content_type"] * 4
    assert client.sim.commits == []


def test_an_empty_or_too_large_file_is_refused(client: Client) -> None:
    executions = client.executions()

    assert ask("POST", executions, NDJSON_TYPE, b"").status == 400
    assert ask("POST", executions, NDJSON_TYPE, b"\n" * 100_000_001).status == 400
    assert ask("POST", executions, NDJSON_TYPE, b'{"a": "\xe9"}').status == 400
    assert rules(client.sim) == ["size", "size", "payload"]


def test_lines_that_are_not_objects_fail_and_are_violations(client: Client) -> None:
    done = client.run(b'{\n"a": 1\n}\n')

    assert done["result"]["total_failure"] == 3
    assert rules(client.sim) == ["payload"] * 3


def test_the_list_of_executions_is_paged_with_the_newest_first(client: Client) -> None:
    executions = client.executions()
    client.sim.fault("reset_after", "create_execution")
    with pytest.raises(ConnectionError):
        ask("POST", executions, NDJSON_TYPE, THREE)
    made = [ask("POST", executions, NDJSON_TYPE, THREE).json["data"]["id"] for _ in range(2)]

    page = ask("GET", executions + "?first_result=0&max_results=2", TOKEN).json
    rest = ask("GET", executions + "?first_result=2&max_results=2", TOKEN).json

    assert [execution["id"] for execution in page["data"]] == made[::-1]
    assert (page["count"], page["total"], len(rest["data"])) == (2, 3, 1)
    assert rest["data"][0]["id"] not in made
    assert list(client.sim.commits_by_sha.values()) == [3]


def test_the_list_can_be_refused(client: Client) -> None:
    executions = client.executions()
    client.sim.fault("list_refused")

    assert [ask("GET", executions, TOKEN).status for _ in range(2)] == [403, 200]


def test_an_execution_can_be_canceled_only_while_pending(client: Client, clock: ManualClock) -> None:
    executions = client.executions()
    first, second = (ask("POST", executions, NDJSON_TYPE, THREE).json["data"]["id"] for _ in range(2))

    canceled = ask("POST", f"{executions}/{first}/action", JSON_TYPE, {"action": "CANCEL"})
    assert canceled.json["data"]["status"] == "CANCELED"
    clock.advance(SECONDS)
    assert ask("POST", f"{executions}/{second}/action", JSON_TYPE, {"action": "CANCEL"}).status == 400
    assert client.sim.violations == []

    assert ask("POST", f"{executions}/{second}/action", JSON_TYPE, {"action": "STOP"}).status == 400
    assert rules(client.sim) == ["payload"]
    assert [commit.id for commit in client.sim.commits] == [second]


def test_the_sample_that_is_pending_with_a_result_can_be_replayed(client: Client) -> None:
    client.sim.fault("pending_with_result")

    done = client.run(THREE)

    assert done["status"] == "PENDING"
    assert done["result"]["total_success"] == 2
    assert "end_date" in done


def test_the_faults_of_the_status(client: Client, sim: MediarithmicsSimulator) -> None:
    sim.fault("failed", value="LOST")
    lost = client.run(THREE)
    assert (lost["status"], lost["is_retryable"], lost["result"]) == ("LOST", False, None)
    sim.fault("retryable")
    assert client.run(THREE)["is_retryable"] is True
    sim.fault("never")
    assert client.run(THREE)["status"] == "RUNNING"
    sim.fault("wrong_spelling")
    assert client.run(THREE)["status"] == "SUCCESS"
    sim.fault("unknown_state")
    assert client.run(THREE)["status"] == "HIBERNATING"
    sim.fault("miscount", value=5)
    assert client.run(THREE)["result"]["total_success"] == 7
    sim.options.ids_as_numbers = True
    assert isinstance(client.run(THREE)["id"], int)
    assert sim.violations == []


def test_what_does_not_exist_is_not_found(client: Client) -> None:
    executions = client.executions()

    assert ask("GET", client.imports + "/1", TOKEN).status == 404
    assert ask("POST", client.imports + "/1/executions", NDJSON_TYPE, THREE).status == 404
    assert ask("GET", executions + "/1", TOKEN).status == 404
    assert ask("GET", client.sim.url + "/v1/data_file/data?uri=nothing", TOKEN).status == 404
    assert ask("POST", client.imports.replace("document_", "documents_"), JSON_TYPE, REQUEST).status == 404
    assert rules(client.sim) == ["order", "order", "order", "order", "path"]
