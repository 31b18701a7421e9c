"""`check` and `drop`: files on their way in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from batchdrop.drop import READY
from local import describe, refusals, seen_routes, show
from local.exits import FAILED, WITH_REJECTS
from local.trouble import Trouble
from local.verbs.options import Json, RouteName, Stack

if TYPE_CHECKING:
    from batchdrop.errors import DropRefused
    from batchdrop.route import Route
    from local.connection import OperatorWorld
    from local.dryrun import DryRun
    from local.upload import Progress

Listed = tuple[Path, list[Path]]  # a path to be dropped, and the files it is made of
_MOST_SHOWN = 1000  # invalid records on a terminal


def check(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="The file, or for a set the directory (hidden files left out), that would be dropped."
        ),
    ],
    *,
    route: Annotated[
        str,
        typer.Option(
            "--route",
            "-r",
            metavar="ROUTE",
            help="A route's name, or a route file: one that ends in .yaml, .yml or .json, or whose path has a slash.",
            autocompletion=seen_routes.beginning_with,
        ),
    ],
    on: Stack = None,
    json: Json = False,
) -> None:
    """Dry run: what would be sent, batch by batch, and every record that would not, with its line and the reason.

    By the code that sends it, without any network: a route goes by its
    file, or by its name as this machine last saw it (batchdrop down forgets
    it). Exits 1 when nothing of the file could be sent, 4 when some records
    could not.

    \b
    Examples:
      batchdrop check people.csv --route people
      batchdrop check people.csv --route people.yaml
      batchdrop check export/ --route shop --json | jq .problems
    """
    from batchdrop.errors import DropRefused
    from local import dryrun

    _must_be_drops([file])
    chosen = _route(route, on)
    _fits(file, chosen, route)
    try:
        found = dryrun.run(file, chosen)
    except DropRefused as refused:
        raise _refused(file, refused, as_json=json) from None
    if json:
        show.as_json(found.as_dict())
    else:
        _print(found, chosen, is_set=file.is_dir())
    if found.invalid:
        raise typer.Exit(WITH_REJECTS if found.valid else FAILED)


def drop(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", help="Files; a directory is a set of all its files but hidden ones."),
    ],
    *,
    route: RouteName,
    on: Stack = None,
    json: Json = False,
) -> None:
    """Drop files, and print the id of each job as soon as it is dropped.

    Nothing is dropped unless all can be read. Where one fails later, what
    was dropped before stays: the message says which were not.

    \b
    Examples:
      batchdrop drop people.csv --route people
      batchdrop drop export/ --route shop
      batchdrop drop *.ndjson --route activities --json
    """
    from batchdrop.route import read_route
    from local import upload
    from local.connection import connect, stored_route

    _must_be_drops(paths)
    world = connect(on)
    chosen = read_route(route, stored_route(world, route), world.settings.allow_insecure)
    for path in paths:
        _fits(path, chosen, route)
    drops = [(path, upload.files_of(path)) for path in paths]
    found = _drop_all(world, drops, chosen, as_json=json)
    if json:
        show.as_json(found[0] if len(found) == 1 else {"jobs": found})


def _drop_all(world: OperatorWorld, drops: list[Listed], route: Route, *, as_json: bool) -> list[dict[str, str]]:
    """Drop one after the other; each id is told as soon as it is known, and what was dropped where another fails."""
    done: list[dict[str, str]] = []
    try:
        for path, files in drops:
            done.append({"job_id": _drop(world, path, files, route), "path": str(path)})
            if not as_json:
                show.plain(done[-1]["job_id"])
    except BaseException as error:
        if done:
            _tell_how_far(done, [path for path, _ in drops], error, as_json=as_json)
        raise
    return done


def _tell_how_far(done: list[dict[str, str]], paths: list[Path], error: BaseException, *, as_json: bool) -> None:
    left = [str(path) for path in paths[len(done) :]]
    if as_json:
        show.as_json({"jobs": done, "not_dropped": left, "error": refusals.told(error) or type(error).__name__})
    show.say(f"{len(done)} of {len(paths)} were dropped; not dropped: {', '.join(left)}")


def _drop(world: OperatorWorld, path: Path, files: list[Path], route: Route) -> str:
    from local import upload
    from local.connection import client

    with _progress(path.name, files) as advance:
        return upload.drop(client("s3"), world.settings.drop_bucket, route.name, path, files, advance)


def _must_be_drops(paths: list[Path]) -> None:
    for path in paths:
        if not path.exists():
            raise Trouble(f"{path}: there is no such file")
        if not path.is_dir() and not path.is_file():
            raise Trouble(f"{path}: it is not a regular file: write what it gives to a file first")
        if path.is_file() and path.name == READY:
            raise Trouble(f"{path}: a file of this name closes a set and is no drop of its own: rename it")


def _fits(path: Path, route: Route, given: str) -> None:
    """`given`: the route as it was named, or its file."""
    sets = route.vendor.sets
    if path.is_dir() and sets == "never":
        raise Trouble(f'{path} is a directory, but route "{given}" takes single files: name them one by one')
    if not path.is_dir() and sets == "required":
        raise Trouble(f'route "{given}" takes sets: drop a directory with {path} and its control file')


def _route(route: str, on: str | None) -> Route:
    from batchdrop.route import read_route
    from local import routefile
    from local.connection import connect, stored_route

    if routefile.is_meant(route):
        raw = routefile.read_raw(Path(route))
        return routefile.good_route(Path(route), routefile.DEFAULT_NAME, routefile.any_host(raw))
    seen = seen_routes.recall(seen_routes.named(on), route)
    if seen is None:
        seen = stored_route(connect(on), route)
    return read_route(route, seen, routefile.any_host(seen))


def _refused(file: Path, refused: DropRefused, *, as_json: bool) -> Exception:
    if as_json:
        place = {"line": refused.line, "offset": refused.offset}
        show.as_json({"refused": {"reason": refused.reason, "message": str(refused), **place}})
        return typer.Exit(FAILED)
    return Trouble(f"{file}: nothing of it would be sent: {refused}{_place(refused)}")


def _print(found: DryRun, route: Route, *, is_set: bool) -> None:
    rows = [(b["n"], b["records"], b["invalid"], describe.size(b["bytes"]), b["sha256"]) for b in found.batches]
    show.table(("batch", "records", "invalid", "size", "sha256"), rows, spare=("sha256",))
    if found.problems:
        show.plain("")
        columns = (*(("file",) if is_set else ()), "line", "column", "id", "code", "message")
        shown = found.problems[:_MOST_SHOWN] if show.out.is_terminal else found.problems
        show.table(columns, ([problem[c] for c in columns] for problem in shown))
        if more := len(found.problems) - len(shown):
            show.say(f"and {more} more: in a pipe, or with --json, all are listed")
    for warning in found.warnings:
        show.say(f"warning: {warning}")
    records = f"{found.valid} record{'' if found.valid == 1 else 's'}"
    batches = f"{len(found.batches)} batch{'' if len(found.batches) == 1 else 'es'}"
    show.say(f"{records} would go to {route.vendor.name} in {batches}, {found.invalid} would not")


def _place(refused: DropRefused) -> str:
    """Where it is, unless the message says so; the line is enough, where it is known."""
    if refused.line is not None:
        return "" if f"line {refused.line}" in str(refused) else f" (line {refused.line})"
    return f" (byte {refused.offset})" if refused.offset is not None and "byte" not in str(refused) else ""


@contextmanager
def _progress(name: str, files: list[Path]) -> Iterator[Progress]:
    """A bar on a terminal for what takes long enough to wonder about."""
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    from local import upload

    total = sum(file.stat().st_size for file in files)
    columns: list[Any] = [
        TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn(),
    ]  # fmt: skip
    hidden = not show.err.is_terminal or total <= upload.PART
    with Progress(*columns, console=show.err, disable=hidden) as bar:
        task = bar.add_task(name, total=total)
        yield lambda count: bar.advance(task, count)
