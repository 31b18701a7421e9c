"""A real Chromium, driven by its command line alone: pictures and measurements of a page."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_QUIET = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--hide-scrollbars",
    "--force-device-scale-factor=1",
]
_TIMEOUT = 60

# The report may run no script, so a page around it asks the questions. Both are local files.
_FRAME = """<!doctype html><meta charset="utf-8">
<iframe width="WIDTH" height="2000"></iframe><pre id="answer"></pre>
<script>
const frame = document.querySelector("iframe");
frame.onload = () => {
  const page = frame.contentDocument, all = (selector) => [...page.querySelectorAll(selector)];
  const root = page.documentElement, width = root.clientWidth;
  const outside = (x) => x.getBoundingClientRect().right > width + 1 && !x.closest(".scroll, svg");
  document.getElementById("answer").textContent = JSON.stringify({
    title: page.title,
    width: width,
    contentWidth: root.scrollWidth,
    outside: all("main *, header *").filter(outside).map((x) => x.outerHTML.slice(0, 120)).slice(0, 5),
    tablesCut: all(".scroll").filter((x) => x.scrollWidth > x.clientWidth).length,
    radius: frame.contentWindow.getComputedStyle(page.querySelector("section")).borderTopLeftRadius,
    scripts: page.scripts.length,
    headings: all("h1").length,
    numbers: all("data").map((x) => [x.dataset.at, x.textContent]),
  });
};
frame.src = "PAGE";
</script>"""


def find() -> str | None:
    """The path of a Chromium, None where there is none."""
    return next((path for name in _NAMES if (path := shutil.which(name))), None)


def _run(folder: Path, *arguments: str) -> str:
    command = [find() or "chromium", *_QUIET, f"--user-data-dir={folder / 'profile'}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT, check=True).stdout


def screenshot(page: Path, picture: Path, width: int, height: int, *, dark: bool = False) -> None:
    """A picture of the top of the page in a window of this size."""
    theme = ["--blink-settings=preferredColorScheme=0"] if dark else []
    size = f"--window-size={width},{height}"
    _run(picture.parent, *theme, size, f"--screenshot={picture}", page.as_uri())


def measure(page: Path, width: int) -> dict[str, object]:
    """What the browser made of the page in a window of this width."""
    frame = page.with_suffix(f".{width}.frame.html")
    frame.write_text(_FRAME.replace("WIDTH", str(width)).replace("PAGE", page.name), encoding="utf-8")
    found = _run(page.parent, "--allow-file-access-from-files", "--window-size=1400,1000", "--dump-dom", frame.as_uri())
    text = re.search(r'<pre id="answer">(.*?)</pre>', found, re.DOTALL)
    assert text, "the page did not load"
    assert text[1], "the page could not be measured"
    answer: dict[str, object] = json.loads(html.unescape(text[1]))
    return answer
