"""`check` and `drop`: files on their way in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from batchdrop.errors import DropRefused
from batchdrop.route import Route, read_route
from local import describe, dryrun, routefile, show, upload
from local.connection import OperatorWorld, client, connect
from local.trouble import Trouble
from local.verbs.options import Json, Stack

_MOST_SHOWN = 20  # invalid records printed for people; --json has all


def check(
    file: Annotated[Path, typer.Argument(help="The file, or for a set the directory, that would be dropped.")],
    *,
    route: Annotated[str, typer.Option("--route", "-r", help="A route's name, or a route file.")],
    on: Stack = None,
    json: Json = False,
) -> None:
    """Dry run: what would be sent, batch by batch, and every invalid record. Nothing is sent, no vendor is asked.

    With a route file it works without any network or stack. Exits 1 when nothing of the file could be sent, 4 when
    some records could not.
    """
    _must_exist([file])
    chosen = _route(route, on)
    try:
        found = dryrun.run(file, chosen)
    except DropRefused as refused:
        if not json:
            raise Trouble(f"{file}: refused: {refused}{_place(refused)}") from None
        place = {"line": refused.line, "offset": refused.offset}
        show.as_json({"refused": {"reason": refused.reason, "message": str(refused), **place}})
        raise typer.Exit(1) from None
    if json:
        show.as_json(found.as_dict())
    else:
        _print(found, chosen)
    if found.invalid:
        raise typer.Exit(4 if found.records else 1)


def drop(
    paths: Annotated[list[Path], typer.Argument(help="Files; a directory is a set.")],
    *,
    route: Annotated[str, typer.Option("--route", "-r", help="The route they go by.")],
    on: Stack = None,
    json: Json = False,
) -> None:
    """Drop files, and print the id of each job."""
    _must_exist(paths)
    world = connect(on)
    chosen = read_route(route, world.routes.get(route), world.settings.allow_insecure)
    for path in paths:
        _fits(path, chosen)
    jobs = [_drop(world, path, chosen) for path in paths]
    if json:
        found = [{"job_id": job_id, "path": str(path)} for path, job_id in zip(paths, jobs, strict=True)]
        show.as_json(found[0] if len(found) == 1 else {"jobs": found})
    else:
        for job_id in jobs:
            show.plain(job_id)


def _drop(world: OperatorWorld, path: Path, route: Route) -> str:
    put = upload.drop_set if path.is_dir() else upload.drop_file
    with _progress(path) as advance:
        return put(client("s3"), world.settings.drop_bucket, route.name, path, advance)


def _must_exist(paths: list[Path]) -> None:
    for path in paths:
        if not path.exists():
            raise Trouble(f"{path}: there is no such file")


def _fits(path: Path, route: Route) -> None:
    sets = route.vendor.sets
    if path.is_dir() and sets == "never":
        raise Trouble(f'{path} is a directory, but route "{route.name}" takes single files: name them one by one')
    if not path.is_dir() and sets == "required":
        raise Trouble(f'route "{route.name}" takes sets: drop a directory with {path} and its control file')


def _route(route: str, on: str | None) -> Route:
    if route.endswith((".yaml", ".yml", ".json")):
        # Where a route's vendor lives is of no account here, so any host will do.
        return routefile.read_route_file(Path(route), routefile.DEFAULT_NAME, ("127.0.0.1", "localhost"))
    world = connect(on)
    return read_route(route, world.routes.get(route), world.settings.allow_insecure)


def _print(found: dryrun.DryRun, route: Route) -> None:
    rows = [(b["n"], b["records"], b["invalid"], describe.size(b["bytes"]), b["sha256"][:12]) for b in found.batches]
    show.table(("batch", "records", "invalid", "bytes", "sha256"), rows)
    for problem in found.problems[:_MOST_SHOWN]:
        show.say(f"line {problem['line']}: {problem['code']}: {problem['message']}")
    if len(found.problems) > _MOST_SHOWN:
        show.say(f"… and {len(found.problems) - _MOST_SHOWN} more; --json lists all")
    for warning in found.warnings:
        show.say(f"warning: {warning}")
    show.say(f"{found.records} records would go to {route.vendor.name}, {found.invalid} are invalid")


def _place(refused: DropRefused) -> str:
    if refused.line is not None:
        return f" (line {refused.line})"
    return f" (byte {refused.offset})" if refused.offset is not None else ""


@contextmanager
def _progress(path: Path) -> Iterator[upload.Progress]:
    """A bar on a terminal for what takes long enough to wonder about."""
    total = sum(p.stat().st_size for p in upload.members(path)) if path.is_dir() else path.stat().st_size
    columns: list[Any] = [TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn()]
    hidden = not show.err.is_terminal or total <= upload.PART
    with Progress(*columns, console=show.err, transient=True, disable=hidden) as bar:
        task = bar.add_task(path.name, total=total)
        yield lambda count: bar.advance(task, count)
