"""The public endpoint: whatever is sent to it, it notes a hint at most, and gives nothing away."""

from __future__ import annotations

import base64
import inspect
import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchdrop import capability, observability
from tests.security.porch import JOB, KEYS, Porch

METHODS = ("GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "get", "")
bodies = st.one_of(st.none(), st.binary(max_size=500).map(lambda b: base64.b64encode(b).decode()), st.text())
headers = st.dictionaries(st.text(min_size=1), st.text(), max_size=5)
nearly = st.builds(
    lambda job, expires, key, mac: f"{job}.{expires}.{key}.{mac}",
    st.one_of(st.just(JOB), st.text("0123456789abcdef", min_size=30, max_size=34)),
    st.one_of(st.integers(), st.just(1_800_003_600), st.text()),
    st.one_of(st.sampled_from(["k1", "k2", "k3", "current"]), st.text()),
    st.one_of(st.text(), st.just("A" * 32)),
)


@pytest.fixture(scope="module")
def porch() -> Porch:
    return Porch()


@pytest.mark.acceptance("F1", "F7", "F8")
@settings(max_examples=400, deadline=None)
@given(
    method=st.one_of(st.sampled_from(METHODS), st.text(max_size=10)),
    token=st.one_of(st.none(), st.text(), nearly),
    body=bodies,
    heads=headers,
    encoded=st.booleans(),
    query=st.text(),
)
def test_no_forged_call_touches_the_ledger_or_ends_in_an_error(
    porch: Porch, method: str, token: str | None, body: str | None, heads: dict[str, str], encoded: bool, query: str
) -> None:
    before = porch.touched
    answer = porch.call(token, method, body=body, headers=heads, isBase64Encoded=encoded, rawQueryString=query)
    expected = {"GET": 404, "POST": 404, "HEAD": 204, "OPTIONS": 204}.get(method, 405)
    assert answer["statusCode"] == expected
    assert answer["headers"]["Cache-Control"] == "no-store"
    assert porch.touched == before
    assert porch.woken == []


@pytest.mark.acceptance("F8")
@settings(max_examples=100, deadline=None)
@given(body=bodies, heads=headers, encoded=st.booleans(), query=st.text())
def test_a_genuine_call_is_accepted_whatever_comes_with_it(
    body: str | None, heads: dict[str, str], encoded: bool, query: str
) -> None:
    porch = Porch()
    answer = porch.call(
        porch.token(), "POST", body=body, headers=heads, isBase64Encoded=encoded, queryStringParameters={"q": query}
    )
    assert (answer["statusCode"], answer["body"], porch.woken) == (202, "{}", ["waiter"])


@pytest.mark.acceptance("F8")
@pytest.mark.parametrize(
    "event",
    [
        {"body": base64.b64encode(b"\x1f\x8b" + b"x" * 11_000_000).decode(), "isBase64Encoded": True},
        {"body": '{"state": "COMPLETED", "job_id": "someone else\'s"}'},
        {"body": "<xml>&bomb;</xml>", "headers": {"content-type": "application/xml"}},
        {"body": "{", "headers": {"content-type": "application/json,application/json", "content-length": "1,2"}},
        {"rawQueryString": "q=" + "x" * 65_536, "queryStringParameters": {"q": "x" * 65_536}},
        {"cookies": ["a=b"] * 1000},
    ],
    ids=["11 MB of gzip", "a claim", "XML", "broken", "64 KB of query", "cookies"],
)
def test_bodies_queries_and_headers_change_nothing(event: dict[str, Any]) -> None:
    porch = Porch()
    plain, odd = Porch(), porch.call(porch.token(), "POST", **event)
    assert odd == plain.call(plain.token())
    assert porch.table.items == plain.table.items


def unheeded(porch: Porch) -> dict[str, str]:
    """Tokens that are not, or no longer, good: forged, expired, another job's, of a job nobody knows."""
    genuine = porch.token()
    job, expires, key, mac = genuine.split(".")
    return {
        "expired": porch.token(seconds=-1),
        "expires now": porch.token(seconds=0),
        "of another job": f"{'f' * 32}.{expires}.{key}.{mac}",
        "of an unknown job": porch.token("f" * 32),
        "prolonged": f"{job}.{int(expires) + 1}.{key}.{mac}",
        "of another key": f"{job}.{expires}.k1.{mac}",
        "of a key that is gone": f"{job}.{expires}.k0.{mac}",
        "of the word current": f"{job}.{expires}.current.{mac}",
        "cut": genuine[:-1],
        "with more": genuine + "A",
        "in capitals": genuine.upper(),
        "a path": "../../etc/passwd",
        "with digits of another script": genuine.replace("1", "١"),
        "with a line end": genuine + "\n",
        "empty": "",
        "endless": "a" * 65_536,
    }


@pytest.mark.acceptance("F1")
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_one_answer_for_unknown_expired_and_forged(method: str) -> None:
    porch = Porch()
    answers = {name: porch.call(token, method) for name, token in unheeded(porch).items()}
    assert {json.dumps(answer) for answer in answers.values()} == {json.dumps(porch.call(None, method))}
    assert answers["expired"]["statusCode"] == 404
    assert porch.woken == []
    assert porch.touched == 1  # of the genuine token of a job nobody knows: only that reaches the ledger
    assert porch.counted["CallbacksForged"] == len(answers)  # that one is none, the call without a token is


@pytest.mark.acceptance("F7")
def test_only_get_and_post_are_hints() -> None:
    for method in METHODS:
        porch = Porch()
        porch.call(porch.token(), method)
        assert (porch.touched > 0) == (method in ("GET", "POST")), method
    assert Porch().call("x", "PUT")["headers"]["Allow"] == "GET, POST"


@pytest.mark.acceptance("F3")
def test_ten_thousand_replays_cost_one_wake_in_thirty_seconds() -> None:
    porch, token = Porch(), Porch().token(seconds=3600)
    for _ in range(10_000):
        assert porch.call(token)["statusCode"] == 202
        porch.time += 0.009  # ninety seconds in all
    assert len(porch.woken) == 3
    assert porch.counted["CallbacksReceived"] == 3


@pytest.mark.acceptance("F11")
def test_after_a_rotation_the_urls_given_before_stay_good_until_their_key_is_taken_away() -> None:
    porch = Porch(keys={"current": "k1", "k1": KEYS["k1"]})
    old = porch.token()
    porch.keys = KEYS
    assert porch.token().split(".")[2] == "k2"
    assert [porch.call(token)["statusCode"] for token in (old, porch.token())] == [202, 202]
    porch.keys = {"current": "k2", "k2": KEYS["k2"]}
    assert [porch.call(token)["statusCode"] for token in (old, porch.token())] == [404, 202]


def test_a_token_has_192_bits_and_is_compared_in_constant_time() -> None:
    mac = Porch().token().rsplit(".", 1)[1]
    assert len(base64.urlsafe_b64decode(mac)) == 24
    source = inspect.getsource(capability.verify)
    assert "compare_digest" in source
    assert " mac ==" not in source
    assert "== mac" not in source


class Said:
    """All that the handler writes: its log, which holds on to the stream it began with, and its metrics."""

    def __init__(self, log: io.StringIO, capture: pytest.CaptureFixture[str]) -> None:
        self._log, self._capture = log, capture

    def all(self) -> str:
        return "".join([self._log.getvalue(), *self._capture.readouterr()])


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Said:
    log = io.StringIO()
    monkeypatch.setattr(observability.logger.registered_handler, "stream", log)
    return Said(log, capsys)


@pytest.mark.acceptance("F10")
def test_neither_the_token_nor_the_job_is_in_what_the_handler_logs(said: Said) -> None:
    porch = Porch()
    token = porch.token()
    porch.call(token)
    for bad in unheeded(porch).values():
        porch.call(bad)
    with pytest.raises(Exception, match="log says where"):
        Porch(keys=None).call(token)  # type: ignore[arg-type]
    told = said.all()
    assert "function failed" in told
    assert token.rsplit(".", 1)[1] not in told
    assert "etc/passwd" not in told


@pytest.mark.acceptance("F10")
def test_what_an_unforeseen_error_says_is_neither_logged_nor_answered(
    said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its text may hold a signed URL, and so may that of its cause."""
    porch = Porch()

    def fail(*_args: Any, **_how: Any) -> Any:
        raise RuntimeError("https://files.example/?X-Amz-Signature=canary") from ValueError("canary")

    monkeypatch.setattr(porch, "update", fail)
    with pytest.raises(Exception, match="RuntimeError: the function's log says where") as failed:
        porch.call(porch.token())
    told = said.all()
    assert "function failed" in told
    assert "canary" not in told
    assert "canary" not in "".join(str(text) for text in (failed.value, failed.value.__cause__))
