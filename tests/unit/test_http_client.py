"""The HTTP client against a vendor that misbehaves, on real sockets."""

from __future__ import annotations

import gzip
import io
import logging
import threading
import time
import traceback
import tracemalloc
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import pytest

from batchdrop import transport
from batchdrop.errors import Ambiguous, AuthExpired, ProvablyNotSent, RateLimited, Rejected, VendorError
from batchdrop.http import Client
from batchdrop.multipart import multipart
from batchdrop.ports import Request, Response
from tests.unit.wire_server import Answer, Exchange, Vendor, raw, reply

LOCAL = ("127.0.0.1",)


@pytest.fixture
def client() -> Client:
    return Client(allow_insecure=LOCAL)


class Zeros(io.RawIOBase):
    """A file of so many zero bytes, none of them held."""

    def __init__(self, size: int) -> None:
        self.left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        n = min(len(buffer), self.left)
        buffer[:n] = bytes(n)
        self.left -= n
        return n


def zeros(size: int) -> BinaryIO:
    return io.BufferedReader(Zeros(size))  # type: ignore[type-var]


def peak(work: Iterator[object]) -> int:
    """The most memory held at once while the iterator is used up."""
    tracemalloc.start()
    try:
        for _ in work:
            pass
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


# --- when all goes well -------------------------------------------------------------------------------


def test_an_answer_comes_with_its_status_headers_and_body(client: Client) -> None:
    with Vendor(reply(201, b'{"id": 1}', X_Request_Id="r-1")) as vendor:
        answer = client.send(Request("POST", f"{vendor.url}/jobs?dry=1", {"Content-Type": "text/plain"}, b"hello"))

    assert answer == Response(201, answer.headers, b'{"id": 1}')
    assert answer.headers["x-request-id"] == "r-1"
    assert (vendor.seen[0].method, vendor.seen[0].path, vendor.seen[0].body) == ("POST", "/jobs?dry=1", b"hello")
    assert vendor.seen[0].headers["content-type"] == "text/plain"
    assert vendor.seen[0].headers["accept-encoding"] == "identity"


@pytest.mark.acceptance("C4")
@pytest.mark.parametrize("method", ["POST", "PUT"])
@pytest.mark.parametrize(
    ("body", "length"), [(None, None), (b"", None), (b"abc", None), (io.BytesIO(b""), 0), (zeros(100_000), 100_000)]
)
def test_a_body_always_has_its_length_and_is_never_chunked(
    client: Client, method: str, body: bytes | BinaryIO | None, length: int | None
) -> None:
    expected = length if length is not None else len(body or b"")  # type: ignore[arg-type]
    if length:
        body = zeros(length)
    with Vendor(reply()) as vendor:
        client.send(Request(method, vendor.url, body=body, length=length))

    assert vendor.seen[0].headers["content-length"] == str(expected)
    assert "transfer-encoding" not in vendor.seen[0].headers
    assert len(vendor.seen[0].body) == expected


def test_polls_share_a_connection_but_a_submission_never_travels_on_a_used_one(client: Client) -> None:
    with Vendor(reply()) as vendor:
        for method in ("GET", "GET", "POST", "POST"):
            client.send(Request(method, vendor.url))

    assert [seen.connection for seen in vendor.seen] == [1, 1, 2, 3]


def test_a_kept_connection_that_the_vendor_has_closed_is_not_used_again(client: Client) -> None:
    with Vendor(reply()) as vendor:
        client.send(Request("GET", vendor.url))
        vendor.hang_up()
        client.send(Request("GET", vendor.url))

    assert [seen.connection for seen in vendor.seen] == [1, 2]


def test_a_poll_during_a_download_does_not_disturb_it(client: Client) -> None:
    with Vendor(reply(body=bytes(1_000_000)), reply(body=b"ok")) as vendor:
        blocks = client.download(Request("GET", vendor.url, max_bytes=2_000_000))
        size = len(next(blocks))
        assert client.send(Request("GET", vendor.url)).body == b"ok"
        size += sum(map(len, blocks))

    assert size == 1_000_000


