"""The report in a real browser: nothing runs, nothing overflows, on a phone and on a desk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from batchdrop.report.html import render
from batchdrop.report.index import render_index
from tests.browser import chromium
from tests.unit.report import samples

pytestmark = pytest.mark.skipif(chromium.find() is None, reason="no Chromium here; `make test-browser` installs it")

PAGES: dict[str, Callable[[], bytes]] = {
    "rejects": lambda: render(samples.with_rejects()),
    "held": lambda: render(samples.held()),
    "hostile": lambda: render(samples.hostile()),
    "many": lambda: render(samples.many_batches(250)),
    "index": lambda: render_index("products", samples.jobs()),
}


@pytest.mark.parametrize("width", [360, 768, 1280])
@pytest.mark.parametrize("name", PAGES)
def test_the_page_fits_the_window_and_runs_nothing(tmp_path: Path, name: str, width: int) -> None:
    page = tmp_path / f"{name}.html"
    page.write_bytes(PAGES[name]())
    seen = chromium.measure(page, width)
    assert seen["outside"] == []
    assert seen["contentWidth"] == seen["width"] == width
    assert width == 768 or seen["tablesCut"] == 0
    assert seen["radius"] == "10px", "the style sheet was not let in"
    assert (seen["scripts"], seen["headings"]) == (0, 1)
    assert seen["title"] != "RAN"


def test_the_browser_shows_the_numbers_of_the_document(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_bytes(render(samples.with_rejects()))
    numbers = chromium.measure(page, 360)["numbers"]
    assert ["counts.accepted", "9,950"] in numbers  # type: ignore[operator]
    assert ["batches.5.counts.unprocessed", "40"] in numbers  # type: ignore[operator]


def test_a_script_that_got_in_all_the_same_would_be_refused(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_bytes(render(samples.report()).replace(b"</main>", b"</main><script>document.title='RAN'</script>"))
    assert chromium.measure(page, 360)["title"] != "RAN"


def test_light_and_dark_are_different_pictures(tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    page.write_bytes(render(samples.with_rejects()))
    pictures = [tmp_path / "light.png", tmp_path / "dark.png"]
    for picture in pictures:
        chromium.screenshot(page, picture, 360, 800, dark=picture.stem == "dark")
    assert pictures[0].read_bytes() != pictures[1].read_bytes()
    assert all(picture.read_bytes().startswith(b"\x89PNG") for picture in pictures)
