"""The Data Group's destination against the vendor's page: every request byte for byte, every answer, every doubt."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from batchdrop.destinations import datagroup
from batchdrop.destinations.base import Canceled, Found, NotThere, StepKind, Undecided, VendorState
from batchdrop.destinations.datagroup import DataGroup
from batchdrop.errors import Ambiguous, AuthExpired, Rejected, RouteError, StartAgain
from batchdrop.job import Batch
from batchdrop.ports import Request, Response
from batchdrop.route import read_route
from local.simulators.clock import ManualClock
from local.simulators.datagroup import DataGroupSimulator
from tests.unit.destinations.conftest import Desk, Objects, sample

SECONDS = 10.0
JOBS = "/v3/async/append/email/job"
RECORDS = b'[{"first_name":"Ada","zipcode":"01234"},{"first_name":"Zo\xc3\xab","zipcode":"00501"}]'
PLAIN = {"job_name": "mailing", "state_before_upload": None}
LISTENER = "https://www.example.com/api/batch-file-listener"


@pytest.fixture(autouse=True)
def no_token_from_another_test() -> None:
    datagroup._tokens.clear()


@pytest.fixture
def sim(clock: ManualClock) -> Iterator[DataGroupSimulator]:
    with DataGroupSimulator(clock=clock, seconds_per_state=SECONDS, notify="never") as simulator:
        yield simulator
        assert simulator.violations == []


@pytest.fixture
def desk(sim: DataGroupSimulator, open_desk: Callable[..., Desk]) -> Desk:
    desk: Desk = open_desk(sim, PLAIN)
    desk.prepare()
    return desk


def only(sim: DataGroupSimulator, endpoint: str) -> Any:
    (call,) = sim.calls(endpoint)
    return call


# --- requests ---


def test_the_token_is_asked_for_as_documented_and_used_by_its_own_header(desk: Desk, sim: DataGroupSimulator) -> None:
    call = only(sim, "auth")

    assert (call.method, call.path) == ("POST", "/v3/auth")
    assert json.loads(call.body) == {"username": "datagroup-user", "password": "datagroup-password"}
    assert call.header("x-api-key") == "datagroup-api-key"
    assert call.header("Content-Type") == "application/json"
    assert call.header("AuthorizationToken") == ""
    job = only(sim, "create_job")
    assert job.header("AuthorizationToken")
    assert job.header("Authorization") == ""


def test_the_job_is_created_with_its_name(desk: Desk, sim: DataGroupSimulator) -> None:
    call = only(sim, "create_job")

    assert (call.method, call.path) == ("POST", JOBS)
    assert json.loads(call.body) == {"name": "mailing", "output_format": "JSON"}
    assert desk.session.job.receipt == {"job_id": sim.created[0].id}


def test_the_jobs_name_and_its_attribute_have_defaults_and_options(
    sim: DataGroupSimulator, open_desk: Callable[..., Desk]
) -> None:
    open_desk(sim, {"job_name": None, "job_name_field": "job_name"}).prepare()

    assert json.loads(only(sim, "create_job").body)["job_name"] == "batchdrop-job-0123456789"


def test_a_batch_file_is_created_as_on_the_page(desk: Desk, sim: DataGroupSimulator) -> None:
    desk.session.notification_url = LISTENER

    batch = desk.submit(RECORDS)

    call = only(sim, "create_batch_file")
    assert (call.method, call.path) == ("POST", f"{JOBS}/{desk.session.job.receipt['job_id']}/batch-file")
    assert json.loads(call.body) == json.loads(sample("datagroup/create_batch_file_request.json"))
    assert call.header("x-api-key") == "datagroup-api-key"
    assert call.header("AuthorizationToken")
    assert call.header("Content-Type") == "application/json"
    assert batch.receipt == {"batch_id": sim.commits[0].id}


@pytest.mark.parametrize(("url", "method"), [("", "POST"), (LISTENER, "none")])
def test_without_a_notification_neither_of_its_attributes_is_sent(
    sim: DataGroupSimulator, open_desk: Callable[..., Desk], url: str, method: str
) -> None:
    desk = open_desk(sim, {"notification_method": method})
    desk.session.notification_url = url
    desk.prepare()

    desk.submit(RECORDS)

    assert json.loads(only(sim, "create_batch_file").body) == {"output_format": "JSON"}


@pytest.mark.acceptance("C4")
def test_the_records_are_put_to_the_upload_url_with_their_length_and_nothing_secret(
    desk: Desk, sim: DataGroupSimulator
) -> None:
    desk.submit(RECORDS)

    call = only(sim, "upload")
    assert (call.method, call.host, call.body.encode()) == ("PUT", "files", RECORDS)
    assert call.header("Content-Length") == str(len(RECORDS))
    for name in ("Content-Type", "x-api-key", "AuthorizationToken", "Authorization", "Transfer-Encoding"):
        assert call.header(name) == ""


def test_an_upload_gets_a_content_type_where_the_route_names_one(
    sim: DataGroupSimulator, open_desk: Callable[..., Desk]
) -> None:
    desk = open_desk(sim, {"upload_content_type": "application/json"})
    desk.prepare()
    desk.submit(RECORDS)

    assert only(sim, "upload").header("Content-Type") == "application/json"


def test_state_and_result_are_asked_for_as_on_the_page(desk: Desk, sim: DataGroupSimulator, objects: Objects) -> None:
    batch = desk.submit(RECORDS)
    desk.work()
    path = f"{JOBS}/{desk.session.job.receipt['job_id']}/batch-file/{batch.receipt['batch_id']}"

    assert desk.vendor.ask(desk.session, batch).state is VendorState.SUCCEEDED
    found = desk.vendor.collect(desk.session, batch)

    for endpoint, end in (("state", ""), ("result", "/result")):
        call = only(sim, endpoint)
        assert (call.method, call.path, call.body) == ("GET", path + end, "")
        assert call.header("x-api-key") == "datagroup-api-key"
        assert call.header("Content-Type") == "application/json"
        assert call.header("AuthorizationToken")
    download = only(sim, "download")
    assert (download.method, download.host, download.header("AuthorizationToken")) == ("GET", "files", "")
    assert (found.results, list(found.rejects), found.rejected) == (["results/batch-00001.json"], [], None)
    (stored,) = [data for key, data in objects.stored.items() if "/results/" in key]
    assert [row["email"] for row in json.loads(stored)] == ["person1@example.com", "person2@example.com"]


# --- the token ---


def test_one_token_serves_many_calls_and_is_renewed_before_it_runs_out(desk: Desk, sim: DataGroupSimulator) -> None:
    desk.submit(RECORDS)
    assert len(sim.calls("auth")) == 1

    desk.clock.advance(0.9 * 8 * 3600)
    desk.submit(RECORDS, n=2)

    assert len(sim.calls("auth")) == 2


def test_a_refused_token_is_renewed_once_with_fresh_credentials(desk: Desk, sim: DataGroupSimulator) -> None:
    sim.fault("expired_token", "create_batch_file")
    desk.submit(RECORDS)

    first, second = sim.calls("create_batch_file")
    assert (first.status, second.status) == (401, 200)
    assert first.header("AuthorizationToken") != second.header("AuthorizationToken")
    assert True in desk.fresh

    sim.fault("expired_token", "create_batch_file", count=2)
    with pytest.raises(AuthExpired):
        desk.submit(RECORDS, n=2)


def test_a_changed_password_is_noticed(sim: DataGroupSimulator, open_desk: Callable[..., Desk]) -> None:
    desk = open_desk(sim)
    sim.options.password = desk.secrets["password"] = "rotated"
    stale = {**desk.secrets, "password": "datagroup-password"}
    cache = [stale]

    def secret(fresh: bool) -> dict[str, str]:
        cache[0] = desk.secrets if fresh else cache[0]
        return cache[0]

    desk.session.secret = secret
    desk.prepare()

    assert [call.status for call in sim.calls("auth")] == [401, 200]
    sim.violations.clear()  # the stale password is one


@pytest.mark.parametrize("name", ["token", "AuthorizationToken", "authorizationToken", "Token", "access_token"])
def test_the_token_is_found_under_several_names(
    sim: DataGroupSimulator, open_desk: Callable[..., Desk], name: str
) -> None:
    sim.options.token_field = name

    assert open_desk(sim).prepare()


# --- answers ---


class Canned:
    """An HTTP port that answers with samples of the vendor's page."""

    def __init__(self, *bodies: bytes) -> None:
        self.bodies, self.requests = list(bodies), list[Request]()

    def send(self, request: Request) -> Response:
        self.requests.append(request)
        return Response(200, {}, self.bodies.pop(0))

    def download(self, request: Request) -> Iterator[bytes]:
        self.requests.append(request)
        yield b"[]"


