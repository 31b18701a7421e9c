"""Sherpa.ai's simulator against the samples and rules of the vendor's pages."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from local.simulators.clock import ManualClock
from local.simulators.sherpa import SherpaSimulator, signature
from tests.unit.simulators.plain import Answer, ask, sample

SECONDS = 10.0


class Files(ThreadingHTTPServer):
    """Where the client stages its files."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        super().__init__(("127.0.0.1", 0), Serving)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()

    def put(self, data: str | bytes) -> str:
        name = f"/{len(self.files)}"
        self.files[name] = data.encode() if isinstance(data, str) else data
        return f"http://127.0.0.1:{self.server_address[1]}{name}?X-Amz-Signature=x"


class Serving(BaseHTTPRequestHandler):
    server: Files

    def do_GET(self) -> None:
        data = self.server.files.get(urlsplit(self.path).path)
        self.send_response(200 if data is not None else 404)
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def files() -> Iterator[Files]:
    server = Files()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def sim(clock: ManualClock) -> Iterator[SherpaSimulator]:
    with SherpaSimulator(clock=clock, seconds_per_state=SECONDS) as simulator:
        yield simulator


class Client:
    """Signs as the vendor's page says."""

    def __init__(self, sim: SherpaSimulator, clock: ManualClock, files: Files) -> None:
        self.sim, self.clock, self.files = sim, clock, files

    def headers(self, path: str) -> dict[str, str]:
        timestamp, nonce = str(int(self.clock.now() * 1000)), str(uuid.uuid4())
        return {
            "Content-Type": "application/json",
            "X-Sherpa-apikey": "sherpa-public-key",
            "X-Sherpa-timestamp": timestamp,
            "X-Sherpa-nonce": nonce,
            "X-Sherpa-hmac": signature("sherpa-private-key", path, timestamp, nonce),
        }

    def call(self, method: str, path: str, body: Any = None, **changes: str) -> Answer:
        path = "/v2/recomm" + path
        changed = {name.replace("_", "-"): value for name, value in changes.items()}
        return ask(method, self.sim.url + path, {**self.headers(path), **changed}, body)

    def upload(self, where: str, data: str | bytes, file_format: str) -> str:
        answer = self.call("POST", f"/{where}/batch", {"url": self.files.put(data), "format": file_format})
        assert answer.status == 202
        assert answer.json["status"] == "queued"
        return str(answer.json["requestId"])

    def run(self, where: str, data: str | bytes, file_format: str) -> Any:
        """Upload, let the vendor work, and return the last status."""
        request_id = self.upload(where, data, file_format)
        self.work()
        return self.status(where, request_id)

    def work(self) -> None:
        self.clock.advance(2 * SECONDS)
        self.sim.state()
        self.sim.settle()

    def status(self, where: str, request_id: str) -> Any:
        return self.call("GET", f"/{where}/batch/{request_id}").json


@pytest.fixture
def client(sim: SherpaSimulator, clock: ManualClock, files: Files) -> Client:
    return Client(sim, clock, files)


def rules(sim: SherpaSimulator) -> list[str]:
    return [violation.rule for violation in sim.violations]


def test_the_signature_is_that_of_the_published_test_vector() -> None:
    key = "f70a907a-9160-11eb-a8b3-0242ac130003"
    nonce = "10ba816b-7ae5-48b3-b6cc-a042658bf3c7"

    assert signature(key, "/v2/recomm/items/9346", "1543257277148", nonce) == "CRkI2I+TNUmabZjJnsqFKlFdQ6k="


@pytest.mark.parametrize("where", ["users", "products/items", "products/interactions"])
@pytest.mark.parametrize("file_format", ["csv", "json"])
def test_the_pages_own_files_are_fetched_and_taken(client: Client, where: str, file_format: str) -> None:
    file = where.rpartition("/")[2]

    done = client.run(where, sample("sherpa", f"{file}.{file_format}"), file_format)

    assert done["status"] == "completed"
    assert set(done) == set(json.loads(sample("sherpa", "items_completed.json")))
    assert [fetch["status"] for fetch in client.sim.fetches] == [200]
    assert len(client.sim.received_records) == (2 if where == "users" else 3)
    assert client.sim.violations == []


