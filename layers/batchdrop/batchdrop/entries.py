"""What was found out about each file of a set, packed: hundreds of them are kept in the job's one ledger item."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any


def packed(entries: Sequence[Mapping[str, Any]]) -> str:
    """The entries as text of about a sixth of their length: most of them are much alike."""
    return base64.b64encode(zlib.compress(json.dumps(entries).encode(), 9)).decode()


def entries_of(inspection: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The entries of a set, by what is kept of the look into it; none of a single file."""
    kept = inspection.get("entries") or []
    # Jobs that were under way or on hold when the stack was updated have them as they are.
    return list(kept if isinstance(kept, list) else json.loads(zlib.decompress(base64.b64decode(kept))))


def records_of(inspection: Mapping[str, Any]) -> int:
    """How many records the look found, invalid ones included; 0 where nobody looked."""
    looked = entries_of(inspection) or [dict(inspection)]
    return sum(int(each.get("records", 0)) for each in looked)
