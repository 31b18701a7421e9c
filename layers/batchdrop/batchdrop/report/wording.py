"""The words of the page: what an outcome is called, what it means, and how sizes and times are written."""

from __future__ import annotations

from datetime import datetime

from batchdrop.report.markup import Html, el, foreign, join, number
from batchdrop.report.reading import Doc, integer, mapping, moment, text

# outcome: (label, tone); the tone chooses icon and colour.
JOB_OUTCOMES = {
    "completed": ("Completed", "good"),
    "completed_with_rejects": ("Completed with rejects", "mixed"),
    "handed_over": ("Handed over", "good"),
    "failed": ("Failed", "bad"),
    "canceled": ("Canceled", "bad"),
    "timed_out": ("Timed out", "bad"),
    "held": ("On hold: a decision is needed", "bad"),
}
TONE_ICONS = {"good": "✓", "mixed": "!", "bad": "✕"}

RECORD_OUTCOMES = {
    "accepted": "the vendor took it",
    "invalid": "refused before sending, nothing of it was sent",
    "rejected": "sent, and refused by the vendor",
    "unprocessed": "never sent",
    "unconfirmed": "sent; what became of it is not known",
}


def label(outcome: str) -> str:
    """What a job outcome is called; an unknown word is shown as it is."""
    return JOB_OUTCOMES.get(outcome, (outcome or "Running", ""))[0]


def tone(outcome: str) -> str:
    return JOB_OUTCOMES.get(outcome, ("", "mixed"))[1]


def badge(outcome: str) -> Html:
    """The outcome with its icon: the word says it, the colour only repeats it."""
    icon = el("span", TONE_ICONS[tone(outcome)], aria_hidden="true", class_="icon")
    return el("span", icon, " ", foreign(label(outcome), 60), class_=f"badge {tone(outcome)}")


def drop_name(report: Doc) -> str:
    """The name of the dropped file; of a set that of its folder, as all their markers have one name."""
    key = text(mapping(report, "drop"), "key").removesuffix("/_READY")
    return key.rstrip("/").rsplit("/", 1)[-1]


def headline(report: Doc) -> Html:
    """What happened, in one sentence."""
    counts = mapping(report, "counts")
    vendor = foreign(text(report, "destination") or "the vendor", 60)
    records, accepted = integer(counts, "records"), integer(counts, "accepted")
    total = join(number(records, "counts.records"), " record" if records == 1 else " records")
    were = "was" if records == 1 else "were"
    score = join(number(accepted, "counts.accepted"), " of ", total, f" {were} accepted", _rest(counts))
    match text(report, "outcome"):
        case "completed" if records and accepted == records:
            return join("The " if records == 1 else "All ", total, f" {were} accepted by ", vendor, ".")
        case "handed_over" if not accepted:
            handed = join(number(integer(counts, "unconfirmed"), "counts.unconfirmed"), " of ", total)
            return join(handed, f" {were} handed over to ", vendor, ", which cannot say what becomes of them.")
        case "held":
            return join(
                "It is not known whether ",
                vendor,
                " received a submission; to repeat it could import it twice. ",
                score,
            )
        case "timed_out":
            return join(vendor, " did not finish in time. ", score)
        case "canceled":
            return join("The job was canceled. ", score)
        case "failed" if not records:
            return join("The job failed before any record could be read.")
        case "failed":
            return join("The job failed. ", score)
    return score


def _rest(counts: Doc) -> Html:
    """The other outcomes that have records: `; 12 invalid, 2 rejected.`"""
    others = [name for name in RECORD_OUTCOMES if name != "accepted" and integer(counts, name)]
    parts = [join(number(integer(counts, name), f"counts.{name}"), f" {name}") for name in others]
    listed = [child for part in parts for child in (", ", part)][1:]
    return join("; " if listed else "", *listed, ".")


def share(part: int, whole: int) -> str:
    """A part as a percentage; never rounded to 0 % or 100 % when it is neither."""
    if not whole or part in (0, whole):
        return "100 %" if whole and part else "0 %"
    percent = 100 * part / whole
    return "< 0.1 %" if percent < 0.1 else "> 99.9 %" if percent > 99.9 else f"{percent:.1f} %"


def size(count: int) -> str:
    """Bytes for people: `1.5 MB`, in powers of 1000."""
    amount, unit = float(count), "bytes"
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if amount < 1000 or unit == "TB":
            break
        amount /= 1000
    return f"{count:,} bytes" if unit == "bytes" else f"{amount:.1f} {unit}"


def duration(seconds: float) -> str:
    """A length of time in its two largest units: `2 h 5 min`."""
    if seconds < 10:
        return f"{max(seconds, 0):.1f}".removesuffix(".0") + " s"
    left, parts = round(seconds), []
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        if left >= length:
            parts.append(f"{left // length} {unit}")
            left %= length
    return " ".join(parts[:2])


def stamp(doc: Doc, name: str) -> Html:
    """A time of the document, in UTC; a dash where it is missing, and the text itself where it cannot be read."""
    at = moment(doc, name)
    if at is None:
        return foreign(text(doc, name), 60) if text(doc, name) else join("–")
    return el("time", clock(at), datetime=at.isoformat())


def clock(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