def test_the_pages_own_answers_are_understood(desk: Desk) -> None:
    created = sample("datagroup/create_batch_file_response.json")
    desk.session.http = http = Canned(created, b"")
    batch = desk.submit(RECORDS)
    assert batch.receipt == {"batch_id": "160427130036tew"}
    assert (http.requests[1].url, http.requests[1].given_by_vendor) == ("https://s3.amazonaws.com/...", True)
    assert http.requests[1].hosts == desk.route.account["transfer_hosts"]

    desk.session.http = http = Canned(sample("datagroup/state_response.json"))
    assert desk.vendor.ask(desk.session, batch).state is VendorState.SUCCEEDED

    desk.session.http = http = Canned(sample("datagroup/result_response.json"))
    desk.vendor.collect(desk.session, batch)
    assert (http.requests[1].url, http.requests[1].given_by_vendor) == ("https://s3.amazonaws.com/...", True)


@pytest.mark.acceptance("E1")
@pytest.mark.parametrize(
    ("word", "state", "known"),
    [("COMPLETED", "succeeded", True), ("Completed", "succeeded", True), ("FAILED", "running", False)],
)
def test_completed_is_the_only_state_that_ends_a_batch(desk: Desk, word: str, state: str, known: bool) -> None:
    batch = desk.begin(receipt={"batch_id": "1"})
    desk.session.http = Canned(json.dumps({"state": word, "created_date": "1461726337744"}).encode())

    status = desk.vendor.ask(desk.session, batch)

    assert (status.state, status.known, status.word) == (state, known, word)


