"""The Data Group's simulator against the samples and rules of the vendor's page."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from local.simulators.clock import ManualClock
from local.simulators.datagroup import DataGroupSimulator
from tests.unit.simulators.plain import Answer, ask, sample

KEY = {"x-api-key": "datagroup-api-key", "Content-Type": "application/json"}
LOGIN = {"username": "datagroup-user", "password": "datagroup-password"}
RECORDS = [{"first_name": "Ada", "zipcode": "01234"}, {"first_name": "Zoë", "zipcode": "00501"}]
PAYLOAD = json.dumps(RECORDS).encode()


class Client:
    """Calls in the order of the page."""

    def __init__(self, sim: DataGroupSimulator) -> None:
        self.sim = sim
        self.job = f"{sim.url}/v3/async/append/email/job"
        self.headers = {**KEY, "AuthorizationToken": self.log_in()}

    def log_in(self) -> str:
        return str(ask("POST", self.sim.url + "/v3/auth", KEY, LOGIN).json["token"])

    def create_job(self) -> str:
        return str(ask("POST", self.job, self.headers, {"name": "mailing"}).json["job_id"])

    def create_batch_file(self, job_id: str, body: Any = None) -> Answer:
        return ask("POST", f"{self.job}/{job_id}/batch-file", self.headers, {} if body is None else body)

    def get(self, job_id: str, batch_id: str, what: str = "") -> Answer:
        return ask("GET", f"{self.job}/{job_id}/batch-file/{batch_id}{what}", self.headers)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def sim(clock: ManualClock) -> Iterator[DataGroupSimulator]:
    with DataGroupSimulator(clock=clock, seconds_per_state=10.0) as simulator:
        yield simulator


@pytest.fixture
def client(sim: DataGroupSimulator) -> Client:
    return Client(sim)


def rules(sim: DataGroupSimulator) -> list[str]:
    return [violation.rule for violation in sim.violations]


def test_a_batch_file_goes_from_creation_to_its_result(
    sim: DataGroupSimulator, client: Client, clock: ManualClock
) -> None:
    job_id = client.create_job()
    made = client.create_batch_file(job_id, json.loads(sample("datagroup", "create_batch_file_request.json"))).json
    assert set(made) == set(json.loads(sample("datagroup", "create_batch_file_response.json")))
    batch_id = made["batch_id"]
    assert client.get(job_id, batch_id).json["state"] == "CREATED"

    assert ask("PUT", made["upload_URL"], {}, PAYLOAD).status == 200
    states = []
    for _ in range(3):
        states.append(client.get(job_id, batch_id).json["state"])
        clock.advance(10)
    assert states == ["UPLOADED", "PROCESSING", "COMPLETED"]

    url = client.get(job_id, batch_id, "/result").json["download_url"]
    result = ask("GET", url).json
    assert [row["first_name"] for row in result] == ["Ada", "Zoë"]
    assert result[0]["email"] == "person1@example.com"
    assert sim.received_records == RECORDS
    assert list(sim.commits_by_sha.values()) == [1]
    assert [commit.records for commit in sim.commits] == [2]
    assert sim.violations == []


def test_the_state_answers_in_the_form_of_the_page(client: Client) -> None:
    job_id = client.create_job()
    batch_id = client.create_batch_file(job_id).json["batch_id"]

    answer = client.get(job_id, batch_id).json

    documented = json.loads(sample("datagroup", "state_response.json"))
    assert set(answer) == set(documented)
    assert isinstance(answer["created_date"], str)
    assert len(answer["created_date"]) == len(documented["created_date"])


@pytest.mark.parametrize(
    ("change", "status", "rule"),
    [
        ({"x-api-key": "wrong"}, 403, "credentials"),
        ({"x-api-key": ""}, 403, "credentials"),
        ({"AuthorizationToken": "forged"}, 401, "credentials"),
        ({"AuthorizationToken": ""}, 401, "credentials"),
        ({"Authorization": "Bearer x"}, 400, "header"),
        ({"Content-Type": "text/plain"}, 400, "content_type"),
    ],
)
def test_a_wrong_header_is_refused(
    sim: DataGroupSimulator, client: Client, change: dict[str, str], status: int, rule: str
) -> None:
    answer = ask("POST", client.job, {**client.headers, **change}, {"name": "mailing"})

    assert (answer.status, rules(sim)) == (status, [rule])


@pytest.mark.parametrize(
    "body",
    [
        {"output_format": "CSV"},
        {"notification_URL": "https://example.com/x"},
        {"notification_method": "POST"},
        {"notification_URL": "https://example.com/x", "notification_method": "PUT"},
        {"notification_URL": "http://example.com/x", "notification_method": "POST"},
        {"notification_url": "https://example.com/x", "notification_method": "POST"},
        b"not json",
        b"[]",
    ],
)
def test_a_wrong_batch_file_request_is_refused(sim: DataGroupSimulator, client: Client, body: Any) -> None:
    answer = client.create_batch_file(client.create_job(), body)

    assert (answer.status, rules(sim)) == (400, ["payload"])


def test_a_job_needs_a_name_and_login_needs_both_fields(sim: DataGroupSimulator, client: Client) -> None:
    assert ask("POST", client.job, client.headers, {}).status == 400
    assert ask("POST", sim.url + "/v3/auth", KEY, {"username": "datagroup-user"}).status == 400
    assert ask("POST", sim.url + "/v3/auth", KEY, LOGIN | {"password": "no"}).status == 401


def test_calls_out_of_order_are_refused(sim: DataGroupSimulator, client: Client) -> None:
    job_id = client.create_job()
    batch_id = client.create_batch_file(job_id).json["batch_id"]

    assert client.create_batch_file("160718103247ad0").status == 404
    assert client.get(job_id, "160427130036tew").status == 404
    assert client.get(client.create_job(), batch_id).status == 404
    assert client.get(job_id, batch_id, "/result").status == 400
    assert rules(sim) == ["order"] * 4


def upload_url(client: Client) -> str:
    return str(client.create_batch_file(client.create_job()).json["upload_URL"])


def test_the_upload_host_refuses_credentials(sim: DataGroupSimulator, client: Client) -> None:
    for name in ("x-api-key", "AuthorizationToken", "Authorization"):
        answer = ask("PUT", upload_url(client), {name: "secret"}, PAYLOAD)
        assert (answer.status, answer.headers["content-type"]) == (400, "application/xml")

    assert rules(sim) == ["credentials_leaked"] * 3
    assert sim.commits == []


def test_the_upload_host_refuses_chunks_a_changed_url_and_too_many_bytes(
    sim: DataGroupSimulator, client: Client
) -> None:
    url = upload_url(client)
    assert ask("PUT", url, {}, iter([PAYLOAD]), encode_chunked=True).status == 411
    assert ask("PUT", url + "0", {}, PAYLOAD).status == 403
    assert ask("PUT", url.partition("?")[0], {}, PAYLOAD).status == 403
    assert ask("PUT", url, {}, b" " * 50_000_001).status == 400

    assert rules(sim) == ["chunked", "signature", "signature", "size"]
    assert sim.commits == []


def test_an_upload_url_dies_after_eight_hours_and_for_good(
    sim: DataGroupSimulator, client: Client, clock: ManualClock
) -> None:
    url = upload_url(client)
    clock.advance(8 * 3600 + 1)

    answer = ask("PUT", url, {}, PAYLOAD)

    assert answer.status == 403
    assert b"<Message>Request has expired</Message>" in answer.body
    assert sim.violations == []


def test_an_upload_url_can_die_early(sim: DataGroupSimulator, client: Client) -> None:
    url = upload_url(client)
    sim.fault("expired_url", "upload")

    assert [ask("PUT", url, {}, PAYLOAD).status for _ in range(2)] == [403, 403]
    assert ask("PUT", upload_url(client), {}, PAYLOAD).status == 200
    assert sim.violations == []


def test_a_token_dies_after_its_life_or_early(sim: DataGroupSimulator, client: Client, clock: ManualClock) -> None:
    sim.fault("expired_token", "create_job")
    assert ask("POST", client.job, client.headers, {"name": "a"}).status == 401
    client.headers["AuthorizationToken"] = client.log_in()
    assert ask("POST", client.job, client.headers, {"name": "a"}).status == 200

    clock.advance(8 * 3600)
    assert ask("POST", client.job, client.headers, {"name": "a"}).status == 401
    assert sim.violations == []


def test_a_second_upload_replaces_the_first_until_processing_begins(
    sim: DataGroupSimulator, client: Client, clock: ManualClock
) -> None:
    url = upload_url(client)
    ask("PUT", url, {}, b"[]")
    ask("PUT", url, {}, PAYLOAD)
    assert [commit.records for commit in sim.commits] == [2]
    assert sim.violations == []

    clock.advance(10)
    ask("PUT", url, {}, PAYLOAD)
    assert list(sim.commits_by_sha.values()) == [2]
    assert rules(sim) == ["order"]


def test_records_that_cannot_be_read_fail_the_batch_file(client: Client, clock: ManualClock) -> None:
    job_id = client.create_job()
    for payload in (b'{"a": 1}\n', b"[1]", b"[{]", b"\xff"):
        made = client.create_batch_file(job_id).json
        assert ask("PUT", made["upload_URL"], {}, payload).status == 200
        clock.advance(30)
        assert client.get(job_id, made["batch_id"]).json["state"] == "FAILED"

    assert rules(client.sim) == ["payload"] * 4


@pytest.mark.parametrize(
    ("container", "payload"), [("lines", b'{"a": 1}\n{"a": 2}\n'), ("object:records", b'{"records": [{"a": 1}]}')]
)
def test_other_containers_can_be_agreed(container: str, payload: bytes) -> None:
    with DataGroupSimulator(container=container) as sim:
        ask("PUT", upload_url(Client(sim)), {}, payload)

        assert sim.violations == []
        assert sim.received_records[0] == {"a": 1}


def test_the_state_can_be_unknown_misspelt_failed_or_never_final(
    sim: DataGroupSimulator, client: Client, clock: ManualClock
) -> None:
    job_id = client.create_job()
    made = client.create_batch_file(job_id).json
    sim.fault("never", "upload")
    ask("PUT", made["upload_URL"], {}, PAYLOAD)
    clock.advance(1000)
    sim.fault("unknown_state", value="PAUSED")
    sim.fault("wrong_spelling")

    said = [client.get(job_id, made["batch_id"]).json["state"] for _ in range(3)]

    assert said == ["PAUSED", "Processing", "PROCESSING"]


def test_altered_bytes_show_in_the_etag(sim: DataGroupSimulator, client: Client) -> None:
    url = upload_url(client)
    sim.fault("altered")

    altered, whole = (ask("PUT", url, {}, PAYLOAD).headers["etag"] for _ in range(2))

    assert altered != whole


class Listener(ThreadingHTTPServer):
    """Takes notifications and counts them."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, bytes]] = []
        self.arrived = threading.Semaphore(0)
        super().__init__(("127.0.0.1", 0), Listening)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/listen"


