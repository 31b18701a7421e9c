"""`report` and `rejects`: how a job ended, and what is to be mended."""

from __future__ import annotations

import json as jsonlib
import shutil
import sys
import webbrowser
from pathlib import Path
from typing import Annotated, Any, BinaryIO

import typer

from batchdrop.job import Job
from batchdrop.operate import find
from batchdrop.places import folder
from batchdrop.ports import ObjectRef
from local import show
from local.connection import OperatorWorld, connect
from local.home import home
from local.trouble import Trouble
from local.verbs.options import Json, Stack

_MOST_SHOWN = 10  # rejects printed for people


def report(
    job: str,
    *,
    open_: Annotated[bool, typer.Option("--open", help="Open the report's page in a browser.")] = False,
    on: Stack = None,
    json: Json = False,
) -> None:
    """Print a job's report."""
    world = connect(on)
    found = _ended(world, job)
    text = _read(world, found, "report.json")
    if json:
        show.plain(text.decode())
    else:
        _print(jsonlib.loads(text), f"s3://{world.settings.results_bucket}/{folder(found)}")
    if open_:
        page = home() / "reports" / f"{job}.html"
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_bytes(_read(world, found, "report.html"))
        show.say(f"page: {page}")
        webbrowser.open(page.as_uri())


def rejects(
    job: str,
    *,
    output: Annotated[Path, typer.Option("--output", "-o", help="Where to write it; - is standard output.")],
    on: Stack = None,
    json: Json = False,
) -> None:
    """Fetch the records that were not accepted, ready to be mended and dropped again."""
    world = connect(on)
    found = _ended(world, job)
    name = jsonlib.loads(_read(world, found, "report.json"))["rejects_file"]
    with _open(world, found, name) as body:
        if str(output) == "-":
            shutil.copyfileobj(body, sys.stdout.buffer)
            return
        with output.open("wb") as file:
            shutil.copyfileobj(body, file)
    if json:
        show.as_json({"file": str(output), "bytes": output.stat().st_size})
    else:
        show.say(f"{output}: mend the records, then drop the file again; our own columns are ignored then")


def _ended(world: OperatorWorld, job_id: str) -> Job:
    job = find(world, job_id)
    if not job.is_closed:
        raise Trouble(f"job {job_id} has not ended yet: batchdrop wait {job_id}")
    return job


def _open(world: OperatorWorld, job: Job, name: str) -> BinaryIO:
    return world.objects.open(ObjectRef(world.settings.results_bucket, folder(job) + name))


def _read(world: OperatorWorld, job: Job, name: str) -> bytes:
    with _open(world, job, name) as body:
        return body.read()


def _print(report: dict[str, Any], place: str) -> None:
    show.plain(f"{report['outcome']}: {report['reason']}" if report["reason"] else report["outcome"])
    show.plain(f"drop:     s3://{report['drop']['bucket']}/{report['drop']['key']}")
    show.plain(f"report:   {place}")
    show.plain("records:  " + ", ".join(f"{count} {name}" for name, count in report["counts"].items() if count))
    for warning in report["warnings"]:
        show.plain(f"warning:  {warning}")
    sample = report["rejects"]
    if sample:
        show.plain("")
        rows = [(r["line"], r["id"], r["outcome"], r["code"], r["message"]) for r in sample[:_MOST_SHOWN]]
        show.table(("line", "id", "outcome", "code", "message"), rows)
