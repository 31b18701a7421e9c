"""How many records a drop holds of which nothing can be sent: its report must account for them all the same."""

from __future__ import annotations

from batchdrop.errors import DropRefused
from batchdrop.records.expand import detect, expand
from batchdrop.records.source import Source
from batchdrop.records.spec import InputSpec

_UNCOUNTABLE = ("empty", "content", "bomb")


def count_refused(source: Source, spec: InputSpec, refusal: DropRefused) -> int:
    """Lines that are not blank, less a CSV's header, as far as the file can be read.

    0 where lines are not records: a JSON array, or a file that is no text at all.
    """
    if refusal.reason in _UNCOUNTABLE:
        return 0
    lines, last, head = 0, b"", b""
    try:
        packed = detect(source, spec.compression)
        for block in expand(source, packed, encoding=spec.encoding):
            head = head or block[:64]
            *whole, last = (last + block).split(b"\n")
            lines += sum(1 for line in whole if line.strip(b" \t\r\0"))
    except DropRefused:
        pass  # truncated: what could be read counts
    lines += bool(last.strip(b" \t\r\0"))
    first = head.lstrip(b"\xef\xbb\xbf\xfe\xff\0 \t\r\n")[:1]
    if first == b"[":
        return 0
    header = first != b"{" and spec.header is None
    return max(0, lines - header)
