"""Which URLs and network addresses may be called: the vetting of base URLs and of URLs a vendor hands us.

Nothing here opens a socket. A refusal is a `Refused` (a ValueError) whose text says what to change and shows the host
at most, never the rest of a URL, which may be signed.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from urllib.parse import SplitResult, urlsplit

from msgspec import Struct

# Deliberately narrower than the RFCs: what two parsers could read differently is refused, not interpreted.
_URL = re.compile(r"[!-\[\]-~]+")  # visible ASCII but the backslash, which some parsers take for a slash
_NETLOC = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?")
_NAME = re.compile(r"(?=.{1,253}$)(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_NUMERIC = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)")  # `127.1` and `0x7f000001` are addresses to a resolver
_GLOBAL_V6 = ipaddress.ip_network("2000::/3")
_EMBEDDED_V4 = (ipaddress.ip_network("2002::/16"), ipaddress.ip_network("2001::/32"))  # 6to4, Teredo
_NAT64 = ipaddress.ip_network("64:ff9b::/96")

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class Refused(ValueError):
    """The URL, or an address its host resolves to, must not be called."""


class Target(Struct, frozen=True):
    """Where a vetted URL leads. `host` is lower case, without brackets."""

    scheme: str
    host: str
    port: int
    trusted: bool = False  # named in AllowInsecureHosts: plain http and any address are accepted
    public_only: bool = False  # a vendor gave the URL: every address must be public


def check_base_url(url: str, allow_insecure: Sequence[str] = ()) -> Target:
    """A route's `base_url`: https, or a host the deployment trusts; no query, fragment or credentials.

    Raises `Refused`, whose text names the fix.
    """
    target = check_url(url, allow_insecure)
    if "?" in url or "#" in url:
        raise Refused("it must not have a query or fragment; give the part before `?` or `#` only")
    return target


def check_url(url: str, allow_insecure: Sequence[str] = ()) -> Target:
    """A URL made from a route: https unless its host is in `allow_insecure`. Raises `Refused`."""
    target = _parse(url, allow_insecure)
    if target.trusted:
        return target
    if target.scheme != "https":
        raise Refused(
            f"{target.scheme}://{target.host} is not encrypted; use https://, "
            "or name the host in the deployment's AllowInsecureHosts parameter"
        )
    literal = _literal(target.host)
    if target.host == "localhost" or target.host.endswith(".localhost") or (literal and _is_local(literal)):
        raise Refused(
            f"{target.host} is this machine; use the vendor's host, "
            "or name it in the deployment's AllowInsecureHosts parameter"
        )
    return target


def check_given_url(url: str, hosts: Sequence[str], allow_insecure: Sequence[str] = ()) -> Target:
    """A URL a vendor handed us (upload, download, error file): https on port 443 to one of `hosts`, by name.

    In `hosts`, `*` stands for (part of) one label: `*.s3.amazonaws.com`. No `hosts`, no call. Raises `Refused`.
    """
    target = _parse(url, allow_insecure)
    if target.trusted:
        return target
    if target.scheme != "https":
        raise Refused(f"the URL given by the vendor is {target.scheme}, not https")
    if target.port != 443:
        raise Refused(f"the URL given by the vendor names port {target.port}, not 443")
    if _literal(target.host) or _NUMERIC.fullmatch(target.host):
        raise Refused("the URL given by the vendor names an IP address, not a host")
    if not any(_matches(target.host, pattern) for pattern in hosts):
        raise Refused(
            f"the URL given by the vendor names {target.host}, which is not among {', '.join(hosts) or 'none'}"
        )
    return Target(target.scheme, target.host, target.port, public_only=True)


def vet_addresses(target: Target, addresses: Sequence[str]) -> tuple[str, ...]:
    """The addresses to connect to, in order; `Refused` if any of them is not for `target` to lead to.

    All must pass, not just one: a host with a public and a private address is somebody's attempt.
    A base URL may lead to a private network (a vendor's application in one's own VPC), never to this machine.
    """
    if not target.trusted:
        for text in addresses:
            address = ipaddress.ip_address(text)
            if _is_local(address) or (target.public_only and not is_public(address)):
                raise Refused(f"{target.host} resolves to {text}, which is not a public address")
    return tuple(addresses)


def is_public(address: Address) -> bool:
    """Whether this is a unicast address of the public internet (not private, loopback, link-local, CGNAT, ULA, …)."""
    if isinstance(address, ipaddress.IPv4Address):
        return address.is_global and not address.is_multicast
    if address in _NAT64:  # how an IPv6-only network reaches IPv4: the last 32 bits are the real address
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return address in _GLOBAL_V6 and address.is_global and not any(address in net for net in _EMBEDDED_V4)


def _is_local(address: Address) -> bool:
    """This machine or its link, also when written as an IPv6 form of an IPv4 address."""
    plain = (address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None) or address
    return plain.is_loopback or plain.is_link_local or plain.is_unspecified or plain.is_multicast


def _matches(host: str, pattern: str) -> bool:
    labels, wanted = host.split("."), pattern.lower().split(".")
    return len(labels) == len(wanted) and all(map(fnmatchcase, labels, wanted))


def _parse(url: str, allow_insecure: Sequence[str]) -> Target:
    parts, netloc = _split(url)
    host = netloc["host"].lower().strip("[]")
    port = int(netloc["port"] or (443 if parts.scheme == "https" else 80))
    if not 0 < port < 65536:
        raise Refused(f"port {port} does not exist")
    if not _literal(host) and not _NAME.fullmatch(host):
        raise Refused("its host is not a valid host name")
    trusted = host in {name.strip().lower().strip("[]") for name in allow_insecure}
    return Target(parts.scheme, host, port, trusted=trusted)


def _split(url: str) -> tuple[SplitResult, re.Match[str]]:
    if not _URL.fullmatch(url):
        raise Refused("it has characters a URL must not have (spaces, controls, backslashes, non-ASCII)")
    try:
        parts = urlsplit(url)
    except ValueError:
        raise Refused("it is not a valid URL") from None
    if parts.scheme not in ("http", "https"):
        raise Refused("it must start with https://")
    if "@" in parts.netloc:
        raise Refused("it has a user name or password in it; credentials belong in the route's secret")
    netloc = _NETLOC.fullmatch(parts.netloc)
    if netloc is None:
        raise Refused("its host is not a valid host name")
    return parts, netloc


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
