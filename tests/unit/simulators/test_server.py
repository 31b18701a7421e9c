"""The frame all simulators share: log, faults, control API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, IncompleteRead
from typing import Any
from urllib.parse import urlsplit

import pytest

from local.simulators.clock import ManualClock
from local.simulators.datagroup import DataGroupSimulator
from tests.unit.simulators.plain import Answer, ask

KEY = {"x-api-key": "datagroup-api-key", "Content-Type": "application/json"}
LOGIN = {"username": "datagroup-user", "password": "datagroup-password"}


@pytest.fixture
def sim() -> Iterator[DataGroupSimulator]:
    with DataGroupSimulator(clock=ManualClock()) as simulator:
        yield simulator


def log_in(sim: DataGroupSimulator) -> Answer:
    return ask("POST", sim.url + "/v3/auth", KEY, LOGIN)


def test_every_request_is_logged_with_its_headers_and_the_digest_of_its_body(sim: DataGroupSimulator) -> None:
    log_in(sim)

    (request,) = sim.requests
    assert (request.method, request.path, request.endpoint, request.status) == ("POST", "/v3/auth", "auth", 200)
    assert request.header("X-API-KEY") == "datagroup-api-key"
    assert request.length == len(json.dumps(LOGIN))
    assert request.body == json.dumps(LOGIN)
    assert len(request.sha256) == 64


def test_one_connection_serves_several_requests(sim: DataGroupSimulator) -> None:
    connection = HTTPConnection("127.0.0.1", urlsplit(sim.url).port, timeout=5)

    for _ in range(3):
        connection.request("POST", "/v3/auth", json.dumps(LOGIN), KEY)
        response = connection.getresponse()
        assert (response.status, response.version, bool(response.read())) == (200, 11, True)
    connection.close()


def test_an_unknown_path_and_a_wrong_method_are_violations(sim: DataGroupSimulator) -> None:
    assert ask("POST", sim.url + "/v3/login", KEY, LOGIN).status == 404
    assert ask("GET", sim.url + "/v3/auth", KEY).status == 405

    assert [violation.rule for violation in sim.violations] == ["path", "method"]


def test_a_chunked_body_is_read_whole_and_refused(sim: DataGroupSimulator) -> None:
    body = (part for part in (b'{"username": ', b'"x"}'))
    answer = ask("POST", sim.url + "/v3/auth", KEY, body, encode_chunked=True)

    assert answer.status == 411
    assert [violation.rule for violation in sim.violations] == ["chunked"]
    assert sim.requests[0].body == '{"username": "x"}'


@pytest.mark.parametrize("status", ["429", "500", "503"])
def test_a_status_fault_answers_instead_of_acting_so_many_times(sim: DataGroupSimulator, status: str) -> None:
    sim.fault(status, "auth", count=2, value="7")

    answers = [log_in(sim) for _ in range(3)]

    assert [answer.status for answer in answers] == [int(status), int(status), 200]
    assert answers[0].headers["retry-after"] == "7"
    assert [request.fault for request in sim.requests] == [status, status, ""]
    assert sim.violations == []


def test_retry_after_can_be_a_date_or_garbage(sim: DataGroupSimulator) -> None:
    sim.fault("429", value="date:60")
    sim.fault("429", value="soon")

    assert parsedate_to_datetime(log_in(sim).headers["retry-after"]).tzinfo is not None
    assert log_in(sim).headers["retry-after"] == "soon"


def token_of(sim: DataGroupSimulator) -> dict[str, str]:
    return {**KEY, "AuthorizationToken": log_in(sim).json["token"]}


def create_job(sim: DataGroupSimulator, headers: dict[str, str]) -> Answer:
    return ask("POST", sim.url + "/v3/async/append/email/job", headers, {"name": "mailing"})


def test_reset_before_does_nothing_and_reset_after_has_acted(sim: DataGroupSimulator) -> None:
    headers = token_of(sim)
    sim.fault("reset_before", "create_job")
    with pytest.raises(ConnectionError):
        create_job(sim, headers)
    assert sim.created == []

    sim.fault("reset_after", "create_job")
    with pytest.raises(ConnectionError):
        create_job(sim, headers)
    assert [created.kind for created in sim.created] == ["job"]
    assert [request.status for request in sim.calls("create_job")] == [0, 0]


def test_a_500_can_be_answered_after_acting(sim: DataGroupSimulator) -> None:
    headers = token_of(sim)
    sim.fault("500", "create_job", acts=True)

    assert create_job(sim, headers).status == 500
    assert len(sim.created) == 1


def test_a_truncated_answer_ends_short_of_its_length(sim: DataGroupSimulator) -> None:
    sim.fault("truncated")

    with pytest.raises(IncompleteRead):
        log_in(sim)


def test_a_dripped_and_a_slow_answer_arrive_whole(sim: DataGroupSimulator) -> None:
    sim.fault("drip", value=0.0001)
    sim.fault("slow", value=0.01)

    assert log_in(sim).json["token"] != log_in(sim).json["token"]


def test_html_with_status_200_and_a_trailing_comma_cannot_be_read_as_json(sim: DataGroupSimulator) -> None:
    sim.fault("html200")
    sim.fault("trailing_comma")

    html, comma = log_in(sim), log_in(sim)

    assert (html.status, html.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert html.text.startswith("<!DOCTYPE html>")
    assert comma.text.endswith(",}")


def test_whoever_follows_a_redirect_to_another_host_is_recorded(sim: DataGroupSimulator) -> None:
    sim.fault("redirect", "auth")

    answer = log_in(sim)
    assert answer.status == 307
    assert urlsplit(answer.headers["location"]).netloc != urlsplit(sim.url).netloc
    assert sim.violations == []

    ask("POST", answer.headers["location"], KEY, LOGIN)
    assert [violation.rule for violation in sim.violations] == ["other_host"]


def test_an_unknown_fault_is_refused_with_the_known_ones(sim: DataGroupSimulator) -> None:
    with pytest.raises(ValueError, match=r"unknown fault 'gremlins'; known: .*reset_after"):
        sim.fault("gremlins")


def control(sim: DataGroupSimulator, method: str, what: str, body: Any = None) -> Any:
    return ask(method, f"{sim.url}/_sim/{what}", {}, body).json


def test_another_process_steers_it_through_the_control_api(sim: DataGroupSimulator) -> None:
    assert control(sim, "POST", "faults", [{"kind": "503", "endpoint": "auth"}]) == {"ok": True}
    assert log_in(sim).status == 503
    assert control(sim, "POST", "options", {"username": "other"}) == {"ok": True}
    assert log_in(sim).status == 401

    state = control(sim, "GET", "state")
    assert [violation["rule"] for violation in state["violations"]] == ["credentials"]
    assert [request["path"] for request in control(sim, "GET", "requests")] == ["/v3/auth", "/v3/auth"]
    assert control(sim, "GET", "records") == []

    assert control(sim, "POST", "reset") == {"ok": True}
    assert control(sim, "GET", "state")["requests"] == 0
    assert log_in(sim).status == 200


def test_a_wrong_control_call_says_what_there_is(sim: DataGroupSimulator) -> None:
    assert "GET /_sim/state" in control(sim, "GET", "nothing")["error"]
    assert "unknown options ['speed']" in control(sim, "POST", "options", {"speed": 1})["error"]
    assert "unknown fault" in control(sim, "POST", "faults", {"kind": "gremlins"})["error"]


def test_a_large_body_lives_on_disk_only_while_it_is_needed(sim: DataGroupSimulator) -> None:
    ask("POST", sim.url + "/v3/auth", KEY, b"x" * 3_000_000)

    assert sim.requests[0].length == 3_000_000
    assert sim.requests[0].body is None
    assert sim.files_on_disk() == 0
