"""The report as a page for people: one file that needs nothing else and shows only what report.json says."""

from __future__ import annotations

from collections.abc import Mapping

from batchdrop.report.advice import what_next
from batchdrop.report.links import link
from batchdrop.report.markup import Html, code_spans, el, foreign, join, number
from batchdrop.report.reading import Doc, integer, mapping, moment, text, texts
from batchdrop.report.style import page
from batchdrop.report.svg import patterns
from batchdrop.report.view_batches import batches, events
from batchdrop.report.view_records import reasons, records, rejects, unmatched
from batchdrop.report.wording import badge, drop_name, duration, headline, label, size, stamp

_MOST_WARNINGS = 100
_MOST_RESULTS = 100


def render(report: Mapping[str, object]) -> bytes:
    """The page of one report.json document, UTF-8. Raises nothing for a missing or odd field: it is left out.

    Text from files and vendors is escaped, clipped and isolated; each number carries, in `data-at`, its place in the
    document.
    """
    title = visible_title(report)
    sections = [
        _section("next", "What to do next", _advice(report)),
        _section("warnings", "Warnings", _warnings(report), "warn"),
        _section("records", "Records", records(report)),
        _section("reasons", "Why records were refused", reasons(report)),
        _section("rejects", "First refused records", rejects(report)),
        _section("unmatched", "Vendor errors without a record", unmatched(report)),
        _section("batches", "Batches", batches(report)),
        _section("facts", "Technical facts", join(_facts(report), _files(report), events(report))),
    ]
    return page(title, join(patterns(), _head(report)), sections, _foot())


def visible_title(report: Doc) -> str:
    return " · ".join(
        filter(None, (label(text(report, "outcome")), drop_name(report)[:100], text(report, "route")[:60]))
    )


def _head(report: Doc) -> Html:
    drop = mapping(report, "drop")
    key, route = foreign(text(drop, "key") or "unknown drop", 300), foreign(text(report, "route") or "unknown", 100)
    what = el("p", key, " on route ", route, class_="dim")
    reason = text(report, "reason")
    return join(
        badge(text(report, "outcome")), el("h1", headline(report)), el("p", foreign(reason)) if reason else None, what
    )


def _section(name: str, title: str, content: Html | None, kind: str | None = None) -> Html | None:
    if not content:
        return None
    return el("section", el("h2", title, id=name), content, aria_labelledby=name, class_=kind)


def _advice(report: Doc) -> Html:
    """The document's own advice, or else the same made anew."""
    steps = texts(report, "what_next") or what_next(report)
    return el("ul", *(el("li", code_spans(step)) for step in steps), class_="next")


def _warnings(report: Doc) -> Html | None:
    found = texts(report, "warnings")
    if not found:
        return None
    more = el("p", f"The first {_MOST_WARNINGS} of {len(found):,}.") if len(found) > _MOST_WARNINGS else None
    return join(el("ul", *(el("li", foreign(warning)) for warning in found[:_MOST_WARNINGS])), more)


def _facts(report: Doc) -> Html:
    drop = mapping(report, "drop")
    began, ended = moment(report, "started_at"), moment(report, "finished_at")
    size_ = integer(drop, "size")
    facts = [
        ("job", _code(text(report, "job_id"))),
        ("route", _code(text(report, "route"))),
        ("destination", _code(text(report, "destination"))),
        ("started", stamp(report, "started_at")),
        ("finished", stamp(report, "finished_at")),
        ("took", join(duration((ended - began).total_seconds())) if began and ended else None),
        ("object", _code(text(drop, "key"))),
        ("bucket", _code(text(drop, "bucket"))),
        ("version", _code(text(drop, "version_id"))),
        ("size", el("data", f"{size(size_)}", value=size_, data_at="drop.size")),
        ("sha256", _code(text(drop, "sha256"))),
        ("same bytes as job", _code(text(report, "duplicate_content_of"))),
        ("revision", number(integer(report, "revision"), "revision")),
        ("re-run of job", _code(text(report, "previous"))),
        ("schema", _code(text(report, "schema"))),
    ]
    return el("dl", *(join(el("dt", name), el("dd", value)) for name, value in facts if value))


def _code(value: str) -> Html | None:
    return el("code", foreign(value, 1_100)) if value else None


def _files(report: Doc) -> Html:
    """Links to what lies beside the page; they work where the whole folder is at hand."""
    found = texts(report, "results")
    names = ["report.json", *filter(None, [text(report, "rejects_file")]), *found[:_MOST_RESULTS]]
    more = el("li", f"and {len(found) - _MOST_RESULTS:,} more") if len(found) > _MOST_RESULTS else None
    return join(el("h3", "Files beside this page"), el("ul", *(el("li", link(name)) for name in names), more))


def _foot() -> Html:
    return el("p", "Batchdrop. Every number on this page stands in report.json; times are UTC.")
