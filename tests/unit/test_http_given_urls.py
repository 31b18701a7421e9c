"""URLs a vendor hands us: called only where they may lead, by the address that was vetted, without any credentials."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from batchdrop import transport
from batchdrop.errors import ProvablyNotSent, Rejected, VendorError
from batchdrop.http import Client
from batchdrop.ports import Request
from tests.unit.wire_server import Vendor, reply

S3 = ("s3.amazonaws.com",)
URL = "https://s3.amazonaws.com/bucket/key?X-Amz-Signature=canary"


def given(url: str = URL, method: str = "GET") -> Request:
    return Request(method, url, given_by_vendor=True, hosts=S3, timeout=2)


def no_look_up(_host: str, _port: int) -> list[str]:
    pytest.fail("a refused URL must not even be looked up")


@pytest.fixture
def dialled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses the client connects to; none of them answers."""
    addresses: list[str] = []

    def refuse(address: str, port: int, attempt: transport.Attempt) -> socket.socket:
        addresses.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(transport, "_connect", refuse)
    return addresses


@pytest.mark.acceptance("G1")
@pytest.mark.parametrize(
    "url",
    [
        URL.replace("https", "http"),
        "file:///proc/self/environ",
        "https://169.254.169.254/x",
        "https://localhost:9001/x",
        "https://evil.example/x",
        "https://key:canary@s3.amazonaws.com/x",
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_url_outside_the_rules_is_refused_before_any_look_up(dialled: list[str], url: str, method: str) -> None:
    client = Client(resolve=no_look_up)

    with pytest.raises(Rejected) as refusal:
        client.send(given(url, method))
    with pytest.raises(Rejected):
        list(client.download(given(url)))

    assert dialled == []
    assert "canary" not in str(refusal.value)


@pytest.mark.acceptance("G1")
@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1"])
def test_a_host_that_resolves_to_an_inner_address_is_refused_before_connecting(
    dialled: list[str], address: str
) -> None:
    client = Client(resolve=lambda _host, _port: ["52.216.0.1", address])

    with pytest.raises(Rejected, match="not a public address"):
        client.send(given())
    assert dialled == []


@pytest.mark.acceptance("G1")
def test_a_name_that_changes_between_look_ups_is_looked_up_once_and_that_address_is_used(dialled: list[str]) -> None:
    answers = [["52.216.0.1"], ["127.0.0.1"]]
    client = Client(resolve=lambda _host, _port: answers.pop(0))

    with pytest.raises(ProvablyNotSent):
        client.send(given())

    assert dialled == ["52.216.0.1"]
    assert answers == [["127.0.0.1"]]


def test_every_vetted_address_is_tried(dialled: list[str]) -> None:
    client = Client(resolve=lambda _host, _port: ["52.216.0.1", "2600:1f18::1"])

    with pytest.raises(ProvablyNotSent, match=r"GET s3\.amazonaws\.com: the connection was refused"):
        client.send(given())

    assert dialled == ["52.216.0.1", "2600:1f18::1"]


@pytest.mark.acceptance("G1")
def test_a_base_url_whose_name_leads_to_this_machine_is_refused(dialled: list[str]) -> None:
    with pytest.raises(Rejected, match="not a public address"):
        Client(resolve=lambda _host, _port: ["127.0.0.1"]).send(Request("GET", "https://vendor.example/"))
    assert dialled == []


@pytest.mark.parametrize("header", ["Authorization", "x-api-key", "AuthorizationToken", "Cookie", "X-Sherpa-apikey"])
def test_credentials_are_never_sent_to_a_url_a_vendor_gave(header: str) -> None:
    with pytest.raises(ValueError, match=header) as refusal:
        Client().send(Request("PUT", URL, {header: "canary"}, b"", given_by_vendor=True, hosts=S3))

    assert "canary" not in str(refusal.value)


# --- TLS ----------------------------------------------------------------------------------------------


def certificate(folder: Path, *names: str) -> Path:
    """A self-signed certificate with its key, for these hosts and addresses."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = dt.datetime.now(dt.UTC)
    alternatives = [x509.IPAddress(ipaddress.ip_address(n)) if n[0].isdigit() else x509.DNSName(n) for n in names]
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{names[0]}.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + made.public_bytes(serialization.Encoding.PEM))
    return path


def server_tls(pem: Path, note_name: Callable[[str], None] = lambda _name: None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    context.sni_callback = lambda _sock, name, _context: note_name(name or "")
    return context


def trusting(pem: Path, *hosts: str) -> Client:
    return Client(allow_insecure=hosts, resolve=lambda _host, _port: ["127.0.0.1"], ca_file=str(pem))


def test_the_vetted_address_is_dialled_but_name_and_certificate_are_the_host_s(tmp_path: Path) -> None:
    pem = certificate(tmp_path, "files.test")
    names: list[str] = []
    with Vendor(reply(body=b"ok"), tls=server_tls(pem, names.append)) as vendor:
        answer = trusting(pem, "files.test").send(given(f"https://files.test:{vendor.port}/x?y=1"))

    assert answer.body == b"ok"
    assert names == ["files.test"]
    assert vendor.seen[0].headers["host"] == f"files.test:{vendor.port}"


def test_polls_share_a_tls_connection(tmp_path: Path) -> None:
    pem = certificate(tmp_path, "api.test")
    names: list[str] = []
    with Vendor(reply(body=bytes(200_000)), tls=server_tls(pem, names.append)) as vendor:
        client = trusting(pem, "api.test")
        for _ in range(3):
            assert len(client.send(Request("GET", f"https://api.test:{vendor.port}/x")).body) == 200_000

    assert vendor.connections == len(names) == 1


@pytest.mark.acceptance("D4")
@pytest.mark.parametrize("fault", ["self-signed", "another name", "another name by address"])
def test_a_certificate_that_does_not_hold_is_provably_not_sent(tmp_path: Path, fault: str) -> None:
    pem = certificate(tmp_path, "other.test" if fault == "another name" else "127.0.0.1")
    client = Client(allow_insecure=("127.0.0.1",)) if fault == "self-signed" else trusting(pem, "files.test")
    host = "127.0.0.1" if fault == "self-signed" else "files.test"
    with Vendor(reply(), tls=server_tls(pem)) as vendor:
        with pytest.raises(ProvablyNotSent, match=r"its certificate was refused: .*(self-signed|mismatch)"):
            client.send(Request("POST", f"https://{host}:{vendor.port}/", body=b"personal data"))
        assert vendor.seen == []


@pytest.mark.acceptance("E4")
def test_a_slow_drip_over_tls_is_cut_at_the_deadline(tmp_path: Path) -> None:
    pem = certificate(tmp_path, "files.test")
    with Vendor(lambda exchange: exchange.drip(b"H" * 1000), tls=server_tls(pem)) as vendor:
        request = Request("POST", f"https://files.test:{vendor.port}/", body=b"x", timeout=0.2)
        with pytest.raises(VendorError, match="it took too long"):
            trusting(pem, "files.test").send(request)
