"""The batches of a job against the clock, drawn as SVG: packaging, submission, waiting, callbacks, collection."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from batchdrop.job import NUMBERS
from batchdrop.report.markup import Html, el, join
from batchdrop.report.reading import Doc, integer, mappings, moment, text
from batchdrop.report.svg import area, legend, percent, text_at
from batchdrop.report.wording import clock, duration

MOST_ROWS = 200
_MOST_CALLBACKS = 100
_PHASES = (
    ("packaging", "packaging"),
    ("submission", "submission"),
    ("waiting", "waiting for the vendor"),
    ("collection", "collecting results"),
)
_TICKS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400)


class Span(Struct, frozen=True):
    phase: str
    start: datetime
    end: datetime


class Scale(Struct, frozen=True):
    """From a time to a place on the axis."""

    start: datetime
    seconds: float

    def at(self, moment_: datetime) -> float:
        return (moment_ - self.start).total_seconds() / self.seconds


class Line(Struct, frozen=True):
    name: str
    spans: list[Span]


def timeline(report: Doc) -> Html | None:
    """The drawing with its legend; None where the document has too few times to draw one."""
    lines = _lines(report)
    calls = _callbacks(report)
    times = [at for line in lines for span in line.spans for at in (span.start, span.end)]
    times += [at for name in ("started_at", "finished_at") if (at := moment(report, name))]
    if not any(line.spans for line in lines) or max(times) <= min(times):
        return None
    scale = Scale(min(times), (max(times) - min(times)).total_seconds())
    return _drawing(lines, [at for at in calls if 0 <= scale.at(at) <= 1], scale)


def _lines(report: Doc) -> list[Line]:
    """One line a batch; those beyond the limit are drawn as one."""
    batches = mappings(report, "batches")
    end, lines, before = moment(report, "finished_at"), [], [moment(report, "started_at")]
    for batch, last in zip(batches, [*batches[:1], *batches], strict=False):
        if integer(batch, "n") // NUMBERS != integer(last, "n") // NUMBERS:
            before = []  # another span: when its worker began is not told
        lines.append(Line(f"{integer(batch, 'n')}", _spans(batch, before, end)))
        before += [moment(batch, "packaged_at"), moment(batch, "submitted_at")]
        before = [max((at for at in before if at), default=None)]
    if len(lines) <= MOST_ROWS:
        return lines
    return [*lines[: MOST_ROWS - 1], _merged(lines[MOST_ROWS - 1 :])]


def _spans(batch: Doc, before: Sequence[datetime | None], end: datetime | None) -> list[Span]:
    """The phases of a batch. Packaging is taken to start where the batch before was done with, or at the start."""
    packaged, submitted = moment(batch, "packaged_at"), moment(batch, "submitted_at")
    done, collected = moment(batch, "done_at"), moment(batch, "collected_at")
    began = max((at for at in before if at and packaged and at <= packaged), default=None)
    pairs = ((began, packaged), (packaged, submitted), (submitted, done or end), (done, collected))
    return [
        Span(phase, start, stop)
        for (phase, _), (start, stop) in zip(_PHASES, pairs, strict=True)
        if start and stop and start <= stop
    ]


def _merged(lines: Sequence[Line]) -> Line:
    """Many lines as one: each phase from its first start to its last end."""
    spans = []
    for phase, _ in _PHASES:
        same = [span for line in lines for span in line.spans if span.phase == phase]
        if same:
            spans.append(Span(phase, min(s.start for s in same), max(s.end for s in same)))
    return Line("rest", spans)


def _callbacks(report: Doc) -> list[datetime]:
    """When the vendor called back: the events that say so."""
    events = [
        e
        for e in mappings(report, "timeline")
        if any(w in text(e, "event").lower() for w in ("callback", "notification"))
    ]
    return [at for event in events if (at := moment(event, "at"))][:_MOST_CALLBACKS]


def _drawing(lines: Sequence[Line], calls: Sequence[datetime], scale: Scale) -> Html:
    step = 24 if len(lines) <= 20 else 14 if len(lines) <= 60 else 8
    top = 22
    height = top + step * len(lines) + 24
    every = 1 if step > 8 else 10
    drawn = [
        *_axis(scale, height, top),
        *(
            _line(line, top + i * step, step, scale, i % every == 0 or line.name == "rest")
            for i, line in enumerate(lines)
        ),
        *(_callback(at, scale, top, height - 24) for at in calls),
    ]
    described = (
        f"Timeline of {len(lines):,} rows over {duration(scale.seconds)}; the table of batches has the same times."
    )
    svg = el("svg", *drawn, height=height, role="img", aria_label=described, class_="chart")
    seen = {span.phase for line in lines for span in line.spans} | ({"callback"} if calls else set())
    key = [(name, words) for name, words in (*_PHASES, ("callback", "callback from the vendor")) if name in seen]
    start = el("p", f"Time since {clock(scale.start)}; {duration(scale.seconds)} in all.", class_="dim")
    return join(start, el("div", svg, class_="gutter"), legend(key))


def _line(line: Line, y: float, step: int, scale: Scale, named: bool) -> Html:
    """One row. Waiting is drawn thinner, so that work stands out whatever its colour."""
    told = "; ".join(f"{span.phase} {duration((span.end - span.start).total_seconds())}" for span in line.spans)
    bars = [_bar(span, y, step, scale) for span in line.spans]
    mark = text_at("-8", y + step / 2 + 4, line.name, "end") if named else None
    return el("g", el("title", f"Batch {line.name}: {told}"), mark, *bars)


def _bar(span: Span, y: float, step: int, scale: Scale) -> Html:
    inset = step * (0.36 if span.phase == "waiting" else 0.15)
    left, right = scale.at(span.start), scale.at(span.end)
    return area(span.phase, percent(left), y + inset, percent(right - left), f"{step - 2 * inset:g}")


def _callback(at: datetime, scale: Scale, top: int, bottom: int) -> Html:
    x = percent(scale.at(at))
    line = el("line", x1=x, x2=x, y1=top - 6, y2=bottom, class_="callback", stroke_dasharray="2 4")
    return el(
        "g", el("title", f"callback at {clock(at)}"), line, el("circle", cx=x, cy=top - 9, r=5, class_="callback")
    )


def _axis(scale: Scale, height: int, top: int) -> list[Html]:
    """At most five marks at round distances, so that they fit a phone."""
    step = next((tick for tick in _TICKS if scale.seconds / tick <= 4), 86_400 * (1 + scale.seconds // 345_600))
    marks = [tick * step for tick in range(int(scale.seconds // step) + 1)] if scale.seconds >= 1 else [0]
    drawn = []
    for seconds in marks:
        x = percent(seconds / scale.seconds)
        drawn.append(el("line", x1=x, x2=x, y1=top - 4, y2=height - 22, class_="grid"))
        drawn.append(text_at(x, height - 6, duration(seconds) if seconds else "0"))
    return drawn
