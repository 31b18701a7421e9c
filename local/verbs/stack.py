"""`up`, `down` and `env`: the local stack."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from local import show
from local.home import LocalStack, home
from local.seen_routes import LOCAL
from local.trouble import Trouble
from local.verbs.options import Json


def up(
    *,
    detach: Annotated[bool, typer.Option("--detach", "-d", help="Come back once it is up.")] = False,
    simulators: Annotated[
        bool, typer.Option("--simulators", help="Also start the five vendor simulators, with a route to each.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(metavar="PORT", help="The embedded AWS's port.", show_default="4566", min=1, max=65535),
    ] = None,
    name: Annotated[str, typer.Option("--stack", metavar="NAME", help="The stack's name.")] = LOCAL,
    json: Json = False,
) -> None:
    """Start the embedded AWS on this machine and deploy the template into it.

    Repeated, it brings a running stack up to date with the sources.

    \b
    Examples:
      batchdrop up
      batchdrop up --detach --simulators
      BATCHDROP_HOME=/tmp/other batchdrop up --detach --port 4600
    """
    from local import examples, stack
    from local.connection import connect

    before = stack.running()
    for sign in (signal.SIGINT, signal.SIGTERM):  # SIGINT too: a shell without job control hides it from `up &`
        signal.signal(sign, _interrupt)
    found = stack.up(show.say, name=name, port=port, simulators=simulators)
    if found.simulators and not (before and before.simulators == found.simulators):
        examples.put_routes(connect(found.name))
    if json:
        show.as_json(_summary(found))
    else:
        show.say(f'up: {found.endpoint}; to use it from this shell: eval "$(batchdrop env)"')
    if not detach:
        _stay(found, ours=before is None)


def down(*, json: Json = False) -> None:
    """Stop the embedded AWS, its functions and the simulators. Their data is gone with them.

    \b
    Examples:
      batchdrop down
    """
    from local import stack

    stopped = stack.down(show.say)
    if json:
        show.as_json({"stopped": stopped})
    else:
        show.say("stopped" if stopped else "nothing was running")


def env(*, json: Json = False) -> None:
    """Print export lines that lead aws and boto3 to the local stack.

    \b
    Examples:
      eval "$(batchdrop env)"
      aws s3 cp people.csv "s3://$BATCHDROP_DROP_BUCKET/drops/people/people.csv"
    """
    from local import stack

    found = stack.running()
    if found is None:
        raise Trouble("no local stack is running; start one: batchdrop up --detach")
    variables = stack.variables(found)
    if json:
        show.as_json(variables)
    else:
        show.plain("\n".join(f"export {k}={shlex.quote(v)}" for k, v in variables.items()))
        for name in set(stack.IN_THE_WAY) & os.environ.keys():
            show.plain(f"unset {name}")


def _summary(found: LocalStack) -> dict[str, Any]:
    return {
        "stack": found.name,
        "endpoint": found.endpoint,
        "outputs": found.outputs,
        "simulators": found.destinations,
        "logs": str(home()),
    }


def _stay(found: LocalStack, *, ours: bool) -> None:
    """Print the logs until Ctrl-C, which stops the stack if this command started it."""
    show.say("Ctrl-C stops it" if ours else "Ctrl-C ends this view; batchdrop down stops the stack")
    with contextlib.suppress(KeyboardInterrupt):
        _follow([home() / "emulator.log", home() / "simulators.log"], found)
    if ours:
        from local import stack

        show.say("stopping")
        stack.down()


def _follow(logs: list[Path], found: LocalStack) -> None:
    ends = {log: log.stat().st_size if log.exists() else 0 for log in logs}
    while found.emulator.is_alive():
        for log in logs:
            if log.exists() and log.stat().st_size > ends[log]:
                with log.open("rb") as file:
                    file.seek(ends[log])
                    show.err.out(file.read().decode(errors="replace"), end="", highlight=False)
                    ends[log] = file.tell()
        time.sleep(0.2)
    raise Trouble(f"the embedded AWS has ended by itself; see {home() / 'emulator.log'}")


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