# --- provably not sent, or in doubt -------------------------------------------------------------------


@pytest.mark.acceptance("D4")
def test_a_refused_connection_is_provably_not_sent(client: Client) -> None:
    with Vendor(reply()) as vendor:
        url = vendor.url

    with pytest.raises(ProvablyNotSent, match=r"POST 127\.0\.0\.1/jobs: the connection was refused"):
        client.send(Request("POST", f"{url}/jobs", body=b"x"))


@pytest.mark.acceptance("D4")
@pytest.mark.parametrize("error", [ConnectionResetError(104, "reset"), BrokenPipeError(32, "pipe"), TimeoutError()])
def test_a_connection_that_breaks_before_anything_is_written_is_provably_not_sent(
    client: Client, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    def break_off(*_args: object) -> None:
        raise error

    monkeypatch.setattr(transport, "_connect", break_off)
    with pytest.raises(ProvablyNotSent):
        client.send(Request("POST", "http://127.0.0.1:1/", body=b"x"))


@pytest.mark.acceptance("D4")
def test_a_name_without_an_address_is_provably_not_sent() -> None:
    def unknown(_host: str, _port: int) -> list[str]:
        import socket

        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    with pytest.raises(ProvablyNotSent, match="the host name has no address"):
        Client(resolve=unknown).send(Request("POST", "https://vendor.example/", body=b"x"))


@pytest.mark.acceptance("D4", "E4")
def test_a_name_look_up_that_hangs_is_given_up() -> None:
    release = threading.Event()

    def hang(_host: str, _port: int) -> list[str]:
        release.wait(5)
        return []

    started = time.monotonic()
    with pytest.raises(ProvablyNotSent, match="it took too long"):
        Client(resolve=hang, connect=0.05).send(Request("GET", "https://vendor.example/"))
    assert time.monotonic() - started < 1
    release.set()


@pytest.mark.acceptance("D4")
def test_a_vendor_that_does_not_speak_tls_is_provably_not_sent() -> None:
    with Vendor(raw(b"220 mail.example ESMTP\r\n"), early=True) as vendor:
        url = vendor.url.replace("http:", "https:")
        with pytest.raises(ProvablyNotSent, match="TLS failed"):
            Client(allow_insecure=LOCAL).send(Request("POST", url, body=b"x"))


@pytest.mark.acceptance("D4")
def test_a_tls_handshake_that_never_comes_is_provably_not_sent() -> None:
    with Vendor(lambda exchange: exchange.pause(), early=True) as vendor:
        url = vendor.url.replace("http:", "https:")
        with pytest.raises(ProvablyNotSent, match="it took too long"):
            Client(allow_insecure=LOCAL, connect=0.1).send(Request("POST", url, body=b"x"))


@pytest.mark.acceptance("D3")
@pytest.mark.parametrize("early", [True, False], ids=["before reading it", "after reading it"])
@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_a_connection_reset_after_the_request_began_is_a_doubt_and_never_repeated(
    client: Client, method: str, early: bool
) -> None:
    def reset(exchange: Exchange) -> None:
        if early:
            exchange.conn.recv(1)
        exchange.reset()

    with Vendor(reset, early=early) as vendor:
        with pytest.raises(Ambiguous, match="the connection was closed"):
            client.send(Request(method, vendor.url, body=bytes(3_000_000)))
        assert vendor.connections == 1


@pytest.mark.acceptance("D3")
def test_a_vendor_that_hangs_up_without_a_word_leaves_a_doubt(client: Client) -> None:
    with Vendor(raw(b"")) as vendor, pytest.raises(Ambiguous, match="the connection was closed"):
        client.send(Request("PUT", vendor.url, body=b"x"))

    assert len(vendor.seen) == 1


@pytest.mark.acceptance("D3")
@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_failing_vendor_is_a_doubt_and_is_not_asked_again(client: Client, method: str, status: int) -> None:
    with Vendor(reply(status, b"oops")) as vendor, pytest.raises(Ambiguous) as doubt:
        client.send(Request(method, vendor.url))

    assert (doubt.value.status, doubt.value.body) == (status, b"oops")
    assert len(vendor.seen) == 1


def test_an_answer_that_is_not_http_is_a_doubt(client: Client) -> None:
    with Vendor(raw(b"SSH-2.0-OpenSSH\r\n\r\n")) as vendor, pytest.raises(Ambiguous):
        client.send(Request("POST", vendor.url, body=b"x"))


@pytest.mark.acceptance("D4")
def test_refused_credentials_are_told_apart(client: Client) -> None:
    with Vendor(reply(401, b"who?")) as vendor, pytest.raises(AuthExpired) as refusal:
        client.send(Request("GET", vendor.url))

    assert refusal.value.body == b"who?"


@pytest.mark.acceptance("D5")
@pytest.mark.parametrize("status", [400, 404, 413, 422])
def test_a_no_carries_what_the_vendor_said(client: Client, status: int) -> None:
    with Vendor(reply(status, b"because")) as vendor, pytest.raises(Rejected, match=f"answered {status}") as refusal:
        client.send(Request("POST", vendor.url, body=b"x"))

    assert (refusal.value.status, refusal.value.body) == (status, b"because")


def test_a_no_whose_body_breaks_off_is_still_a_no(client: Client) -> None:
    with Vendor(raw(b"HTTP/1.1 400 No\r\nContent-Length: 100\r\n\r\nbecau")) as vendor, pytest.raises(Rejected):
        client.send(Request("POST", vendor.url, body=b"x"))


@pytest.mark.acceptance("D4", "E3")
@pytest.mark.parametrize(
    ("status", "header", "after"), [(429, {}, None), (429, {"Retry_After": "7"}, 7), (503, {"Retry_After": "9"}, 9)]
)
def test_a_rate_limit_says_when_to_come_back_and_does_not_wait(
    client: Client, status: int, header: dict[str, str], after: float | None
) -> None:
    started = time.monotonic()
    with Vendor(reply(status, b"", **header)) as vendor, pytest.raises(RateLimited) as limit:
        client.send(Request("POST", vendor.url, body=b"x"))

    assert limit.value.after == after
    assert len(vendor.seen) == 1
    assert time.monotonic() - started < 1


@pytest.mark.acceptance("D3")
def test_a_yes_before_the_request_was_read_to_its_end_is_a_doubt_but_a_no_is_a_no(client: Client) -> None:
    def hasty(status: int) -> Answer:
        def answer(exchange: Exchange) -> None:
            exchange.conn.recv(1000)
            reply(status)(exchange)
            exchange.close()

        return answer

    with Vendor(hasty(200), hasty(413), early=True) as vendor:
        request = Request("PUT", vendor.url, body=bytes(20_000_000))
        with pytest.raises(Ambiguous, match="answered before it had read the request"):
            client.send(request)
        with pytest.raises(Rejected, match="413"):
            client.send(request)


def test_a_file_that_is_not_as_long_as_announced_never_arrives_as_a_whole(client: Client) -> None:
    for size in (99_999, 100_001):
        with Vendor(reply()) as vendor:
            with pytest.raises(Ambiguous):
                client.send(Request("PUT", vendor.url, body=zeros(size), length=100_000))
            assert all(len(seen.body) < 100_000 for seen in vendor.seen)


def test_a_file_body_without_a_length_is_a_programming_error(client: Client) -> None:
    with pytest.raises(ValueError, match="length"):
        client.send(Request("PUT", "http://127.0.0.1:1", body=zeros(1)))


# --- time ---------------------------------------------------------------------------------------------


@pytest.mark.acceptance("E4")
@pytest.mark.parametrize(
    "head",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"HTTP/1.1 200 OK\r\n"],
    ids=["all", "body", "head"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_slow_drip_is_cut_at_the_deadline(client: Client, method: str, head: bytes) -> None:
    def drip(exchange: Exchange) -> None:
        exchange.write(head)
        exchange.drip(b"H" * 1000)

    started = time.monotonic()
    with Vendor(drip) as vendor, pytest.raises(Ambiguous, match="it took too long"):
        client.send(Request(method, vendor.url, timeout=0.2))
    assert 0.15 < time.monotonic() - started < 1


@pytest.mark.acceptance("E4")
def test_a_download_that_drips_is_cut_at_the_deadline(client: Client) -> None:
    def drip(exchange: Exchange) -> None:
        exchange.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        exchange.drip(b"1\r\nx\r\n" * 200)

    started = time.monotonic()
    with Vendor(drip) as vendor, pytest.raises(Ambiguous, match="it took too long"):
        list(client.download(Request("GET", vendor.url, timeout=0.2)))
    assert time.monotonic() - started < 1


@pytest.mark.acceptance("E4")
def test_a_silence_that_begins_late_does_not_begin_a_new_time_limit(client: Client) -> None:
    def stall(exchange: Exchange) -> None:
        exchange.drip(b"HTTP/1.1 20", every=0.02)
        exchange.pause()

    started = time.monotonic()
    with Vendor(stall) as vendor, pytest.raises(Ambiguous, match="it took too long"):
        client.send(Request("POST", vendor.url, timeout=0.3))
    assert time.monotonic() - started < 0.4


@pytest.mark.acceptance("E4")
def test_a_vendor_that_does_not_read_is_left_at_the_deadline(client: Client) -> None:
    with Vendor(lambda exchange: exchange.pause(), early=True) as vendor, pytest.raises(Ambiguous, match="too long"):
        client.send(Request("PUT", vendor.url, body=zeros(50_000_000), length=50_000_000, timeout=0.2))


def test_a_poll_gives_up_on_silence_before_its_deadline_but_a_submission_waits() -> None:
    def slow(exchange: Exchange) -> None:
        exchange.pause(0.15)
        reply(200, b"late")(exchange)

    impatient = Client(allow_insecure=LOCAL, silence=0.05)
    with Vendor(slow) as vendor:
        with pytest.raises(Ambiguous, match="it took too long"):
            impatient.send(Request("GET", vendor.url, timeout=5))
        assert impatient.send(Request("POST", vendor.url, timeout=5)).body == b"late"


@pytest.mark.acceptance("E4")
def test_the_end_of_the_process_comes_before_the_request_s_own_time_limit() -> None:
    hurried = Client(allow_insecure=LOCAL, remaining=lambda: 10.1)
    with Vendor(lambda exchange: exchange.pause()) as vendor, pytest.raises(Ambiguous, match="it took too long"):
        hurried.send(Request("POST", vendor.url, timeout=60))


def test_a_request_that_cannot_end_in_time_is_not_begun() -> None:
    with Vendor(reply()) as vendor:
        with pytest.raises(ProvablyNotSent, match="too little time is left"):
            Client(allow_insecure=LOCAL, remaining=lambda: 9.0).send(Request("POST", vendor.url, body=b"x"))
        assert vendor.connections == 0


# --- what must not happen by itself -------------------------------------------------------------------


@pytest.mark.acceptance("G1")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed_and_no_key_reaches_the_other_host(client: Client, status: int) -> None:
    with Vendor(reply()) as other, Vendor(reply(status, Location=f"{other.url}/steal")) as vendor:
        request = Request("POST", vendor.url, {"x-api-key": "canary"}, b"personal data")
        with pytest.raises(Rejected, match=f"answered {status}, a redirect, which is never followed"):
            client.send(request)
        assert other.connections == 0


@pytest.mark.acceptance("H4")
def test_neither_netrc_nor_proxies_nor_ca_bundles_of_the_environment_have_a_say(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login intruder password canary\n")
    (tmp_path / ".netrc").chmod(0o600)
    with Vendor(reply(500)) as proxy, Vendor(reply()) as vendor:
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "absent.pem"))
        client.send(Request("GET", vendor.url, {"Authorization": "Basic ours"}))
        client.send(Request("GET", vendor.url))
        assert proxy.connections == 0

    assert [seen.headers.get("authorization") for seen in vendor.seen] == ["Basic ours", None]


def test_cookies_are_not_kept(client: Client) -> None:
    with Vendor(reply(Set_Cookie="session=1")) as vendor:
        for _ in range(2):
            client.send(Request("GET", vendor.url))

    assert all("cookie" not in seen.headers for seen in vendor.seen)


SECRET = "can" + "ary"  # in two halves, or the source lines of a traceback would hold it


@pytest.mark.parametrize("given", [False, True], ids=["ordinary", "given by the vendor"])
@pytest.mark.parametrize(
    ("answer", "header"),
    [
        (Exchange.reset, SECRET),
        (reply(500, SECRET.encode()), SECRET),
        (reply(307, Location=f"http://x.test/?{SECRET}"), SECRET),
        (reply(200), f"{SECRET}\r\nX: 1"),
        (None, SECRET),
    ],
    ids=["reset", "500", "redirect", "bad header", "refused"],
)
def test_no_error_gives_away_the_query_the_key_or_the_body(
    client: Client, answer: Answer | None, header: str, given: bool
) -> None:
    with Vendor(answer or reply()) as vendor:
        path = f"/{SECRET}" if given else "/path"
        url = f"{vendor.url}{path}?X-Amz-Signature={SECRET}"
        if answer is None:
            vendor.stop()
        request = Request("PUT", url, {"Content-Type": header}, SECRET.encode(), given_by_vendor=given)
        with pytest.raises(VendorError) as error:
            client.send(request)

    assert SECRET not in "".join(traceback.format_exception(error.value))
    assert SECRET not in repr(error.value)


def test_no_log_line_gives_away_a_signed_url(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    odd = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nno colon here\r\n\r\n"
    for answer in (reply(200), raw(odd), Exchange.reset):
        with Vendor(answer) as vendor, suppress(VendorError):
            client.send(Request("GET", f"{vendor.url}/?X-Amz-Signature={SECRET}", {"x-api-key": SECRET}))

    assert SECRET not in caplog.text


def test_a_header_that_cannot_be_sent_is_refused_before_anything_is(client: Client) -> None:
    with Vendor(reply()) as vendor:
        for value in ("two\r\nlines", "snow ☃"):
            with pytest.raises(Rejected, match="stray characters"):
                client.send(Request("GET", vendor.url, {"x-api-key": value}))
        assert vendor.seen == []


# --- answers that are too short, too long or packed -----------------------------------------------------

CUT_BY_LENGTH = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"x" * 99
CUT_IN_CHUNK = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nabc"
CUT_BETWEEN_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"


@pytest.mark.acceptance("G3")
@pytest.mark.parametrize("answer", [CUT_BY_LENGTH, CUT_IN_CHUNK, CUT_BETWEEN_CHUNKS])
def test_a_truncated_answer_is_an_error(client: Client, answer: bytes) -> None:
    with Vendor(raw(answer)) as vendor:
        with pytest.raises(Ambiguous, match="ended early"):
            client.send(Request("GET", vendor.url))
        with pytest.raises(Ambiguous, match="ended early"):
            list(client.download(Request("GET", vendor.url)))


def test_compression_is_never_asked_for_whatever_the_caller_says(client: Client) -> None:
    with Vendor(reply()) as vendor:
        client.send(Request("GET", vendor.url, {"accept-encoding": "gzip"}))

    assert vendor.seen[0].headers["accept-encoding"] == "identity"


@pytest.mark.acceptance("G3")
@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"Content-Length: -5\r\n",
        b"Content-Length: many\r\n",
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: identity\r\n",
    ],
)
def test_a_download_that_does_not_say_where_it_ends_is_an_error(client: Client, head: bytes) -> None:
    answer = raw(b"HTTP/1.1 200 OK\r\n" + head + b"\r\nperhaps all")
    with Vendor(answer) as vendor, pytest.raises(Ambiguous, match="where it ends"):
        list(client.download(Request("GET", vendor.url)))


