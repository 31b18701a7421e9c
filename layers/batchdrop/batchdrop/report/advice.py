"""What to do next, as plain sentences: for the report, the page and the command line alike."""

from __future__ import annotations

import shlex

from batchdrop.again import Again
from batchdrop.drop import READY
from batchdrop.report.gave_way import gave_way, told_of
from batchdrop.report.reading import Doc, integer, mapping, mappings, text
from batchdrop.report.unnamed import unnamed
from batchdrop.words import LATE

_REFUSED = ("invalid", "rejected")  # by us, by the vendor


def what_next(
    report: Doc, again: Again = "rejects", *, in_order: bool = False, newer: str = "", harmless: bool = False
) -> list[str]:
    """The sentences for this report, most urgent first; commands stand in `backticks`. Never empty.

    `in_order`: no version of the file is loaded after a newer one; `newer`: the job that has loaded such a one.
    `harmless`: the vendor imports nothing twice of what is in doubt, however often it is sent.
    """
    outcome = text(report, "outcome")
    steps = [
        *(_decide(report, in_order=in_order, newer=newer, harmless=harmless) if outcome == "held" else ()),
        *(_cause(report, again) if outcome in ("failed", "timed_out", "canceled") else ()),
        *_send_again(report, again),
        *_find_unnamed(report, again),
        *_ask_the_vendor(report),
    ]
    if not steps and outcome == "completed":
        odd = report.get("warnings")
        steps = ["Read the warnings: every record was accepted, but something was odd." if odd else "Nothing to do."]
    gone = gave_way(report)
    if gone and not steps and outcome == "completed_with_rejects":
        steps = ["Nothing to mend."]
    told = [f"{told_of(report)} There is nothing to be done about {_them(gone)}."] if gone else []
    return [*(steps or ["Read the reason and the warnings in this report."]), *told, *_twin(report)]


def _decide(report: Doc, *, in_order: bool, newer: str, harmless: bool) -> list[str]:
    """The three ways out of a hold, with what each of them risks."""
    held = [str(integer(batch, "n")) for batch in mappings(report, "batches") if _is_in_doubt(batch)]
    several = len(held) > 1
    resolve = f"batchdrop resolve {_word(report, 'job_id')}{' --batch N' if several else ''}"
    which = f" {'batches' if several else 'batch'} {_listed(held)}" if held else " the submission"
    return [
        f"Find out from the vendor whether it received{which}, then decide{' on each, one by one' if several else ''}:",
        f"It did: `{resolve} --adopt RECEIPT`, with the vendor's identifier. Nothing is sent again.",
        _if_it_did_not(report, f"`{resolve} --resubmit`", in_order=in_order, newer=newer, harmless=harmless),
        f"You give it up: `{resolve} --abandon`. What was sent stays unconfirmed.",
        *(("The job ends held again, with a report of what is left, until all are decided on.",) if several else ()),
    ]


def _if_it_did_not(report: Doc, resubmit: str, *, in_order: bool, newer: str, harmless: bool) -> str:
    """Sent again only where the command would: of loads in order never after a newer one."""
    failure = mapping(report, "failure")
    late = text(failure, "message") if text(failure, "reason") in ("superseded", "out_of_order") else ""
    if newer:
        late = f"a newer version of this file is loaded by job {newer}; to load this one after all, drop it again"
    if late:
        return f"It did not: it is not sent again, as {late}."
    if harmless:
        return f"It did not, or it cannot be found out: {resubmit}. What did arrive is refused, not imported twice."
    condition = ", as long as no newer version of this file is loaded" if in_order else ""
    return f"It did not: {resubmit}{condition}. If it did after all, the records are imported twice."


def _is_in_doubt(batch: Doc) -> bool:
    """As for `batchdrop resolve`; of a batch in submission the account tells whether it may have been sent."""
    state = text(batch, "state")
    may_be_sent = state == "submitting" and integer(mapping(batch, "counts"), "unconfirmed") > 0
    return state in ("held", "doubtful") or may_be_sent


