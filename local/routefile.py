"""Route and secret files on disk: YAML or JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from batchdrop.errors import RouteError
from batchdrop.route import Route, read_route
from local.plainfiles import read_file
from local.trouble import Trouble

DEFAULT_NAME = "route"
ENDINGS = (".yaml", ".yml", ".json")


def is_meant(text: str) -> bool:
    """Whether a route file is named, and not a route."""
    return Path(text).suffix.lower() in ENDINGS or "/" in text


def read_raw(path: Path) -> Any:
    """What a route file holds, without the `$schema` by which an editor checks it."""
    raw = read_file(path)
    return {k: v for k, v in raw.items() if k != "$schema"} if isinstance(raw, dict) else raw


def read_route_file(path: Path, name: str, allow_insecure: Sequence[str]) -> Route:
    """A valid route from a file; `RouteError` names what is wrong with it."""
    return read_route(name, read_raw(path), tuple(allow_insecure))


def any_host(raw: Any) -> tuple[str, ...]:
    """What lets a route's own host pass, for a dry run: there, where its vendor lives is of no account."""
    account = raw.get("account") if isinstance(raw, Mapping) else None
    url = str(account.get("base_url") or "") if isinstance(account, Mapping) else ""
    return ("127.0.0.1", "localhost", urlsplit(url).hostname or "")


def good_route(path: Path, name: str, allow_insecure: Sequence[str]) -> Route:
    """The same, for a command: what is wrong ends it, field by field."""
    try:
        return read_route_file(path, name, allow_insecure)
    except RouteError as error:
        raise wrong(path, error) from None


def wrong(path: Path, error: RouteError) -> Trouble:
    """What is wrong with a route file, a line a field."""
    lines = "".join(f"\n  {field}: {message}" if field else f"\n  {message}" for field, message in error.problems)
    return Trouble(f"{path} is not a good route:{lines}")


def read_secret_file(path: Path, route: Route) -> Mapping[str, str]:
    """A secret that has what the route's destination needs; `Trouble` names the field, never a value."""
    data = read_file(path)
    if not isinstance(data, dict):
        raise Trouble(f"{path}: a secret is an object with the fields {', '.join(route.vendor.secret)}")
    for name, value in data.items():
        if not isinstance(value, str):
            raise Trouble(f'{path}: field "{name}" is no text; put its value in quotes, or leave it out')
    for name in route.vendor.secret:
        value = data.get(name, "")
        if not value.strip():
            raise Trouble(f'{path}: field "{name}" is missing or empty; {route.vendor.name} needs it')
        if value != value.strip():
            raise Trouble(f'{path}: field "{name}" has spaces around it; take them away')
    return data