@pytest.mark.acceptance("E4", "G4")
@pytest.mark.parametrize(
    ("head", "again"),
    [
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
        (b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n" * 1000),
        (b"HTTP/1.1 200 OK\r\nX-A: ", b"a" * 65_536),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"a" * 65_536),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffff\r\n", b"a" * 65_536),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X-A: b\r\n" * 1000),
    ],
    ids=["interim answers", "headers", "a header", "the head of a chunk", "a chunk", "trailers"],
)
def test_whatever_of_an_answer_is_endless_it_is_cut(client: Client, head: bytes, again: bytes) -> None:
    def pour(exchange: Exchange) -> None:
        exchange.write(head)
        with suppress(OSError):
            while not exchange.stopped.is_set():
                exchange.write(again)
        exchange.close()

    with Vendor(pour) as vendor, pytest.raises(Ambiguous):
        list(client.download(Request("GET", vendor.url, timeout=0.3, max_bytes=1_000_000)))


def endless(exchange: Exchange) -> None:
    exchange.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    with suppress(OSError):
        while not exchange.stopped.is_set():
            exchange.write(b"10000\r\n" + bytes(65_536) + b"\r\n")
    exchange.close()


@pytest.mark.acceptance("G4")
def test_an_endless_answer_is_cut_at_its_size_limit(client: Client) -> None:
    with Vendor(endless) as vendor:
        with pytest.raises(Ambiguous, match="larger than 1000000 bytes"):
            client.send(Request("GET", vendor.url, max_bytes=1_000_000))
        blocks: list[bytes] = []
        with pytest.raises(Ambiguous, match="larger than 1000000 bytes"):
            blocks.extend(client.download(Request("GET", vendor.url, max_bytes=1_000_000)))
        assert sum(map(len, blocks)) <= 1_000_000