def _cause(report: Doc, again: Again) -> list[str]:
    """Advice for a job that did not end well, by its outcome."""
    if text(report, "outcome") == "timed_out" and text(report, "reason") not in ("", LATE):
        return ["Remove the cause named above; if it goes by itself, a longer `deadline` in the route waits for that."]
    if text(report, "outcome") == "timed_out":
        return ["If the vendor usually needs this long, give the route a longer `deadline`."]
    if text(report, "outcome") == "canceled":
        return ["If you did not cancel it, find out who did, here or at the vendor."]
    thing = _thing(report)
    if not _came_to_nothing(report):
        return [] if again == "whole" else [f"Do not drop the whole {thing} again: part of it was sent already."]
    if _is_skipped(report):
        rerun = f"`batchdrop rerun {_word(report, 'job_id')}`"
        return [
            "Nothing, if it was meant to be sent once: by `on_duplicate_content: skip` it would be skipped again.",
            f"To send it all the same, set that to `process` in the route, then {rerun}.",
        ]
    if not _is_dropped_again(report, again):
        is_named = bool(mapping(report, "failure")) and again == "rejects"
        return ["Remove the cause named above: the vendor accepted none of it."] if is_named else []
    route, path = _word(report, "route"), "DIRECTORY" if thing == "set" else "FILE"
    return [
        f"Remove the cause named above, then drop the {thing} again: the vendor accepted none of it.",
        f"`batchdrop check {path} --route {route}` tries a {thing} without sending anything.",
    ]


def _send_again(report: Doc, again: Again) -> list[str]:
    """The one way to send what was not accepted: two of them, both followed, would import records twice.

    None while a job is held, as the report after the decision gives one; nor where the whole file is dropped again.
    """
    if _sends_no_part(report, again):
        return []
    again = "whole" if again == "part" and _has_nothing(report) else again
    refused = max(0, _refused(report) - gave_way(report) - unnamed(report, *_REFUSED))
    unprocessed = _count(report, "unprocessed") - unnamed(report, "unprocessed")
    if again != "rejects":
        return _set_again(report, again, refused, unprocessed)
    if refused:
        return _mend(report, refused, unprocessed)
    rerun = f"`batchdrop rerun {_word(report, 'job_id')} --only-rejected`"
    told = f"{_records(unprocessed)} {_were(unprocessed)} never sent. {rerun} sends only what was not accepted."
    return [told] if unprocessed else []


def _set_again(report: Doc, again: Again, refused: int, unprocessed: int) -> list[str]:
    """The same for a set, whose rejects file is for reading: no member of the set is named or formed like it."""
    show, count = f"`batchdrop rejects {_word(report, 'job_id')} -o -`", refused + unprocessed
    told = f"{show} shows the {_records(count)} that {_were(count)} not accepted, and why. It is no file to be dropped."
    mend = [f"Mend the {_records(refused)} refused in your own files."] if refused else []
    steps = [told, *mend] if count else []
    if again == "whole" and (count or unnamed(report, *_REFUSED, "unprocessed")):
        way = f"`batchdrop drop PATH --route {_word(report, 'route')}`"
        return [*steps, f"Drop the whole {_thing(report)} again: {way}."]
    part = "Drop a set of the same form that holds only these records: the others were sent already."
    return [*steps, part] if count else []


def _find_unnamed(report: Doc, again: Again) -> list[str]:
    """What to do about records that no file has, so that neither `rejects` nor `rerun` can: none is sent by a guess."""
    if _sends_no_part(report, again):
        return []
    refused, unsent = unnamed(report, *_REFUSED), unnamed(report, "unprocessed")
    ask = "Ask the vendor which, or compare your original with what it has."
    steps = [f"{_gone(refused, 'refused')} {ask}"] if refused else []
    if not unsent or (again != "rejects" and (again == "whole" or _has_nothing(report))):
        return steps
    return [*steps, f"{_gone(unsent, 'never sent')} {_from_the_original(report, unsent)}"]


def _gone(count: int, what: str) -> str:
    return f"{_records(count)} {_were(count)} {what} and {_are(count)} not in the rejects file."


def _from_the_original(report: Doc, unsent: int) -> str:
    """As a whole only where no other advice sends any of it."""
    if _has_nothing(report) and not _refused(report) and unsent == _count(report, "unprocessed"):
        way = f"`batchdrop drop FILE --route {_word(report, 'route')}`"
        return f"None of your original was accepted: it may be dropped again as a whole, {way}."
    return "Compare your original with what the vendor has, and drop only what is missing there."


