"""The operator's decisions: cancel a job, resolve a held one, run one again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from shutil import copyfileobj
from tempfile import TemporaryFile
from typing import Any, Literal

from batchdrop import order
from batchdrop.again import again
from batchdrop.arrive import claim_again, makes_a_job
from batchdrop.destinations.base import LONGEST_ID, id_of
from batchdrop.drop import Drop
from batchdrop.errors import BatchdropError, ConditionFailed, ObjectGone, WriteConflict
from batchdrop.job import Batch, Job
from batchdrop.places import folder
from batchdrop.ports import Absent, ObjectRef
from batchdrop.report.gave_way import has_rows, told_of
from batchdrop.route import Route, read_route
from batchdrop.spans import Spans
from batchdrop.words import BatchState, JobOutcome
from batchdrop.world import World

# Their rows are written with as many cells as the header has: they are not what they were.
NEED_MENDING = {"row_too_short", "row_too_long"}
MOST_PUT = 5_000_000_000  # bytes of one PutObject, a little less than S3 takes
SURE_MS = 86_400_000  # so long after a drop its object is certainly there, if it ever was


class CannotOperate(BatchdropError):
    """The job is not in a state in which this can be done; says why and what can."""


def find(world: World, job_id_: str) -> Job:
    job = world.ledger.job(job_id_)
    if job is None:
        raise CannotOperate(f"there is no job {job_id_}: `batchdrop jobs` lists them")
    return job


def cancel(world: World, job_id_: str) -> Job:
    """Ask for a job to be canceled: nothing more is sent, and the vendor is asked where it can cancel.

    Takes effect when the workflow next looks at the job; what the vendor has begun ends as the vendor says.
    """
    job = find(world, job_id_)
    now = world.ledger.now()
    # An operator may have decided by a clock that is ahead of this one: what comes after that is later.
    asked = {"cancel_at": max(now, job.reopened_at + 1), "hint_at": now}
    try:
        job = world.ledger.change(job, asked, {"closed_at": Absent()})
    except ConditionFailed:
        raise CannotOperate(f"job {job_id_} has ended already: {find(world, job_id_).outcome}") from None
    if job.task_token:
        world.workflow.wake(job.task_token)
    return job


Decision = Literal["resubmit", "adopt", "abandon"]


def resolve(world: World, job_id_: str, decision: Decision, receipt: str = "", batch: int = 0) -> Job:
    """Decide what is to be done with the batches of a held job; the job goes on and ends in a new report.

    `resubmit`: send them again, flagged as possible duplicates. `adopt`: the vendor has it; `receipt` is the id it
    gave, or a JSON object of ids. `abandon`: leave it, its records unconfirmed. `batch`: decide on this one alone (0:
    on all in doubt); while others are held, the job ends held again. A job that was canceled sends nothing else.
    """
    job = find(world, job_id_)
    if job.ended() is not JobOutcome.HELD:
        raise CannotOperate(f"job {job_id_} is not held but {job.outcome or 'still open'}: there is nothing to resolve")
    batches = world.ledger.batches(job_id_)
    chosen = _chosen([b for b in batches if b.is_in_doubt], decision, batch)
    route = read_route(job.route, job.config, world.settings.allow_insecure)
    if decision == "resubmit":
        _unless_too_late(world, job)
    if decision == "adopt":
        name = route.vendor.receipt_name
        _unless_known(batches, chosen, name, _receipt(receipt, name)[name])
    decisions = {b.n: _decision(world, job, route, b, decision, receipt) for b in chosen}
    _prolong(world, job, route)
    _set_aside_report(world, job)
    try:
        _record(world, batches, decisions)
        return _go_on(world, job, route, sends_again=decision == "resubmit")
    except ConditionFailed:
        raise CannotOperate(_at_once(job, "decides on it")) from None


def overtaken_by(world: World, job: Job) -> str:
    """The job that has loaded a newer version of a held one's file, where that matters; after it this one is not sent
    again. None: an empty text."""
    route = read_route(job.route, job.config, world.settings.allow_insecure)
    return order.newer(world, job) if order.matters(route) else ""


def _unless_too_late(world: World, job: Job) -> None:
    """Loads are in order: sent now, an older version would undo a newer one, and the job would end held once more."""
    if holder := overtaken_by(world, job):
        raise CannotOperate(
            f"job {job.job_id} cannot be sent again: a newer version of this file is loaded by job {holder}, and must "
            f"not be undone. Adopt what the vendor has, or `batchdrop resolve {job.job_id} --abandon`; to load this "
            "version after all, drop it again"
        )


def _prolong(world: World, job: Job, route: Route) -> None:
    """A job that goes on is kept for as long as somebody may have to decide on it, with what it has to know."""
    world.ledger.prolong(job.job_id)
    if order.matters(route):
        order.keep(world, job)


def _chosen(in_doubt: list[Batch], decision: Decision, number: int) -> list[Batch]:
    """Those to decide on. Where none is in doubt, a decision was cut off before the job was opened again."""
    numbers = _numbers(in_doubt)
    if number and in_doubt:
        in_doubt = [b for b in in_doubt if b.n == number]
        if not in_doubt:
            raise CannotOperate(f"batch {number} is not in doubt; in doubt: {numbers}")
    if decision == "adopt" and len(in_doubt) > 1:
        many = f"{len(in_doubt)} batches are in doubt, and one receipt cannot be for all"
        raise CannotOperate(f"{many}: name one with --batch N ({numbers}), or resubmit or abandon all")
    return in_doubt


def _numbers(batches: list[Batch]) -> str:
    more = f" and {len(batches) - 10} more" if len(batches) > 10 else ""
    return ", ".join(str(b.n) for b in batches[:10]) + more


def _record(world: World, batches: list[Batch], decisions: Mapping[int, dict[str, object]]) -> None:
    for each in batches:
        if each.n in decisions or each.status.is_open or each.unasked:  # the others go on too, and are counted anew
            world.ledger.decide(each, decisions.get(each.n) or _as_it_stands(each))


def _as_it_stands(batch: Batch) -> dict[str, object]:
    """What is kept of a batch that nobody decided on: since when it is in doubt, or done."""
    return {name: at for name in ("doubt_at", "done_at") if (at := getattr(batch, name))}


def _go_on(world: World, job: Job, route: Route, *, sends_again: bool) -> Job:
    if sends_again:
        for span in Spans.of(world.ledger, job).each:
            if span.packaged_at:
                world.ledger.reopen_span(span)
    now, gone = world.ledger.now(), ("packaged_at",) if job.cancel_at else ("packaged_at", "failure")
    reopened = max(now, job.cancel_at)  # the clock of whoever canceled it may be ahead of this one
    changes = {
        "held_at": job.closed_at,
        "deadline_at": now + int(route.deadline * 1000),
        "reopened_at": reopened,
        "tries": 0,
    }
    try:
        job = world.ledger.reopen(job, changes, gone if sends_again else ())
    except ConditionFailed as failed:
        job = _opened_before(failed, job, reopened)
    world.workflow.start(job.execution, job.job_id)
    return job


def _opened_before(failed: ConditionFailed, job: Job, at: int) -> Job:
    """The job, where this very write had been done already: its answer was lost, and it was repeated."""
    stands = failed.item or {}
    if (stands.get("run"), stands.get("reopened_at")) != (job.run + 1, at):
        raise failed
    return Job.from_item(stands)


def _decision(world: World, job: Job, route: Route, batch: Batch, decision: str, receipt: str) -> dict[str, object]:
    now = world.ledger.now()
    if decision == "resubmit":
        steps = {s.name: s for s in route.vendor.steps()}
        again = steps[batch.step].again_from or batch.step
        changes = {"state": BatchState.SUBMITTING, "intent": False, "flagged": True, "step": again, "message": ""}
        return {**changes, "decided_after": job.cancel_at}
    if decision == "adopt":
        known = {**batch.receipt, **_receipt(receipt, route.vendor.receipt_name)}
        return {"state": BatchState.SUBMITTED, "receipt": known, "submitted_at": now, "message": "adopted by operator"}
    return {"state": BatchState.UNCONFIRMED, "done_at": now, "message": "abandoned by operator"}


def _receipt(text: str, name: str) -> dict[str, str]:
    """What the operator knows of the vendor's receipt: its id, under the name the destination gives it, or more."""
    try:
        data = json.loads(text)
    except ValueError:
        data = text
    given = data if isinstance(data, dict) else {name: text if isinstance(data, float) else data}
    found = {str(key): id_of(value) for key, value in given.items()}
    if not (all(found.values()) and found.get(name)):
        what = f'the vendor\'s {name}, or JSON such as {{"{name}": "…"}}'
        ids = f"ids are whole numbers, or text of 1 to {LONGEST_ID} printable characters other than . and .."
        raise CannotOperate(f"a receipt to adopt is {what}; {ids}")
    return found