def test_there_is_no_cancel(desk: Desk) -> None:
    assert desk.vendor.cancel(desk.session, desk.submit(RECORDS)) is Canceled.NOT_POSSIBLE


# --- doubt ---


def test_creating_is_repeatable_uploading_is_not_and_the_url_stays_within_one_invocation(desk: Desk) -> None:
    create, upload = desk.vendor.steps()

    assert (create.kind, upload.kind) == (StepKind.REPEATABLE, StepKind.COMMIT)
    assert (upload.needs, upload.again_from) == (("upload_url",), create.name)
    assert "X-Amz" not in json.dumps(desk.submit(RECORDS).receipt)


@pytest.mark.acceptance("C5")
def test_an_upload_url_that_has_expired_begins_a_new_batch_file(desk: Desk, sim: DataGroupSimulator) -> None:
    sim.fault("expired_url", "upload")

    with pytest.raises(StartAgain):
        desk.submit(RECORDS)

    assert sim.commits == []


@pytest.mark.acceptance("C3")
def test_an_upload_that_arrived_altered_is_noticed_by_its_etag(desk: Desk, sim: DataGroupSimulator) -> None:
    sim.fault("altered", "upload")

    with pytest.raises(StartAgain, match="other bytes than were sent"):
        desk.submit(RECORDS)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"etag": '"not-an-md5"'},
        {"etag": f'"{"0" * 32}-2"'},
        {"etag": f'"{"0" * 32}"', "x-amz-server-side-encryption": "aws:kms"},
    ],
)
def test_an_etag_that_is_no_md5_proves_nothing(desk: Desk, headers: dict[str, str]) -> None:
    class Storage(Canned):
        def send(self, request: Request) -> Response:
            return Response(200, headers, super().send(request).body)

    desk.session.http = Storage(sample("datagroup/create_batch_file_response.json"), b"")

    assert desk.submit(RECORDS).receipt == {"batch_id": "160427130036tew"}


