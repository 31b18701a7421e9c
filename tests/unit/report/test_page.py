"""The page says what report.json says, in words first, and needs nothing else."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Iterator
from hashlib import sha256

import pytest

from batchdrop.records.model import TOOK_ITS_PLACE
from batchdrop.report.html import render
from batchdrop.words import JobOutcome
from tests.unit.report import samples
from tests.unit.report.parsed import Parsed

Document = samples.Document
EVERY_KIND: list[Callable[[], Document]] = [
    samples.report,
    samples.with_rejects,
    samples.held,
    samples.handed_over,
    samples.refused,
    samples.hostile,
]


def look_up(document: object, path: str) -> object:
    for name in path.split("."):
        document = document[int(name)] if isinstance(document, list) else document[name]  # type: ignore[index]
    return document


def numbers_of(document: Document) -> Iterator[str]:
    """Where every number that the page owes its reader stands in the document."""
    for name in ("records", *samples.OUTCOMES):
        yield f"counts.{name}"
    yield from ("drop.size", "revision")
    for i, _ in enumerate(document["batches"]):  # type: ignore[arg-type]
        yield from (f"batches.{i}.{name}" for name in ("n", "records", "bytes", "attempts"))
        yield from (f"batches.{i}.counts.{name}" for name in samples.OUTCOMES)
    yield from (f"rejects.{i}.line" for i, _ in enumerate(document["rejects"]))  # type: ignore[arg-type]
    yield from (f"reject_reasons.{i}.count" for i, _ in enumerate(document["reject_reasons"]))  # type: ignore[arg-type]


@pytest.mark.parametrize("build", EVERY_KIND)
def test_every_number_equals_the_one_in_the_document(build: Callable[[], Document]) -> None:
    document = build()
    page = Parsed(render(document))
    assert set(numbers_of(document)) <= set(page.numbers)
    for path, shown in page.numbers.items():
        wanted = look_up(document, path)
        for value, text in shown:
            assert value == str(wanted), path
            if not path.endswith(("size", "bytes")):
                assert text == (f"{wanted}" if path.endswith((".n", ".line")) else f"{wanted:,}"), path


def test_numbers_of_batches_and_lines_are_written_as_a_search_would_have_them() -> None:
    reject = {"line": 25_424, "id": "7", "outcome": "invalid", "code": "bad", "message": "bad"}
    page = Parsed(render(samples.report(batches=[samples.batch(1_700_001)], rejects=[reject])))
    assert "1,700,001" not in page.text
    assert page.text.count("1700001") >= 3  # in the timeline and both tables
    assert page.numbers["rejects.0.line"] == [("25424", "25424")]


def test_the_number_of_batches_beyond_the_table_is_told_in_words() -> None:
    page = Parsed(render(samples.many_batches(640)))
    assert "And 440 more batches with 220,000 records: 440 succeeded." in page.text
    assert len([path for path in page.numbers if path.endswith(".n")]) == 200


@pytest.mark.parametrize("outcome", list(JobOutcome))
def test_every_outcome_is_told_in_words_before_anything_else(outcome: JobOutcome) -> None:
    page = Parsed(render(samples.report(outcome, counts=samples.counts(accepted=7, rejected=2))))
    before_the_rest = page.text.split("What to do next")[0]
    assert re.search(r"(7 of 9 records were accepted)", before_the_rest)
    assert {
        "completed": "Completed",
        "completed_with_rejects": "Completed with rejects",
        "handed_over": "Handed over",
        "failed": "Failed",
        "canceled": "Canceled",
        "timed_out": "Timed out",
        "held": "On hold",
    }[outcome] in before_the_rest


def test_a_batch_shows_what_the_vendor_said_and_that_it_was_sent_again() -> None:
    batch = samples.batch(1, "failed", rejected=3) | {"message": "Table <is> locked", "flagged": True}
    page = Parsed(render(samples.report("failed", batches=[batch])))
    assert "✕ failed Table <is> locked sent again: possible duplicate" in page.text


def test_a_handed_over_job_does_not_sound_like_a_failure() -> None:
    page = Parsed(render(samples.handed_over()))
    assert "2 of 2 records were handed over to haplo , which cannot say what becomes of them." in page.text
    assert "0 of 2" not in page.text


@pytest.mark.parametrize(
    "document", [{}, {"counts": None, "batches": "x", "drop": [], "started_at": 7, "rejects": [1]}]
)
def test_a_document_with_fields_missing_or_odd_still_gives_a_page(document: Document) -> None:
    assert b"Technical facts" in render(document)


@pytest.mark.parametrize("build", EVERY_KIND)
def test_the_page_needs_nothing_from_outside_and_may_run_nothing(build: Callable[[], Document]) -> None:
    page = Parsed(render(build()))
    assert not {"script", "img", "link", "iframe", "object", "embed", "form", "base"} & set(page.tags)
    for tag, attributes in page.attributes:
        assert "style" not in attributes, tag
        assert not [name for name in attributes if name.startswith("on")], tag
    assert all(link.startswith("./") and ".." not in link.split("/") for link in page.links)
    assert "url(" not in page.style
    assert "@import" not in page.style


def test_the_policy_lets_in_this_style_sheet_and_nothing_else() -> None:
    page = Parsed(render(samples.report()))
    policy = next(a["content"] for _, a in page.attributes if a.get("http-equiv") == "Content-Security-Policy")
    digest = b64encode(sha256(page.style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"


@pytest.mark.parametrize("build", EVERY_KIND)
def test_a_screen_reader_finds_landmarks_headings_and_named_tables(build: Callable[[], Document]) -> None:
    page = Parsed(render(build()))
    assert [page.tags.count(tag) for tag in ("header", "main", "footer", "h1")] == [1, 1, 1, 1]
    assert page.tags.count("table") == page.tags.count("caption")
    names = {a["id"] for _, a in page.attributes if "id" in a}
    for tag, attributes in page.attributes:
        if tag == "th":
            assert attributes["scope"] in ("row", "col")
        if tag == "section":
            assert attributes["aria-labelledby"] in names
        if attributes.get("role") == "img":
            assert attributes["aria-label"]


def test_the_bar_of_outcomes_has_its_numbers_as_text() -> None:
    page = Parsed(render(samples.with_rejects()))
    labels = [a["aria-label"] for _, a in page.attributes if a.get("role") == "img"]
    assert labels[0] == "Records: 9,950 accepted, 12 invalid, 25 rejected, 40 unprocessed, 0 unconfirmed"


def test_the_timeline_shows_phases_and_callbacks() -> None:
    page = Parsed(render(samples.with_rejects()))
    assert "Batch 1: packaging 11 s; submission 3 s; waiting 1 min 25 s; collection 4 s" in page.text
    assert "callback at 2026-03-02 09:31:15 UTC" in page.text


def test_in_the_timeline_no_span_begins_where_another_left_off() -> None:
    """Spans are submitted at the same time: when the worker of the second began is not known."""
    each = [samples.batch(100_001, begin=40.0), samples.batch(200_001, begin=30.0), samples.batch(200_002, begin=50.0)]
    page = Parsed(render(samples.report(batches=each, finished_at=samples.at(200))))
    assert "Batch 100001: packaging 40 s; submission 3 s" in page.text
    assert "Batch 200001: submission 3 s" in page.text
    assert "Batch 200002: packaging 17 s; submission 3 s" in page.text


def _contrast(one: str, other: str) -> float:
    def light(colour: str) -> float:
        full = "".join(c * 2 for c in colour) if len(colour) == 3 else colour
        parts = [int(full[i : i + 2], 16) / 255 for i in (0, 2, 4)]
        r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    high, low = sorted((light(one), light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", [0, 1])
def test_text_has_enough_contrast_in_light_and_in_dark(theme: int) -> None:
    sheet = Parsed(render(samples.report())).style
    palette = dict(re.findall(r"--([\w-]+):#([0-9a-f]+)", re.findall(r":root\{([^}]*)\}", sheet)[theme]))
    pairs = [(a, b) for a in ("ink", "dim", "link") for b in ("bg", "card")]
    pairs += [("ink", "soft"), ("good", "good-bg"), ("mixed", "mixed-bg"), ("bad", "bad-bg")]
    for text, ground in pairs:
        assert _contrast(palette[text], palette[ground]) >= 4.5, (text, ground)
    for shape in ("accepted", "rejected", "unprocessed", "unconfirmed", "phase"):
        assert _contrast(palette[shape], palette["card"]) >= 3, shape


def test_a_set_goes_by_the_name_of_its_folder() -> None:
    drop = {"key": "drops/shop/export-7/_READY"}
    assert "<title>Completed · export-7 · products</title>" in render(samples.report(drop=drop)).decode()


def test_a_rerun_names_the_job_it_repeats() -> None:
    assert "re-run of job the-first" in Parsed(render(samples.report(previous="the-first"))).text


def test_the_page_says_that_records_gave_way_and_are_not_in_the_rejects_file() -> None:
    gone = {"line": 3, "id": "7", "outcome": "invalid", "code": "replaced", "message": TOOK_ITS_PLACE, "count": 4}
    page = render(samples.report("completed_with_rejects", rejects=[gone], reject_reasons=[gone])).decode()
    assert "4 records gave way to later ones with the same id: they are not in the rejects file." in page
    assert "All of them" not in page