def _unless_known(batches: list[Batch], chosen: list[Batch], name: str, id_: str) -> None:
    """The vendor gives each batch an id of its own: what another has, or had, would be accounted for twice.

    Where nothing is to be decided any more, a decision was cut off: then its batch has the receipt already.
    """
    others = [batch for batch in batches if chosen and batch not in chosen]
    for batch in others:
        if id_ in (known.get(name) for known in (batch.receipt, *batch.orphans)):
            raise CannotOperate(
                f"{name} {id_} is a receipt of batch {batch.n} of this job: give that of batch {chosen[0].n}, "
                "or decide with --resubmit or --abandon"
            )


def _set_aside_report(world: World, job: Job) -> None:
    """Keep the report of the held job beside the one to come."""
    bucket, place = world.settings.results_bucket, folder(job)
    try:
        with world.objects.open(ObjectRef(bucket, f"{place}report.json")) as body:
            text = body.read()
    except ObjectGone:  # an earlier decision was cut off just after this
        return
    if json.loads(text)["revision"] != job.revision:  # the job has gone on, and ended, since it was read
        raise CannotOperate(_at_once(job, "decides on it"))
    world.objects.put(bucket, f"{place}report.r{job.revision}.json", text, content_type="application/json")
    world.objects.delete(bucket, f"{place}report.json")


