"""The `batchdrop` command: its verbs, and how errors end it."""

from __future__ import annotations

import sys

import typer

from batchdrop.errors import BatchdropError
from local import show
from local.trouble import Trouble
from local.verbs import decisions, dropping, jobs, reports, routes, stack

app = typer.Typer(
    help="Drop files in a bucket; Batchdrop sends them to a vendor's batch API and accounts for every record.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

app.command()(stack.up)
app.command()(stack.down)
app.command()(stack.env)
app.add_typer(routes.app, name="routes")
app.command()(dropping.check)
app.command()(dropping.drop)
app.command()(jobs.jobs)
app.command(name="show")(jobs.show_)
app.command()(jobs.watch)
app.command()(jobs.wait)
app.command()(reports.report)
app.command()(reports.rejects)
app.command()(decisions.cancel)
app.command()(decisions.resolve)
app.command()(decisions.rerun)


def main() -> None:
    """Run the command. Errors the user can mend end it with their message, never with a traceback."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        app()
    except (Trouble, BatchdropError) as error:
        _end(str(error), getattr(error, "code", 1))
    except ClientError as error:
        _end(f"AWS refused {error.operation_name}: {error.response['Error'].get('Message', error)}")
    except BotoCoreError as error:
        _end(f"AWS could not be asked: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader of our output has gone: nothing to say to it
        sys.stderr.close()
        sys.exit(141)


def _end(message: str, code: int = 1) -> None:
    show.err.print(f"batchdrop: {message}", markup=False, style="red")
    sys.exit(code)
