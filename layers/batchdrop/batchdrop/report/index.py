"""The index page of a route: its jobs over time as a chart, and the latest as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from batchdrop.report.links import link
from batchdrop.report.markup import Html, el, foreign, join, number
from batchdrop.report.reading import Doc, integer, mapping, moment, text
from batchdrop.report.style import page
from batchdrop.report.svg import area, legend, patterns, percent, text_at
from batchdrop.report.table import Column, table
from batchdrop.report.wording import badge, drop_name, duration, stamp, tone

_LATEST = 100
_MOST_BARS = 45
_TONES = (
    ("good", "completed or handed over"),
    ("mixed", "completed with rejects"),
    ("bad", "failed, canceled, timed out or on hold"),
    ("open", "running"),
)


def render_index(route: str, jobs: Sequence[Mapping[str, object]]) -> bytes:
    """The page of a route, UTF-8.

    A job has the fields of its report.json (`job_id outcome counts drop started_at finished_at` are read) and may have
    `path`: where its report.html lies, relative to this page. Without an outcome it counts as running. Any order.
    """
    placed = sorted(enumerate(jobs), key=lambda pair: _when(pair[1]), reverse=True)
    title = f"Jobs of route {route[:100]}"
    header = join(patterns(), el("h1", "Jobs of route ", foreign(route, 100)), el("p", _summary(jobs)))
    chart = _chart(jobs)
    sections = [
        el("section", el("h2", "Over time", id="time"), chart, aria_labelledby="time") if chart else None,
        el("section", el("h2", "Latest jobs", id="latest"), _table(placed), aria_labelledby="latest"),
    ]
    return page(title, header, sections, el("p", "Batchdrop. Times are UTC."))


def _when(job: Doc) -> datetime:
    return moment(job, "started_at") or moment(job, "finished_at") or datetime.min.replace(tzinfo=UTC)


def _tone(job: Doc) -> str:
    return tone(text(job, "outcome")) if text(job, "outcome") else "open"


def _summary(jobs: Sequence[Doc]) -> str:
    tones = Counter(_tone(job) for job in jobs)
    told = "; ".join(f"{tones[name]:,} {words}" for name, words in _TONES if tones[name])
    return f"{len(jobs):,} {'job' if len(jobs) == 1 else 'jobs'}: {told}." if jobs else "No job yet."


def _table(placed: Sequence[tuple[int, Doc]]) -> Html:
    columns = (
        Column("drop"),
        Column("outcome", "s"),
        Column("records", "n"),
        Column("accepted", "n"),
        Column("started"),
        Column("took", "n"),
    )
    caption = f"The latest {_LATEST} of {len(placed):,}." if len(placed) > _LATEST else "The latest first."
    return table(caption, columns, [_job(index, job) for index, job in placed[:_LATEST]])


def _job(index: int, job: Doc) -> tuple[Html | str, ...]:
    counts, name = mapping(job, "counts"), drop_name(job) or text(job, "job_id")
    began, ended = moment(job, "started_at"), moment(job, "finished_at")
    shown = foreign(name, 120)
    return (
        link(text(job, "path"), shown) if text(job, "path") else shown,
        badge(text(job, "outcome")),
        number(integer(counts, "records"), f"{index}.counts.records"),
        number(integer(counts, "accepted"), f"{index}.counts.accepted"),
        stamp(job, "started_at"),
        duration((ended - began).total_seconds()) if began and ended else "",
    )


def _chart(jobs: Sequence[Doc]) -> Html | None:
    """Bars of jobs by day, or by as many days as keep the bars few; None where no job has a time."""
    days = [(at.date(), _tone(job)) for job in jobs if (at := moment(job, "started_at") or moment(job, "finished_at"))]
    if not days:
        return None
    first, last = min(day for day, _ in days), max(day for day, _ in days)
    width = next(w for w in (1, 7, 28, 91, 364, 10**6) if (last - first).days // w < _MOST_BARS)
    bars = Counter(((day - first).days // width, name) for day, name in days)
    count = max((last - first).days // width + 1, 7)
    unit = "day" if width == 1 else f"{width} days"
    return join(_bars(bars, count, first, width, unit), legend(_TONES), _numbers(bars, first, width))


def _bars(bars: Counter[tuple[int, str]], count: int, first: date, width: int, unit: str) -> Html:
    height, base = 170, 148
    most = max(sum(bars[i, name] for name, _ in _TONES) for i in range(count))
    drawn = [
        el("line", x1="0", x2="100%", y1=base, y2=base, class_="grid"),
        el("line", x1="0", x2="100%", y1=12, y2=12, class_="grid"),
    ]
    drawn += [text_at("-8", base + 4, "0", "end"), text_at("-8", 16, f"{most:,}", "end")]
    for i in range(count):
        drawn += _bar(bars, i, count, (base - 12) / most, base)
    for i in sorted({0, count // 2, count - 1}):
        drawn.append(text_at(percent((i + 0.5) / count), height - 4, f"{first + timedelta(i * width):%d %b %Y}"))
    told = f"Jobs per {unit} from {first} on, at most {most:,}; the table below has the numbers."
    caption = el("p", f"Jobs per {unit}.", class_="dim")
    return join(
        caption,
        el("div", el("svg", *drawn, height=height, role="img", aria_label=told, class_="chart"), class_="gutter"),
    )


def _bar(bars: Counter[tuple[int, str]], i: int, count: int, unit: float, base: float) -> list[Html]:
    drawn, y = [], base
    for name, words in _TONES:
        if tall := bars[i, name] * unit:
            y -= tall
            drawn.append(
                area(
                    name,
                    percent((i + 0.12) / count),
                    round(y, 1),
                    percent(0.76 / count),
                    f"{tall:.1f}",
                    f"{bars[i, name]:,} {words}",
                )
            )
    return drawn


def _numbers(bars: Counter[tuple[int, str]], first: date, width: int) -> Html:
    columns = (Column("from"), *(Column(words, "n") for _, words in _TONES))
    rows = [
        (f"{first + timedelta(i * width)}", *(f"{bars[i, name]:,}" for name, _ in _TONES))
        for i in sorted({i for i, _ in bars}, reverse=True)
    ]
    return el("details", el("summary", "The same in numbers"), table("Jobs by outcome.", columns, rows))