def rerun(world: World, job_id_: str, *, only_rejected: bool = False) -> Job:
    """Process the same drop again, as a new job that names the old; with `only_rejected`, what was not accepted.

    A job is run again once; after that its re-run can be. With `only_rejected` the job's rejects file is dropped again:
    records that are invalid, rejected or unprocessed.
    """
    old = find(world, job_id_)
    if not old.is_closed:
        raise CannotOperate(f"job {job_id_} has not ended: cancel it, or wait for its report")
    if old.ended() is JobOutcome.HELD:
        raise CannotOperate(f"job {job_id_} is held: decide with `batchdrop resolve {job_id_}` first")
    route = read_route(old.route, world.routes.get(old.route), world.settings.allow_insecure)
    if only_rejected:
        return claim_again(world, _drop_rejects(world, old, route), old, route, same_content=False)[0]
    drop = Drop(old.bucket, old.key, old.version_id, old.size, old.sequencer)
    _unless_of_another_kind(route, drop)
    second, is_new = claim_again(world, drop, old, route)
    if not is_new:
        raise CannotOperate(f"job {job_id_} was run again before, as job {second.job_id}: rerun that one")
    return second


def _unless_of_another_kind(route: Route, drop: Drop) -> None:
    """The route may have got another destination since: the marker of a set is no file of records, nor a file a set."""
    if makes_a_job(route, drop):
        return
    if drop.is_marker:
        was, takes, what = "a set", "single files now", "each of its files by itself"
    else:
        was, takes, what = "a single file", "sets only", "a folder with all that belongs to it"
    raise CannotOperate(
        f"this would be {was}, but route {route.name} ({route.vendor.name}) takes {takes}: drop {what}, "
        "with `batchdrop drop`"
    )