def _has_nothing(report: Doc) -> bool:
    """Whether the vendor can have accepted no record."""
    return not (_count(report, "accepted") or _count(report, "unconfirmed"))


def _came_to_nothing(report: Doc) -> bool:
    """Whether the job failed before the vendor can have accepted any record."""
    return text(report, "outcome") == "failed" and _has_nothing(report)


def _thing(report: Doc) -> str:
    """What was dropped, in a word: a set is known by the marker that closes it."""
    return "set" if text(mapping(report, "drop"), "key").rpartition("/")[2] == READY else "file"


def _sends_no_part(report: Doc, again: Again) -> bool:
    """Whether single records are not to be sent now: all may be, after a decision or as a whole, or none."""
    return text(report, "outcome") == "held" or _is_skipped(report) or _is_dropped_again(report, again)


def _is_dropped_again(report: Doc, again: Again) -> bool:
    """Whether all of a file of which nothing was accepted is: one cause befell it as a whole, or no record of it can be
    had. Where single records were refused, or were only never sent, the rejects file has them."""
    if not _came_to_nothing(report):
        return False
    by_vendor = any(text(batch, "state") == "failed" for batch in mappings(report, "batches"))
    return by_vendor or not mappings(report, "rejects") or (again != "rejects" and not _refused(report))


def _is_skipped(report: Doc) -> bool:
    """Whether nothing was sent because the same bytes had been dropped before."""
    return text(report, "outcome") == "failed" and text(mapping(report, "failure"), "reason") == "duplicate_content"


def _mend(report: Doc, refused: int, unprocessed: int) -> list[str]:
    """How to correct the records that were refused, here or by the vendor; those never sent are in the same file."""
    suffix = ".ndjson" if text(report, "rejects_file").endswith(".ndjson") else ".csv"
    file = shlex.quote(f"mend-{text(report, 'job_id')[:8]}{suffix}")  # that of another job may be there still
    fetch = f"`batchdrop rejects {_word(report, 'job_id')} -o {file}`"
    drop = f"`batchdrop drop {file} --route {_word(report, 'route')}`"
    own = "The added batchdrop columns may stay in it; they are not sent."
    if not unprocessed:
        told = f"Mend the {_records(refused)} refused: {fetch} fetches {_them(refused)} with the reason beside each."
        return [told, f"Drop the mended file: {drop}.", own]
    told = f"{fetch} fetches all {_records(refused + unprocessed)} that were not accepted: {refused:,} refused, to be"
    told += f" mended, and {unprocessed:,} that {_were(unprocessed)} never sent."
    return [told, f"Drop that file once: {drop}. Do not also `rerun`: that would send them a second time.", own]


def _ask_the_vendor(report: Doc) -> list[str]:
    unconfirmed = _count(report, "unconfirmed")
    if not unconfirmed or text(report, "outcome") == "held":
        return []
    if text(report, "outcome") == "handed_over":
        return ["Look in the vendor's own console for what became of it; the receipts below name the batches there."]
    sent = f"{_records(unconfirmed)} {_were(unconfirmed)} sent, but what became of {_them(unconfirmed)} is not known"
    return [f"{sent}. Ask the vendor, with the receipts below, before you send {_them(unconfirmed)} again."]


def _twin(report: Doc) -> list[str]:
    twin = text(report, "duplicate_content_of")
    return (
        [f"Job `{twin}` had exactly the same bytes. If that was not meant, look at its report first."] if twin else []
    )


def _count(report: Doc, name: str) -> int:
    return integer(mapping(report, "counts"), name)


def _refused(report: Doc) -> int:
    return sum(_count(report, outcome) for outcome in _REFUSED)


def _records(count: int) -> str:
    return f"{count:,} record" if count == 1 else f"{count:,} records"


def _them(count: int) -> str:
    return "it" if count == 1 else "them"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _listed(words: list[str]) -> str:
    return ", ".join(words) if len(words) <= 10 else f"{', '.join(words[:10])} and {len(words) - 10:,} more"


def _word(report: Doc, name: str) -> str:
    """A value as one word of a shell command, whatever is in it."""
    return shlex.quote(text(report, name) or name.upper())