@pytest.mark.acceptance("G4")
def test_an_endless_error_page_is_not_read_either(client: Client) -> None:
    def page(exchange: Exchange) -> None:
        exchange.write(b"HTTP/1.1 404 No\r\nContent-Length: 1000000000\r\n\r\n" + bytes(100_000))
        exchange.close()

    with Vendor(page) as vendor, pytest.raises(Rejected) as refusal:
        client.send(Request("GET", vendor.url))

    assert len(refusal.value.body) == 65_536


@pytest.mark.acceptance("G4")
def test_a_packed_download_is_handed_on_as_it_is(client: Client) -> None:
    bomb = gzip.compress(bytes(10_000_000))
    with Vendor(reply(body=bomb, Content_Encoding="gzip")) as vendor:
        assert b"".join(client.download(Request("GET", vendor.url))) == bomb
        with pytest.raises(Ambiguous, match="compressed"):
            client.send(Request("GET", vendor.url))


@pytest.mark.acceptance("G4")
def test_a_large_download_is_never_held_in_memory(client: Client) -> None:
    size = 30_000_000

    def large(exchange: Exchange) -> None:
        exchange.write(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
        for _ in range(size // 60_000):
            exchange.write(bytes(60_000))

    with Vendor(large) as vendor:
        assert peak(client.download(Request("GET", vendor.url, max_bytes=size))) < 3_000_000


@pytest.mark.acceptance("C7")
def test_a_form_of_twice_the_largest_size_is_never_held_in_memory(client: Client) -> None:
    size = 100_000_000
    kind, length, body = multipart([], [("file", "a.json", "application/json", size, lambda: zeros(size))])
    arrived = []

    def swallow(exchange: Exchange) -> None:
        arrived.append(exchange.swallow_until(b"--\r\n"))
        reply()(exchange)

    with Vendor(swallow, early=True) as vendor:
        request = Request("POST", vendor.url, {"Content-Type": kind}, body, length)
        assert peak(client.send(request) for _ in range(1)) < 3_000_000
        assert arrived[0] > length