def test_a_request_is_queued_then_uploading_then_final(client: Client, clock: ManualClock) -> None:
    request_id = client.upload("users", sample("sherpa", "users.csv"), "csv")

    states = [client.status("users", request_id)["status"]]
    clock.advance(SECONDS)
    states.append(client.status("users", request_id)["status"])
    client.work()
    states.append(client.status("users", request_id)["status"])

    assert states == ["queued", "uploading", "completed"]


def test_rows_that_exist_or_have_a_wrong_type_are_listed_as_on_the_page(client: Client) -> None:
    header = '"itemId","price"\n'
    client.run("products/items", header + '"item348",1.0\n', "csv")

    done = client.run("products/items", header + '"item348",2.0\r\n"item705","high"\r\n"new",3\r\n', "csv")

    documented = json.loads(sample("sherpa", "items_completed_with_errors.json"))
    assert done["status"] == documented["status"]
    assert done["itemsNotAdded"] == documented["itemsNotAdded"]
    assert len(client.sim.elements) == 2


def test_users_and_interactions_have_lists_of_their_own(client: Client) -> None:
    users = json.dumps([{"userId": "user816"}, {"userId": "user331", "age": "old"}])
    client.run("users", json.dumps([{"userId": "user816"}]), "json")
    expected = json.loads(sample("sherpa", "users_completed_with_errors.json"))["usersNotAdded"]
    assert client.run("users", users, "json")["usersNotAdded"] == expected

    row = '"userId","itemId","timestamp","interactionName"\n"user01","item03",1581673287916,"givestars"\n'
    client.run("products/interactions", row, "csv")
    expected = json.loads(sample("sherpa", "interactions_completed_with_errors.json"))["interactionsNotAdded"]
    assert client.run("products/interactions", row, "csv")["interactionsNotAdded"] == expected


@pytest.mark.parametrize("character", list('$./<>:"#%&*?|{}'))
def test_ids_with_a_forbidden_character_are_not_added(client: Client, character: str) -> None:
    done = client.run("users", json.dumps([{"userId": f"a{character}b"}]), "json")

    assert [refused["code"] for refused in done["usersNotAdded"]] == ["InvalidArgumentException"]


@pytest.mark.parametrize(
    ("file", "file_format", "rule"),
    [
        ('userId,"age"\n"u1",1\n', "csv", "csv_quoting"),
        ('"userId","name"\n"u1",Ada\n', "csv", "csv_quoting"),
        ('"userId","name"\n"u1"\n', "csv", "csv"),
        ('"userId"\n"u1"x\n', "csv", "csv"),
        ("", "csv", "csv_quoting"),
        ("\ufeff[]", "json", "encoding"),
        ('[{"userId": "caf\xe9"}]'.encode("latin-1"), "json", "encoding"),
        ('{"userId": "u1"}\n{"userId": "u2"}\n', "json", "json"),
        ('{"users": []}', "json", "json"),
    ],
)
def test_a_file_unlike_the_page_ends_in_error(client: Client, file: str | bytes, file_format: str, rule: str) -> None:
    assert client.run("users", file, file_format)["status"] == "error"

    assert rules(client.sim) == [rule]


def test_quotes_commas_and_line_breaks_inside_a_cell_are_data(client: Client) -> None:
    client.run("users", '"userId","name","age"\n"u1","O""Neill, \nJr.",\n"u2","",', "csv")

    assert client.sim.received_records == [{"userId": "u1", "name": 'O"Neill, \nJr.'}, {"userId": "u2", "name": ""}]


def test_a_url_that_cannot_be_fetched_ends_in_error(client: Client, files: Files) -> None:
    request_id = client.upload("users", "[]", "json")
    files.files.clear()
    client.work()
    assert client.status("users", request_id)["status"] == "error"

    client.sim.fault("expired_url")
    assert client.run("users", "[]", "json")["status"] == "error"
    assert [fetch["status"] for fetch in client.sim.fetches] == [404, 403]


