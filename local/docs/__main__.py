"""`python -m local.docs [--check]`: write what is not as it should be, or only name it and exit with 1."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from local.docs import generated
from local.home import REPO


def main(arguments: Sequence[str]) -> int:
    """Name each stale file, and write it unless `--check` is given."""
    stale = {path: text for path, text in generated() if not path.exists() or path.read_text("utf-8") != text}
    for path, text in stale.items():
        sys.stdout.write(f"{path.relative_to(REPO)}\n")
        if "--check" not in arguments:
            path.write_text(text, "utf-8")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
