"""Options that several verbs share."""

from __future__ import annotations

from typing import Annotated

import typer

Stack = Annotated[
    str | None,
    typer.Option(
        "--stack",
        envvar="BATCHDROP_STACK",
        show_default=False,
        help="A stack deployed on AWS, by your AWS credentials; without it, the local one.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
