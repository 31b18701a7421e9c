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
    _TARGET.mkdir(parents=True, exist_ok=True)
    pages = {
        "rejects": render(samples.with_rejects()),
        "held": render(samples.held()),
        "index": render_index("products", samples.jobs()),
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, content in pages.items():
            page = Path(folder) / f"{name}.html"
            page.write_bytes(content)
            for theme in ("light", "dark"):
                _take(page, f"report-{name}-1280-{theme}.png", 1280, 1000)
                _take(page, f"report-{name}-360-{theme}.png", 360, 1000)


def _take(page: Path, name: str, width: int, height: int) -> None:
    picture = page.parent / name
    chromium.screenshot(page, picture, width, height, dark="dark" in name)
    (_TARGET / name).write_bytes(picture.read_bytes())
    print(f"{name}: {picture.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
