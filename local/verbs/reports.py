"""`report` and `rejects`: how a job ended, and what is to be mended."""

from __future__ import annotations

import json as jsonlib
import re
import shutil
import sys
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO
from urllib.parse import unquote

import typer

from local import describe, show
from local.home import home
from local.safetext import one_line
from local.trouble import Trouble
from local.verbs.options import JobId, Json, Stack

if TYPE_CHECKING:
    from batchdrop.again import Again
    from batchdrop.job import Job
    from local.connection import OperatorWorld

_REJECT = ("line", "id", "outcome", "code", "message")
_REASON = ("count", "outcome", "code", "message")
_MOST_SHOWN = 10  # rejects, reasons and receipts on a terminal
_LARGEST = 20_000_000  # bytes of a file fetched beside a page
_LINK = re.compile(r'<a href="\./([^"]+)">')


def report(
    job: JobId,
    *,
    open_: Annotated[
        bool, typer.Option("--open", help="Fetch the report's page and what it links to, and open it.")
    ] = False,
    on: Stack = None,
    json: Json = False,
) -> None:
    """Print a job's report: what became of every record, and what to do next.

    \b
    Examples:
      batchdrop report 3f2a9c0d
      batchdrop report 3f2a9c0d --open
      batchdrop report 3f2a9c0d --json | jq .counts
    """
    from batchdrop.places import folder
    from local.connection import connect

    world = connect(on)
    found = _ended(world, job)
    text = _read(world, found, "report.json")
    if json:
        show.json_text(text.decode())
    else:
        told = jsonlib.loads(text)
        told["what_next"] = _what_next(world, found, told)
        _print(told, f"s3://{world.settings.results_bucket}/{folder(found)}")
    if open_:
        page = _page(world, found)
        show.say(f"page: {page}")
        if not webbrowser.open(page.as_uri()):
            show.say("no browser could be opened here: open the page yourself")


def rejects(
    job: JobId,
    *,
    output: Annotated[
        str,
        typer.Option("--output", "-o", metavar="FILE", help="Where to write it; - is standard output."),
    ],
    on: Stack = None,
    json: Json = False,
) -> None:
    """Fetch the records that were not accepted, ready to be mended and dropped again.

    They come in your own columns and format; the four batchdrop columns
    added say why, and are not sent. Those of a set are for reading: they
    are mended in their own files. A file that is there already is never
    overwritten, as it may hold what was mended: name another one.

    \b
    Examples:
      batchdrop rejects 3f2a9c0d -o mend.csv
      batchdrop drop mend.csv --route people
      batchdrop rejects 3f2a9c0d -o - | head
    """
    from local.connection import connect

    file = Path(output)
    if output == "-" and json:
        raise Trouble("with --json, -o must name a file: standard output has room for one of the two", code=2)
    if output != "-" and file.is_file() and file.stat().st_size:
        raise Trouble(f"{output} is there already, perhaps with what was mended: name another file, or remove it first")
    world = connect(on)
    found = _ended(world, job)
    told = jsonlib.loads(_read(world, found, "report.json"))
    with _open(world, found, told["rejects_file"]) as body:
        if output == "-":
            shutil.copyfileobj(body, sys.stdout.buffer)
            return
        _write(body, file)
    if json:
        show.as_json({"file": output, "bytes": file.stat().st_size})
    else:
        show.say(f"{output}: {_what_to_do(found, told)}")


def _what_to_do(job: Job, told: dict[str, Any]) -> str:
    from batchdrop.again import again
    from batchdrop.report.gave_way import has_rows, told_of

    gone, rows = told_of(told), has_rows(told)
    if gone:
        return f"{_mending(job, again(job)) if rows else 'there is nothing to mend in it'}. {gone}"
    if rows:
        return _mending(job, again(job))
    if job.counts.get("records") == job.counts.get("accepted"):
        return "no record is in it, since all were accepted"
    return f"no record is in it; batchdrop report {describe.short(job)} says why, and what to do"


def _mending(job: Job, again: Again) -> str:
    if again != "rejects":
        return f"no drop: mend the records in your own files; batchdrop report {describe.short(job)} says how"
    return "mend the records, then drop the file again; our own columns are ignored then"


def _write(body: BinaryIO, output: Path) -> None:
    """The whole file, or none: a part of it must not be taken for all."""
    try:
        with output.open("wb") as file:
            shutil.copyfileobj(body, file)
    except BaseException:
        if output.is_file():
            output.unlink()
        raise


def _ended(world: OperatorWorld, text: str) -> Job:
    from local.jobid import find_job

    job = find_job(world, text)
    if not job.is_closed:
        raise Trouble(f"job {job.job_id} has not ended yet: batchdrop wait {describe.short(job)}")
    return job


def _open(world: OperatorWorld, job: Job, name: str) -> BinaryIO:
    from batchdrop.errors import ObjectGone
    from batchdrop.places import folder
    from batchdrop.ports import ObjectRef

    try:
        return world.objects.open(ObjectRef(world.settings.results_bucket, folder(job) + name))
    except ObjectGone:
        kept = "reports and rejects are kept for ResultsRetentionDays of the stack (400 unless it says otherwise)"
        raise Trouble(f"{name} of job {job.job_id} is no longer there: {kept}") from None


