"""The `batchdrop` command: its verbs, and how errors end it."""

from __future__ import annotations

import sys

import typer

from local import show
from local.trouble import Trouble
from local.verbs import stack

app = typer.Typer(
    help="Drop files in a bucket; Batchdrop sends them to a vendor's batch API and accounts for every record.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.command()(stack.up)
app.command()(stack.down)
app.command()(stack.env)


def main() -> None:
    """Run the command. Errors the user can mend end it with their message, never with a traceback."""
    try:
        app()
    except Trouble as trouble:
        show.err.print(f"batchdrop: {trouble}", markup=False, style="red")
        sys.exit(trouble.code)
    except KeyboardInterrupt:
        sys.exit(130)
