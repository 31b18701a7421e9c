"""Text that a file, a user or a vendor chose cannot break out of its place on the page."""

from __future__ import annotations

import pytest

from batchdrop.report.html import render
from batchdrop.report.index import render_index
from batchdrop.report.links import link
from batchdrop.report.markup import el, visible
from tests.unit.report import samples
from tests.unit.report.parsed import Parsed


def test_markup_in_values_stays_text() -> None:
    honest, hostile = Parsed(render(samples.with_rejects())), Parsed(render(samples.hostile()))
    assert set(hostile.tags) <= set(honest.tags) | {"dd", "dt"}
    assert hostile.tags.count("h1") == hostile.tags.count("style") == 1
    assert "<script>document.title='RAN'</script>" in hostile.text


def test_no_character_reorders_hides_or_controls_what_stands_around_it() -> None:
    page = render(samples.hostile()).decode()
    for code in (0, 7, 0x1B, 0x7F, 0x85, 0x202E, 0x2066, 0x200F):
        assert chr(code) not in page
        assert f"⟨U+{code:04X}⟩" in page
    assert "⟨U+D800⟩" in page


def test_a_text_of_ten_thousand_characters_is_clipped_and_says_so() -> None:
    assert visible("X" * 10_000, 500) == "X" * 500 + "… (clipped: 10,000 characters)"
    assert len(render(samples.hostile())) < 100_000


def test_a_pile_of_combining_marks_is_cut_but_accents_stay() -> None:
    assert visible("e\u0301") == "e\u0301"
    assert len(visible("e" + "\u0301" * 400)) == 4


@pytest.mark.parametrize(
    "path",
    ["javascript:alert(1)", "//evil.example/x", "/etc/passwd", "../../secret", "a/../../b", "https://evil.example"],
)
def test_no_link_leads_out_of_the_folder_of_the_report(path: str) -> None:
    shown = link(path)
    assert 'href="./' in shown or "href" not in shown
    assert "/.." not in shown.partition("href")[2].partition(">")[0]


def test_attributes_are_escaped_too() -> None:
    assert el("p", title="\"><script>'") == '<p title="&quot;&gt;&lt;script&gt;&#x27;"></p>'


def test_the_index_is_as_careful() -> None:
    texts = samples.HOSTILE_TEXTS
    jobs = [{"job_id": t, "outcome": t, "drop": {"key": t}, "path": t, "started_at": t} for t in texts]
    page = Parsed(render_index(texts[1], jobs))
    assert page.tags.count("h1") == 1
    assert not {"script", "img"} & set(page.tags)
