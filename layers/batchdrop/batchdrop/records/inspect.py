"""One pass over a whole drop before anything of it is sent: is it usable, and where is what."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from itertools import chain

from batchdrop.errors import DropRefused
from batchdrop.records.duplicates import find_duplicates
from batchdrop.records.expand import BLOCK, Packed, detect, expand, guarded, limited
from batchdrop.records.inspection import Inspection
from batchdrop.records.scans import Found, scan_array, scan_csv, scan_lines
from batchdrop.records.sniff import BOM, sniff
from batchdrop.records.source import Source
from batchdrop.records.spec import InputSpec
from batchdrop.records.utf8 import Utf8Check

_SCANS: dict[str, Callable[[Iterator[bytes], InputSpec, int], Found]] = {
    "csv": scan_csv,
    "json": scan_array,
    "ndjson": scan_lines,
}


_HEAD = 4096


def _nothing() -> None:
    return


def inspect(source: Source, spec: InputSpec, *, check: Callable[[], None] = _nothing) -> Inspection:
    """Read the whole drop once. Raises `DropRefused` when nothing of it may be sent.

    `check` is called between blocks: it may raise when the caller's time is up.
    """
    with source.open(0, min(source.size, BLOCK)) as stream:
        head = stream.read(len(BOM) + 1)
    if not head:
        raise _empty()
    packed = detect(head, spec.compression)
    try:
        inspection = _inspect(source, spec, packed, check)
    except DropRefused as error:
        if error.line is not None or error.offset is None:
            raise
        line = _line_at(source, packed, spec.encoding, error.offset, check)
        raise DropRefused(error.reason, f"{error} (line {line})", line=line, offset=error.offset) from error
    return find_duplicates(source, spec, inspection, check) if spec.duplicates != "allow" else inspection


def _inspect(source: Source, spec: InputSpec, packed: Packed, check: Callable[[], None]) -> Inspection:
    digest = hashlib.sha256()
    blocks = _checked(expand(source, packed, 0, digest.update, spec.encoding), source, packed, spec, check)
    first = _first(blocks)
    sniffed = sniff(first, source.name, spec)
    text = _Text(chain([first], blocks), sniffed.body)
    found = _SCANS[sniffed.format](iter(text), spec, sniffed.body)
    if not found.records:
        raise _empty()
    if packed == "zip":
        _hash_stored(source, digest.update, check)
    return Inspection(
        sha256=digest.hexdigest(),
        format=sniffed.format,
        compression=packed,
        expanded_bytes=text.size,
        records=found.records,
        start=found.start,
        end=found.end,
        header=found.header,
        duplicates={},
        warnings=tuple(found.warnings),
    )


class _Text:
    """The file's text after its byte-order mark, checked to be UTF-8 on the way."""

    def __init__(self, blocks: Iterator[bytes], body: int) -> None:
        self._blocks, self._body = blocks, body
        self.size = 0

    def __iter__(self) -> Iterator[bytes]:
        utf8 = Utf8Check()
        for block in self._blocks:
            utf8.feed(block)
            yield block if self.size else block[self._body :]
            self.size += len(block)
        utf8.finish()


def _empty() -> DropRefused:
    return DropRefused("empty", "the file holds no record")


def _checked(
    blocks: Iterator[bytes], source: Source, packed: Packed, spec: InputSpec, check: Callable[[], None]
) -> Iterator[bytes]:
    if packed != "none":
        blocks = guarded(blocks, source.size, spec.max_expanded_bytes, spec.max_ratio)
    for block in blocks:
        check()
        yield block


def _first(blocks: Iterator[bytes]) -> bytes:
    """Enough of the text to tell what it is, however small the pieces a packed file begins with."""
    head = b""
    for block in blocks:
        head += block
        if len(head) >= _HEAD:
            break
    return head


def _line_at(source: Source, packed: Packed, encoding: str, offset: int, check: Callable[[], None]) -> int:
    """The line of a byte. Only asked for where a drop is refused, so that all others need not count lines."""
    line = 1
    try:
        for block in limited(expand(source, packed, encoding=encoding), offset):
            check()
            line += block.count(b"\n")
    except DropRefused:
        pass  # the file breaks off there
    return line


def _hash_stored(source: Source, update: Callable[[bytes], object], check: Callable[[], None]) -> None:
    with source.open() as stream:
        while block := stream.read(BLOCK):
            check()
            update(block)