@pytest.mark.parametrize(
    ("changes", "status", "rule"),
    [
        ({"Content_Type": "text/plain"}, 400, "content_type"),
        ({"Authorization": "x"}, 400, "header"),
        ({"X_Sherpa_apikey": "other"}, 401, "credentials"),
        ({"X_Sherpa_hmac": "AAAA"}, 401, "signature"),
        ({"X_Sherpa_nonce": ""}, 401, "signature"),
        ({"X_Sherpa_timestamp": "1548084514112"}, 401, "timestamp"),
        ({"X_Sherpa_timestamp": "now"}, 401, "timestamp"),
    ],
)
def test_a_wrong_header_is_refused(client: Client, changes: dict[str, str], status: int, rule: str) -> None:
    answer = client.call("POST", "/users/batch", {"url": "https://x.test/f", "format": "csv"}, **changes)

    assert (answer.status, rules(client.sim)) == (status, [rule])
    assert set(answer.json) == {"code", "description"}


def test_a_signature_serves_once_and_for_ten_seconds(client: Client, clock: ManualClock) -> None:
    path = "/v2/recomm/users/batch"
    url, body = client.sim.url + path, {"url": "https://x.test/f", "format": "csv"}
    headers, other = client.headers(path), client.headers(path)

    assert [ask("POST", url, headers, body).status for _ in range(2)] == [202, 401]
    clock.advance(10.1)
    assert ask("POST", url, other, body).status == 401
    assert rules(client.sim) == ["nonce", "timestamp"]


@pytest.mark.parametrize(
    "body", [{}, {"url": "https://x.test/f"}, {"url": "ftp://x.test/f", "format": "csv"}, b"{", b"[]"]
)
def test_a_wrong_body_is_refused(client: Client, body: Any) -> None:
    assert client.call("POST", "/users/batch", body).status == 400
    assert client.call("POST", "/users/batch", {"url": "https://x.test/f", "format": "xml"}).status == 400
    assert rules(client.sim) == ["payload"] * 2


def test_a_request_is_found_only_under_its_own_path(client: Client) -> None:
    request_id = client.upload("users", "[]", "json")

    assert client.call("GET", f"/products/items/batch/{request_id}").status == 404
    assert client.call("GET", f"/products/users/batch/{request_id}").status == 404
    assert client.call("GET", f"/users/batch/{uuid.uuid4()}").json["code"] == "EntityNotFoundException"
    assert client.call("POST", "/other/items/batch", {"url": "https://x.test/f", "format": "csv"}).status == 404
    assert rules(client.sim) == ["order", "path", "order", "table"]


def test_a_request_can_be_canceled_only_while_queued(client: Client, clock: ManualClock) -> None:
    where = "products/items"
    first, second = client.upload(where, "[]", "json"), client.upload(where, "[]", "json")

    canceled = client.call("DELETE", f"/{where}/batch/{first}")
    clock.advance(SECONDS)
    too_late = client.call("DELETE", f"/{where}/batch/{second}")

    assert (canceled.status, canceled.json) == (200, {"requestId": first, "status": "canceled"})
    assert too_late.status == 400
    assert client.status(where, first)["status"] == "canceled"
    assert [commit.id for commit in client.sim.commits] == [second]
    assert client.sim.violations == []


def test_the_faults_of_the_status(client: Client, sim: SherpaSimulator) -> None:
    sim.fault("not_added", value=[{"errorId": "stranger", "code": "X", "message": "never sent"}])
    assert client.run("users", "[]", "json")["usersNotAdded"][0]["errorId"] == "stranger"

    sim.fault("failed")
    assert client.run("users", "[]", "json")["status"] == "error"

    sim.fault("never", value="queued")
    request_id = client.upload("users", "[]", "json")
    client.work()
    sim.fault("unknown_state")
    sim.fault("wrong_spelling", value="Queued ")
    assert [client.status("users", request_id)["status"] for _ in range(3)] == ["paused", "Queued ", "queued"]

    sim.fault("expired_token", "status")
    sim.fault("429", "status", value="3")
    assert [client.call("GET", f"/users/batch/{request_id}").status for _ in range(3)] == [429, 401, 200]
    assert sim.violations == []


def test_a_partial_result_can_be_spelt_in_two_ways(client: Client, sim: SherpaSimulator) -> None:
    sim.fault("wrong_spelling")
    assert client.run("users", '[{"userId": ""}]', "json")["status"] == "completedwitherrors"


def test_two_uploads_of_one_file_are_two_commits_of_one_payload(client: Client) -> None:
    for _ in range(2):
        client.run("users", sample("sherpa", "users.json"), "json")

    assert list(client.sim.commits_by_sha.values()) == [2]
