"""Arguments and options that several verbs share."""

from __future__ import annotations

from typing import Annotated

import typer

from local import seen_routes

Stack = Annotated[
    str | None,
    typer.Option(
        "--stack",
        envvar="BATCHDROP_STACK",
        metavar="NAME",
        show_default=False,
        help="A stack deployed on AWS, by your AWS credentials; without it, the local one.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
_JOB_HELP = "The job's id, or a beginning of it that none other of the latest 1,000 jobs has."
JobId = Annotated[str, typer.Argument(metavar="JOB", help=_JOB_HELP)]
RouteName = Annotated[
    str,
    typer.Option(
        "--route", "-r", metavar="ROUTE", help="The route they go by.", autocompletion=seen_routes.beginning_with
    ),
]