class Listening(BaseHTTPRequestHandler):
    server: Listener

    def take(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.calls.append((self.command, body))
        self.send_response(204)
        self.end_headers()
        self.server.arrived.release()

    do_GET = do_POST = take  # noqa: N815

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def listener() -> Iterator[Listener]:
    server = Listener()
    yield server
    server.shutdown()
    server.server_close()


Submit = Callable[[str, str], None]


@pytest.fixture
def submit(client: Client, listener: Listener) -> Submit:
    def upload(method: str, mode: str) -> None:
        client.sim.options.notify = mode
        wanted = {"notification_URL": listener.url, "notification_method": method}
        made = client.create_batch_file(client.create_job(), wanted).json
        ask("PUT", made["upload_URL"], {}, PAYLOAD)

    return upload


@pytest.mark.parametrize(("mode", "count"), [("once", 1), ("twice", 2), ("per_state", 3), ("early", 1), ("late", 1)])
def test_a_finished_batch_file_is_notified_as_ordered(
    submit: Submit, listener: Listener, sim: DataGroupSimulator, clock: ManualClock, mode: str, count: int
) -> None:
    submit("POST", mode)
    for _ in range(4):
        sim.state()
        clock.advance(10)

    assert all(listener.arrived.acquire(timeout=5) for _ in range(count))
    assert [method for method, _ in listener.calls] == ["POST"] * count
    final = json.loads(listener.calls[-1][1])["state"]
    assert final == ("UPLOADED" if mode == "early" else "COMPLETED")


def test_a_notification_by_get_has_no_body_and_its_answer_is_recorded(
    submit: Submit, listener: Listener, sim: DataGroupSimulator, clock: ManualClock
) -> None:
    submit("GET", "once")
    clock.advance(30)
    sim.state()

    assert listener.arrived.acquire(timeout=5)
    sim.notifier.stop()
    assert listener.calls == [("GET", b"")]
    assert [(sent.method, sent.status) for sent in sim.notifier.sent] == [("GET", 204)]


def test_no_notification_comes_when_none_was_asked_for_or_it_gets_lost(
    submit: Submit, client: Client, listener: Listener, clock: ManualClock
) -> None:
    submit("POST", "never")
    ask("PUT", upload_url(client), {}, PAYLOAD)
    clock.advance(100)
    client.sim.state()
    client.sim.notifier.stop()

    assert listener.calls == []


def test_the_example_route_and_secret_fit_the_simulator(sim: DataGroupSimulator) -> None:
    example = sim.example()

    assert example["route"]["destination"] == "datagroup"
    url = example["route"]["account"]["base_url"] + "/auth"
    login = {name: example["secret"][name] for name in ("username", "password")}
    answer = ask("POST", url, {"x-api-key": example["secret"]["api_key"], "Content-Type": "application/json"}, login)
    assert answer.status == 200
