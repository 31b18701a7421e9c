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
JobId = Annotated[str, typer.Argument(metavar="JOB", help="The job's id, or an unambiguous beginning of it.")]
RouteName = Annotated[
    str,
    typer.Option(
        "--route", "-r", metavar="ROUTE", help="The route they go by.", autocompletion=seen_routes.beginning_with
    ),
]
