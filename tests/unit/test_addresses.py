"""Which URLs and addresses are let through: row G1, and the rules for a route's base URL."""

from __future__ import annotations

import ipaddress

import pytest

from batchdrop.addresses import Refused, Target, check_base_url, check_given_url, check_url, is_public, vet_addresses

S3 = ("s3.amazonaws.com", "*.s3.amazonaws.com", "*.s3.*.amazonaws.com")
LOCAL = ("127.0.0.1", "localhost")


@pytest.mark.parametrize(
    "url",
    [
        "https://s3.amazonaws.com/bucket/key?X-Amz-Signature=abc",
        "https://bucket.s3.amazonaws.com/key",
        "https://bucket.s3.eu-west-1.amazonaws.com:443/key",
        "https://BUCKET.S3.amazonaws.com/key",
    ],
)
def test_a_vendor_may_name_the_hosts_its_profile_lists(url: str) -> None:
    assert check_given_url(url, S3).public_only


@pytest.mark.acceptance("G1")
@pytest.mark.parametrize(
    "url",
    [
        "http://s3.amazonaws.com/x",
        "file:///etc/passwd",
        "gopher://s3.amazonaws.com/x",
        "//s3.amazonaws.com/x",
        "https:///x",
        "https:s3.amazonaws.com/x",
        "",
        "https://localhost:9001/2018-06-01/runtime",
        "https://169.254.169.254/latest/meta-data",
        "https://127.0.0.1/x",
        "https://127.1/x",
        "https://2130706433/x",
        "https://0x7f000001/x",
        "https://0177.0.0.1/x",
        "https://[::1]/x",
        "https://[::ffff:127.0.0.1]/x",
        "https://93.184.216.34/x",
        "https://user:password@s3.amazonaws.com/x",
        "https://s3.amazonaws.com@evil.example/x",
        "https://evil.example/s3.amazonaws.com",
        "https://evil.example\\@s3.amazonaws.com/x",
        "https://evil.example\\.s3.amazonaws.com/x",
        "https://s3.amazonaws.com.evil.example/x",
        "https://a.b.s3.amazonaws.com/x",
        "https://s3.amazonaws.com:8443/x",
        "https://s3.amazonaws.com:99999/x",
        "https://s3.amazonaws.com:/x",
        "https://s3.amazonaws.com./x",
        "https://s3.amazonaws.com /x",
        "https://s3.amazonaws.com/x\r\nHost: evil.example",
        "https://s3\u3002amazonaws.com/x",
        "https://[s3.amazonaws.com]/x",
        "https://[::1/x",
    ],
)
def test_any_other_url_from_a_vendor_is_refused(url: str) -> None:
    with pytest.raises(Refused):
        check_given_url(url, S3)


@pytest.mark.acceptance("G1")
def test_without_a_list_of_hosts_no_url_from_a_vendor_is_called() -> None:
    with pytest.raises(Refused, match="not among none"):
        check_given_url("https://s3.amazonaws.com/x", ())


@pytest.mark.acceptance("G1")
@pytest.mark.parametrize("host", ["2130706433", "0x7f000001", "127.1", "127.0.0.1"])
def test_an_address_is_refused_in_whatever_form_even_by_a_list_that_takes_any_host(host: str) -> None:
    with pytest.raises(Refused, match="an IP address"):
        check_given_url(f"https://{host}/x", ("*", "*.*", "*.*.*.*"))


def test_a_refusal_does_not_repeat_the_signed_part_of_the_url() -> None:
    with pytest.raises(Refused) as refusal:
        check_given_url("https://evil.example/secret-path?X-Amz-Signature=secret", S3)

    assert "evil.example" in str(refusal.value)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8123/x", "https://localhost:8443/x", "http://LOCALHOST/x"])
def test_a_host_the_deployment_trusts_may_be_plain_http_on_any_port(url: str) -> None:
    assert check_base_url(url, LOCAL).trusted
    assert check_given_url(url, S3, LOCAL).trusted


def test_trust_in_one_host_is_not_trust_in_another() -> None:
    with pytest.raises(Refused):
        check_base_url("http://127.0.0.2:8123/", LOCAL)
    with pytest.raises(Refused):
        check_base_url("http://localhost.evil.example/", LOCAL)


def test_a_trusted_host_may_not_carry_credentials_in_its_url_either() -> None:
    with pytest.raises(Refused, match="secret"):
        check_base_url("http://key:value@127.0.0.1/", LOCAL)


def test_an_ordinary_base_url_is_https() -> None:
    assert check_base_url("https://vendor.example/v1") == Target("https", "vendor.example", 443)
    assert check_base_url("https://vendor.example:8443").port == 8443


def test_a_base_url_without_encryption_is_refused_with_the_fix() -> None:
    with pytest.raises(
        Refused, match=r"http://vendor\.example is not encrypted; use https://, or .* AllowInsecureHosts"
    ):
        check_base_url("http://vendor.example/v1")


@pytest.mark.parametrize("host", ["localhost", "x.localhost", "127.0.0.1", "[::1]", "169.254.169.254", "0.0.0.0"])
def test_a_base_url_on_this_machine_is_refused_with_the_fix(host: str) -> None:
    with pytest.raises(Refused, match="AllowInsecureHosts"):
        check_base_url(f"https://{host}/v1")


@pytest.mark.parametrize("url", ["https://vendor.example/v1?key=1", "https://vendor.example/v1#top"])
def test_a_base_url_has_no_query_or_fragment(url: str) -> None:
    with pytest.raises(Refused, match="query"):
        check_base_url(url)


def test_a_full_url_may_have_a_query() -> None:
    assert check_url("https://vendor.example/v1?first=0").host == "vendor.example"


@pytest.mark.acceptance("G1")
@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "10.0.0.1",
        "100.64.0.1",
        "127.0.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "192.0.2.1",
        "192.168.1.1",
        "198.18.0.1",
        "224.0.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:8.8.8.8",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2001:db8::1",
        "2002:7f00:1::",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fec0::1",
        "ff02::1",
    ],
)
def test_an_address_that_is_not_of_the_public_internet_is_refused(address: str) -> None:
    target = Target("https", "s3.amazonaws.com", 443, public_only=True)

    assert not is_public(ipaddress.ip_address(address))
    with pytest.raises(Refused):
        vet_addresses(target, ["52.216.0.1", address])


@pytest.mark.parametrize("address", ["52.216.0.1", "2600:1f18::1", "64:ff9b::34d8:1"])
def test_a_public_address_passes(address: str) -> None:
    assert vet_addresses(Target("https", "s3.amazonaws.com", 443, public_only=True), [address]) == (address,)


def test_a_base_url_may_lead_into_a_private_network_but_not_to_this_machine() -> None:
    target = Target("https", "haplo.corp.example", 443)

    assert vet_addresses(target, ["10.1.2.3"]) == ("10.1.2.3",)
    for address in ("127.0.0.1", "::1", "169.254.169.254", "::ffff:127.0.0.1", "0.0.0.0"):
        with pytest.raises(Refused):
            vet_addresses(target, [address])
