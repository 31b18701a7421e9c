"""A working route, with its secret, for each vendor simulator."""

from __future__ import annotations

from collections.abc import Collection

from batchdrop.destinations import REGISTRY
from batchdrop.route import read_route
from local import vendors
from local.connection import OperatorWorld
from local.home import home
from local.show import say
from local.verbs.routes import put_route, put_secret


def put_routes(world: OperatorWorld, destinations: Collection[str] = tuple(REGISTRY)) -> None:
    """Put a route named for each destination that leads to its running simulator."""
    for name, example in vendors.examples(home()).items():
        if name in destinations:
            route = read_route(name, example["route"], world.settings.allow_insecure)
            put_secret(world, route.secret, example["secret"])
            put_route(world, route)
            say(f'route "{name}": drops/{name}/ goes to the simulator at {example["url"]}')
