"""The `batchdrop` command: how it begins, and how errors end it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from local.exits import FAILED
from local.trouble import Trouble


def main() -> None:
    """Run the command. Errors the user can mend end it with their message, never with a traceback."""
    _prepare_output()
    try:
        from local.app import app  # here, so that a package it misses is told like any error

        app()
    except KeyboardInterrupt:
        sys.exit(130)
    except ModuleNotFoundError as missing:
        sys.stderr.write(f"batchdrop: the package {missing.name} is not installed: make setup\n")
        sys.exit(FAILED)
    except Exception as error:
        from local import refusals

        message = refusals.told(error)
        if message is None:
            raise
        _fail(error, message)


def _prepare_output() -> None:
    """A stream that was closed on purpose takes all and shows nothing."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - for as long as we run
        getattr(sys, name).reconfigure(errors="backslashreplace")  # where it cannot show a letter, it gets its number


def _fail(error: Exception, message: str) -> None:
    from local import show

    _forget_output()
    show.fail(message)
    if "--json" in sys.argv and not show.Results.printed:
        show.as_json({"error": message})
    sys.exit(error.code if isinstance(error, Trouble) else FAILED)


def _forget_output() -> None:
    """What could not be written is not tried again at the very end, where nobody catches the error."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
