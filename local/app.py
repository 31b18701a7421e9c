"""The verbs of the `batchdrop` command and its help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from local import show
from local.exits import EXIT_CODES
from local.verbs import decisions, dropping, jobs, reports, routes, stack

_ABOUT = """Drop files in a bucket; Batchdrop sends them to a vendor's batch API and accounts for every record.

It works alike on the local stack (batchdrop up) and, with AWS credentials
and --stack NAME, on a deployed one. Every verb takes --json; for a JOB, a
beginning of its id will do that none other of the latest 1,000 has.

\b
Examples:
  batchdrop up --detach --simulators
  batchdrop check people.csv --route datagroup
  batchdrop watch "$(batchdrop drop people.csv --route datagroup)"
  batchdrop --install-completion
"""
_EPILOG = "Exit codes: " + " · ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items())

app = typer.Typer(
    help=_ABOUT,
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _tell_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        show.plain(f"batchdrop {version('batchdrop')}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Options of the command itself."""


_PANELS: dict[str, dict[str, Callable[..., Any]]] = {
    "Local stack": {"up": stack.up, "down": stack.down, "env": stack.env},
    "Drops": {"check": dropping.check, "drop": dropping.drop},
    "Jobs": {"jobs": jobs.jobs, "show": jobs.show_, "watch": jobs.watch, "wait": jobs.wait},
    "Results": {"report": reports.report, "rejects": reports.rejects},
    "Decisions": {"cancel": decisions.cancel, "resolve": decisions.resolve, "rerun": decisions.rerun},
}
app.add_typer(routes.app, name="routes", rich_help_panel="Drops")
for panel, verbs in _PANELS.items():
    for verb, function in verbs.items():
        app.command(name=verb, rich_help_panel=panel)(function)