def _drop_rejects(world: World, old: Job, route: Route) -> Drop:
    if again(old) != "rejects":
        raise CannotOperate(_not_a_drop(old))
    bucket, place = world.settings.results_bucket, folder(old)
    with world.objects.open(ObjectRef(bucket, f"{place}report.json")) as body:
        report = json.loads(body.read())
    if NEED_MENDING & {reject["code"] for reject in (*report["reject_reasons"], *report["rejects"])}:
        raise CannotOperate(
            f"job {old.job_id} has rows with too few or too many cells, whose values nobody may guess: "
            f"`batchdrop rejects {old.job_id} -o FILE`, mend them, and drop the file"
        )
    if not has_rows(report):
        raise CannotOperate(_nothing_in_it(old, report))
    name = str(report["rejects_file"])
    found = world.objects.head(ObjectRef(bucket, place + name))
    if found.size > MOST_PUT:
        raise CannotOperate(
            f"the rejects file of job {old.job_id} has {found.size:,} bytes, more than S3 takes in one call: "
            f"`batchdrop rejects {old.job_id} -o FILE`, then drop the file"
        )
    key = f"drops/{old.route}/{old.job_id}.{name}"
    _unless_of_another_kind(route, Drop(old.bucket, key, ""))
    mark = _mark(world, old)
    try:
        is_new = _put_new(world, found, old.bucket, key)
    except WriteConflict:
        raise CannotOperate(_at_once(old, "drops its rejects")) from None
    ref = world.objects.head(ObjectRef(old.bucket, key))
    drop = Drop(ref.bucket, ref.key, ref.version_id, ref.size)
    world.ledger.change(old, {"rejects_dropped": {**mark, "job_id": drop.job_id}}, {})
    if not is_new:
        raise _dropped_before(old, drop.job_id)
    return drop


def _mark(world: World, old: Job) -> dict[str, Any]:
    """Record that the rejects are about to be dropped; refuse where they were.

    The object is gone with its retention, so this record decides. Who finds one that names no job came upon another
    operator at work, or a command that was cut off: then the object, which is put only where there is none, decides.
    """
    mark: dict[str, Any] = {"at": world.ledger.now()}
    try:
        world.ledger.change(old, {"rejects_dropped": mark}, {"rejects_dropped": Absent()})
    except ConditionFailed as failed:
        mark = Job.from_item(failed.item or {}).rejects_dropped
    if "job_id" in mark:
        raise _dropped_before(old, mark["job_id"])
    if world.ledger.now() - mark["at"] > SURE_MS:
        raise CannotOperate(
            f"a former `batchdrop rerun` of job {old.job_id} was cut off, and whether it dropped the rejects cannot be "
            f"told any more: look for its job among `batchdrop jobs`, or `batchdrop rejects {old.job_id} -o FILE` and "
            "drop the file"
        )
    return mark


def _put_new(world: World, found: ObjectRef, bucket: str, key: str) -> bool:
    """Whether there was no such object yet."""
    try:
        with world.objects.open(found) as body, TemporaryFile() as file:  # it may have many gigabytes
            copyfileobj(body, file)
            file.seek(0)
            world.objects.put(bucket, key, file, new=True)
    except ConditionFailed:
        return False
    return True


def _dropped_before(old: Job, second: str) -> CannotOperate:
    return CannotOperate(
        f"what job {old.job_id} did not accept was dropped again before, as job {second}: "
        f"see `batchdrop show {second}`; to drop it once more, `batchdrop rejects {old.job_id} -o FILE`"
    )


def _at_once(job: Job, does: str) -> str:
    return (
        f"job {job.job_id}: somebody else {does} at this very moment. See `batchdrop show {job.job_id}` in a while, "
        "and give the command again if that did not settle it"
    )


def _not_a_drop(old: Job) -> str:
    """Why the rejects file of a set is not dropped again: its records are not in files that the vendor knows."""
    why = f"job {old.job_id} went as a set, whose rejects file holds the records of all its files: it is no drop itself"
    if again(old) == "whole":
        return f"{why}. Mend them in your own files and drop the set again, or leave --only-rejected out"
    return f"{why}. Drop a set of the same form that holds only these records, each in a file of its own name"


def _nothing_in_it(old: Job, report: Mapping[str, Any]) -> str:
    """Why a rejects file has no record: dropped again it would make a job about nothing."""
    if gone := told_of(report):
        return f"there is nothing to drop again of job {old.job_id}. {gone}"
    if report["outcome"] != JobOutcome.FAILED or report["batches"]:
        return f"the rejects file of job {old.job_id} is empty: no record is named that was refused or never sent"
    return (
        "the file as a whole was refused, so its rejects file is empty: mend the file and drop it again, "
        "or `batchdrop rerun` without --only-rejected"
    )
