"""`routes put | list | show | check`."""

from __future__ import annotations

import json as jsonlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from local import seen_routes, show
from local.verbs.options import Json, Stack

if TYPE_CHECKING:
    from batchdrop.route import Route
    from local.connection import OperatorWorld

app = typer.Typer(help="Manage routes: which vendor account a drop goes to, and how.", no_args_is_help=True)

_LARGE = 4096  # bytes a standard parameter can hold


@app.command()
def put(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The route's name: drops go under drops/NAME/.")],
    *,
    file: Annotated[Path, typer.Option("--file", "-f", metavar="FILE", help="The route, YAML or JSON.")],
    secret: Annotated[Path | None, typer.Option("--secret", "-s", metavar="FILE", help="Its secret, JSON.")] = None,
    on: Stack = None,
    json: Json = False,
) -> None:
    """Validate a route and put it in place, with its secret where one is given.

    \b
    Examples:
      batchdrop routes put people --file people.yaml --secret secret.json
    """
    from batchdrop.route import check_name
    from local import routefile
    from local.connection import connect

    world = connect(on)
    route = routefile.good_route(file, check_name(name), world.settings.allow_insecure)
    values = routefile.read_secret_file(secret, route) if secret else None
    if values is not None:
        put_secret(world, route.secret, dict(values))
    put_route(world, route)
    if json:
        show.as_json({"route": name, "destination": route.vendor.name, "secret": route.secret})
        return
    show.say(f'route "{name}" is in place: files under drops/{name}/ go to {route.vendor.name}')
    if values is None and (missing := _about_secret(world, route.secret)):
        show.say(f'its secret "{route.secret}" {missing}')


@app.command(name="list")
def list_(*, on: Stack = None, json: Json = False) -> None:
    """List the routes. Of those that cannot be used, it says why.

    \b
    Examples:
      batchdrop routes list
    """
    from local.connection import client, connect

    world = connect(on)
    prefix = f"/{world.settings.stack}/routes/"
    pages = client("ssm").get_paginator("get_parameters_by_path").paginate(Path=prefix)
    texts = {p["Name"].removeprefix(prefix): p["Value"] for page in pages for p in page["Parameters"]}
    routes = [_listed(world, name, text) for name, text in sorted(texts.items())]
    if json:
        show.as_json({"routes": routes})
        return
    show.table(("route", "destination", "secret"), [(r["name"], r.get("destination"), r.get("secret")) for r in routes])
    for route in routes:
        if "unusable" in route:
            show.say(f'route "{route["name"]}" cannot be used: {route["unusable"]}')


def _listed(world: OperatorWorld, name: str, text: str) -> dict[str, Any]:
    """A route as it is listed; what somebody put by hand may be none."""
    from batchdrop.errors import RouteError
    from batchdrop.route import read_route

    try:
        raw = jsonlib.loads(text)
    except ValueError:
        raw = None
    if not isinstance(raw, dict):
        return {
            "name": name,
            "unusable": f"it is not a JSON object: put it with batchdrop routes put {name} --file FILE",
        }
    seen_routes.keep(world.settings.stack, name, raw)
    try:
        read_route(name, raw, world.settings.allow_insecure)
    except RouteError as error:
        return {"name": name, **raw, "unusable": str(error)}
    return {"name": name, **raw}


@app.command(name="show")
def show_(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The route.", autocompletion=seen_routes.beginning_with)],
    *,
    on: Stack = None,
    json: Json = False,
) -> None:
    """Show a route as it was put. Secrets are never shown.

    \b
    Examples:
      batchdrop routes show people > people.yaml
    """
    from local.connection import connect, stored_route

    raw = stored_route(connect(on), name)
    if json:
        show.as_json(raw)
        return
    import yaml

    show.plain(yaml.safe_dump(dict(raw), sort_keys=False, allow_unicode=True))


@app.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The route, YAML or JSON.")], *, json: Json = False
) -> None:
    """Say whether a route file is right, offline; if not, field by field what is wrong.

    \b
    Examples:
      batchdrop routes check people.yaml
    """
    from batchdrop.errors import RouteError
    from local import routefile, stack
    from local.connection import insecure_hosts

    local = stack.running()
    hosts = insecure_hosts(local).split(",") if local else []
    try:
        route = routefile.read_route_file(file, routefile.DEFAULT_NAME, hosts)
    except RouteError as error:
        if not json:
            raise routefile.wrong(file, error) from None
        show.as_json({"valid": False, "problems": [{"field": f, "message": m} for f, m in error.problems]})
        raise typer.Exit(1) from None
    if json:
        show.as_json({"valid": True, "destination": route.vendor.name})
    else:
        show.say(f"{file}: a good route to {route.vendor.name}")


def put_route(world: OperatorWorld, route: Route) -> None:
    """Write a valid route to Parameter Store."""
    from local.connection import client

    text = jsonlib.dumps(route.raw)
    tier = "Advanced" if len(text.encode()) > _LARGE else "Standard"
    name = f"/{world.settings.stack}/routes/{route.name}"
    client("ssm").put_parameter(Name=name, Value=text, Type="String", Overwrite=True, Tier=tier)
    seen_routes.keep(world.settings.stack, route.name, route.raw)


def put_secret(world: OperatorWorld, name: str, values: dict[str, Any]) -> None:
    """Write a secret to Secrets Manager, new or as a new version."""
    from local.connection import client

    manager, text = client("secretsmanager"), jsonlib.dumps(values)
    full = f"{world.settings.stack}/{name}"
    try:
        manager.put_secret_value(SecretId=full, SecretString=text)
    except manager.exceptions.ResourceNotFoundException:
        manager.create_secret(Name=full, SecretString=text)


def _about_secret(world: OperatorWorld, name: str) -> str:
    """What there is to say about a secret that was not given; nothing where it is there."""
    from botocore.exceptions import ClientError

    from local.connection import client

    try:
        client("secretsmanager").describe_secret(SecretId=f"{world.settings.stack}/{name}")
    except ClientError as error:
        if error.response["Error"]["Code"] == "ResourceNotFoundException":
            return "does not exist yet: put it with --secret FILE"
        return "may not exist yet: these AWS credentials cannot tell (secretsmanager:DescribeSecret)"
    return ""
