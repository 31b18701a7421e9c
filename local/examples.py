"""Working routes, with their secrets, to the vendor simulators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from batchdrop.destinations import REGISTRY
from batchdrop.route import read_route
from local import vendors
from local.connection import OperatorWorld
from local.home import home
from local.show import say
from local.verbs.routes import put_route, put_secret


def put_routes(world: OperatorWorld) -> None:
    """Put a route named for each destination that leads to its running simulator."""
    for name in REGISTRY:
        url = put_example(world, name, name)
        say(f'route "{name}": drops/{name}/ goes to the simulator at {url}')


def put_example(world: OperatorWorld, name: str, destination: str, **changes: Mapping[str, Any]) -> str:
    """Put a route to a simulator, with changes to its sections (`account`, `input`); returns the vendor's address."""
    example = vendors.examples(home())[destination]
    raw = example["route"]
    raw |= {section: {**raw[section], **values} for section, values in changes.items()}
    route = read_route(name, raw, world.settings.allow_insecure)
    put_secret(world, route.secret, example["secret"])
    put_route(world, route)
    return str(example["url"])