def lost(desk: Desk, kind: str) -> Batch:
    desk.sim.fault(kind, "upload")
    with pytest.raises(Ambiguous):
        desk.submit(RECORDS)
    return desk.batches[-1]


def reconcile(desk: Desk, batch: Batch) -> Any:
    reconcile_ = desk.step("upload").reconcile
    assert reconcile_ is not None
    return reconcile_(desk.session, batch)


def test_a_lost_upload_whose_batch_file_completed_is_adopted(desk: Desk) -> None:
    batch = lost(desk, "reset_after")
    desk.work()

    assert reconcile(desk, batch) == Found()


@pytest.mark.parametrize("kind", ["reset_after", "reset_before"])
def test_a_lost_upload_in_a_state_of_unknown_meaning_cannot_be_decided(desk: Desk, kind: str) -> None:
    answer = reconcile(desk, lost(desk, kind))

    assert isinstance(answer, Undecided)
    assert "account.state_before_upload" in answer.why


@pytest.mark.parametrize(("kind", "answer"), [("reset_after", Found()), ("reset_before", NotThere())])
def test_the_state_before_the_upload_decides_where_the_route_names_it(
    sim: DataGroupSimulator, open_desk: Callable[..., Desk], kind: str, answer: Any
) -> None:
    desk = open_desk(sim, {"state_before_upload": "created"})
    desk.prepare()

    assert reconcile(desk, lost(desk, kind)) == answer


# --- results ---


@pytest.mark.acceptance("G2")
@pytest.mark.parametrize(("times", "readable"), [(1, True), (2, True), (3, False)])
def test_a_download_url_that_has_expired_is_asked_for_again_twice(
    desk: Desk, sim: DataGroupSimulator, times: int, readable: bool
) -> None:
    batch = desk.submit(RECORDS)
    desk.work()
    sim.fault("403", "download", count=times)

    if readable:
        assert desk.vendor.collect(desk.session, batch).results == ["results/batch-00001.json"]
    else:
        with pytest.raises(Rejected):
            desk.vendor.collect(desk.session, batch)
    assert len(sim.calls("result")) == min(times + 1, 3)


@pytest.mark.acceptance("G1")
@pytest.mark.parametrize("url", ["http://169.254.169.254/latest", "file:///etc/passwd", "https://evil.example/x"])
def test_a_download_url_of_another_host_is_never_called(desk: Desk, sim: DataGroupSimulator, url: str) -> None:
    batch = desk.submit(RECORDS)
    desk.work()
    sim.fault("download_url", "result", value=url)

    with pytest.raises(Rejected, match="URL"):
        desk.vendor.collect(desk.session, batch)


@pytest.mark.acceptance("G3")
def test_a_result_cut_short_is_not_taken_for_whole(desk: Desk, sim: DataGroupSimulator) -> None:
    batch = desk.submit(RECORDS)
    desk.work()
    sim.fault("truncated", "download")

    with pytest.raises(Ambiguous):
        desk.vendor.collect(desk.session, batch)


# --- routes ---


def test_a_route_needs_nothing_but_its_secret() -> None:
    route = read_route("r", {"destination": "datagroup", "secret": "dg-main"})

    output = DataGroup().output(route.account)

    assert route.account["base_url"] == "https://api.thedatagroup.com/v3"
    assert "s3.amazonaws.com" in str(route.account["transfer_hosts"])
    assert (output.format, output.max_bytes) == ("json_array", 50_000_000)


@pytest.mark.parametrize("account", [{"notification_method": "PUT"}, {"output_format": "CSV"}])
def test_what_the_vendor_does_not_take_is_refused(account: dict[str, str]) -> None:
    with pytest.raises(RouteError, match=next(iter(account))):
        read_route("r", {"destination": "datagroup", "secret": "dg-main", "account": account})