def _page(world: OperatorWorld, job: Job) -> Path:
    """The page on disk, with the files it links to beside it; one that is gone or large is linked to no more."""
    place, text = home() / "reports" / job.job_id, _read(world, job, "report.html").decode()
    place.mkdir(parents=True, exist_ok=True)
    for link in sorted(set(_LINK.findall(text))):
        name = unquote(link)
        why = _fetch(world, job, name, place)
        if why:
            text = re.sub(rf'<a href="\./{re.escape(link)}">(.*?)</a>', r"<span>\1</span>", text)
            show.say(f"{one_line(name)} was not fetched, and is linked to no more: {why}")
    page = place / "report.html"
    page.write_text(text, encoding="utf-8")
    return page


def _fetch(world: OperatorWorld, job: Job, name: str, place: Path) -> str:
    """Lay a file of the job's beside its page; returns why not, or nothing."""
    from batchdrop.places import folder

    file = place / name
    if not file.resolve().is_relative_to(place.resolve()):
        return "it would lie elsewhere"
    try:
        with _open(world, job, name) as body:
            data = body.read(_LARGEST + 1)
    except Trouble:
        return "it is no longer there"
    if len(data) > _LARGEST:
        if name.startswith("rejects."):
            return f"it is large; batchdrop rejects {describe.short(job)} -o {name} fetches it"
        return f"it is large, and at s3://{world.settings.results_bucket}/{folder(job)}{one_line(name)}"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return ""


def _read(world: OperatorWorld, job: Job, name: str) -> bytes:
    with _open(world, job, name) as body:
        return body.read()


def _what_next(world: OperatorWorld, job: Job, told: dict[str, Any]) -> list[str]:
    """As the report has it, unless its job is held and was overtaken since: `resolve` would not send it again."""
    from batchdrop import operate
    from batchdrop.again import again
    from batchdrop.errors import BatchdropError
    from batchdrop.report.advice import what_next

    if told["outcome"] == "held":
        with suppress(BatchdropError):  # it cannot be told now: the command will
            if newer := operate.overtaken_by(world, job):
                return what_next(told, again(job), newer=newer)
    found: list[str] = told.get("what_next", [])
    return found


def _print(report: dict[str, Any], place: str) -> None:
    reason = f": {report['reason']}" if report["reason"] else ""
    show.outcome(report["outcome"], one_line(report["outcome"] + reason))
    show.plain(f"drop:     s3://{report['drop']['bucket']}/{one_line(report['drop']['key'])}")
    show.plain(f"report:   {place}")
    show.plain(f"records:  {describe.account(report['counts'])}")
    for warning in report["warnings"]:
        show.plain(f"warning:  {one_line(warning)}")
    if report["rejects"]:
        _print_rejects(report)
    show.plain("")
    for step in report["what_next"]:
        show.plain(f"next: {one_line(step)}")
    _print_receipts(report)


def _print_rejects(report: dict[str, Any]) -> None:
    show.plain("")
    shown = _shown(report["rejects"])
    show.table(_REJECT, ([reject[name] for name in _REJECT] for reject in shown))
    if more := _more(report, len(shown)):
        fetch = f"`batchdrop rejects {report['job_id'][:8]} -o -`"
        show.plain(f"and {more:,} more: {fetch} has all refused or unsent ones that are named")
    if reasons := _shown(report.get("reject_reasons", [])):
        show.plain("")
        show.table(_REASON, ([reason[name] for name in _REASON] for reason in reasons))


def _more(report: dict[str, Any], shown: int) -> int:
    """How many were not accepted beyond those; a report that is full of them has not room for all."""
    from batchdrop.refusals import SAMPLE

    sample: list[dict[str, Any]] = report["rejects"]
    if len(sample) < SAMPLE:
        return len(sample) - shown
    # What is unconfirmed is not in the rejects file.
    named: int = sum(reject["outcome"] != "unconfirmed" for reject in sample[:shown])
    return max(0, sum(int(report["counts"][name]) for name in ("invalid", "rejected", "unprocessed")) - named)


def _print_receipts(report: dict[str, Any]) -> None:
    """Those of batches of which records are unconfirmed: by them the vendor is asked."""
    batches = report.get("batches", [])
    found = [b for b in batches if b["receipt"] and (b["counts"]["unconfirmed"] or b["state"] == "held")]
    if not found:
        return
    show.plain("")
    rows = ((b["n"], b["state"], b["counts"]["unconfirmed"], describe.receipt(b["receipt"])) for b in _shown(found))
    show.table(("batch", "state", "unconfirmed", "receipt"), rows)
    if more := len(found) - len(_shown(found)):
        show.plain(f"and {more:,} more: in a pipe, or with --json, all are listed")


def _shown(found: list[Any]) -> list[Any]:
    return found[:_MOST_SHOWN] if show.out.is_terminal else found
