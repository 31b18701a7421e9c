"""What is made from the code is fresh."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchdrop.fields import Field
from batchdrop.route import POLL
from local import docs
from local.docs import routes


@pytest.mark.parametrize("path", [path for path, _ in docs.generated()], ids=lambda path: str(path.name))
def test_a_page_has_what_the_code_says(path: Path) -> None:
    wanted = next(text for found, text in docs.generated() if found == path)
    assert path.read_text("utf-8") == wanted, "stale: run `make docs` and commit what it writes"


def test_an_option_that_is_added_appears_in_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(POLL, "jitter", Field("duration", "spread of the waits", "5s", minimum=60))
    assert "| `poll.jitter` | duration, at least 1m | `5s` | spread of the waits |" in routes.poll()
