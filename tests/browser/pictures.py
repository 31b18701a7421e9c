"""Takes the pictures of the report in docs/images: `python -m tests.browser.pictures`."""

from __future__ import annotations

import tempfile
from pathlib import Path

from batchdrop.report.html import render
from batchdrop.report.index import render_index
from tests.browser import chromium
from tests.unit.report import samples

_TARGET = Path(__file__).parents[2] / "docs" / "images"


def main() -> None:
    """Each picture shows another page, width and theme."""
    _TARGET.mkdir(parents=True, exist_ok=True)
    rejects = render(samples.with_rejects())
    _take("report-rejects-desktop-light.png", rejects, 1280)
    _take("report-rejects-phone-dark.png", rejects, 360)
    _take("report-held-phone-light.png", render(samples.held()), 360)
    _take("report-index-desktop-dark.png", render_index("products", samples.jobs()), 1280)


def _take(name: str, content: bytes, width: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        page, picture = Path(folder, "page.html"), Path(folder, name)
        page.write_bytes(content)
        chromium.screenshot(page, picture, width, 900, dark="dark" in name)
        (_TARGET / name).write_bytes(picture.read_bytes())
        print(f"{name}: {picture.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
