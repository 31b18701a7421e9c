"""The bytes of a drop as they were before compression: plain, gzip (all members) or a single-entry ZIP."""

from __future__ import annotations

import codecs
import zlib
from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, BinaryIO, Literal, cast

from isal import igzip_lib

from batchdrop.errors import DropRefused
from batchdrop.records.columns import OUR_COLUMNS
from batchdrop.records.source import Source
from batchdrop.records.spec import InputSpec
from batchdrop.records.utf8 import BOM

if TYPE_CHECKING:
    from batchdrop.records.zipentry import ZipEntry

Packed = Literal["none", "gzip", "zip"]
Tap = Callable[[bytes], object]

BLOCK = 1 << 18
GZIP_MAGIC = b"\x1f\x8b"
ZIP_MAGIC = (b"PK\x03\x04", b"PK\x05\x06")  # the second begins an archive without entries
_CHECKSUM, _EXTRA, _NAME, _COMMENT = 2, 4, 8, 16  # flags of a gzip member's header
_MOST_HEADER = 1 << 20  # bytes: it holds a file's name, and no file
_Damaged = cast("type[Exception]", igzip_lib.error)
_FREE_EXPANSION = 1_000_000  # the ratio is judged above this many expanded bytes


def detect(source: Source, spec: InputSpec) -> Packed:
    """What the first bytes say; `DropRefused` where the route says otherwise. The name decides nothing.

    A rejects file of ours is never packed: it is taken as it is, by the columns of ours in its first record or header.
    """
    head = _head(source, len(ZIP_MAGIC[0]))
    found: Packed = "gzip" if head.startswith(GZIP_MAGIC) else "zip" if head.startswith(ZIP_MAGIC) else "none"
    wanted = spec.compression
    if wanted in ("auto", found) or (found == "none" and _is_ours(_first_line(source, spec), spec.encoding)):
        return found
    raise DropRefused("compression", f"the route says compression: {wanted}, but the file is {_called(found)}")


def _head(source: Source, size: int) -> bytes:
    with source.open(0, min(source.size, size)) as stream:
        return stream.read(size)


def _first_line(source: Source, spec: InputSpec) -> bytes:
    """With what follows in the same block."""
    line = bytearray()
    with source.open(0, min(source.size, spec.max_record_bytes + BLOCK)) as stream:
        for block in _read(stream, None):
            line += block
            if b"\n" in block:
                break
    return bytes(line)


def _is_ours(head: bytes, encoding: str) -> bool:
    """Whether it is one, as we wrote it or as it was saved again in the route's encoding."""
    texts = [head.decode(name, "ignore") for name in ("utf-8", encoding)]
    return any(name in text for name in OUR_COLUMNS for text in texts)


def _called(packed: Packed) -> str:
    return {"none": "not compressed", "gzip": "gzip", "zip": "a ZIP archive"}[packed]


def opens_anywhere(packed: Packed, encoding: str) -> bool:
    """Whether such a file can be read from the middle."""
    return packed == "none" and encoding == "utf-8"


def expand(
    source: Source, packed: Packed, start: int = 0, tap: Tap | None = None, encoding: str = "utf-8"
) -> Iterator[bytes]:
    """The expanded bytes, as UTF-8, from `start` on, in blocks. A plain file is opened there; one that is packed or
    in another encoding is read anew. A file that begins with the mark of UTF-8 is in no other encoding.

    `tap` sees the stored bytes of a plain or gzip file as they are read (for a ZIP, hash the file separately).
    Raises `DropRefused` (`truncated`, `corrupt`) where the packed data is broken.
    """
    if opens_anywhere(packed, encoding):
        return _plain(source, start, tap)
    blocks = (
        _zipped(source) if packed == "zip" else (_gzip(source, tap) if packed == "gzip" else _plain(source, 0, tap))
    )
    if encoding != "utf-8":
        blocks = _converted(blocks, encoding)
    return skip(blocks, start) if start else blocks


def _converted(blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """The text in UTF-8. Raises `DropRefused("encoding")` for bytes that stand for no character."""
    head = b""
    while len(head) < len(BOM) and (block := next(blocks, b"")):
        head += block
    blocks = chain((head,), blocks)
    return blocks if head.startswith(BOM) else _decoded(blocks, encoding)


def _decoded(blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)("strict")
    done = 0
    for block in chain(blocks, (b"",)):
        held = len(decoder.getstate()[0])
        try:
            text, fault = decoder.decode(block, final=not block), None
        except UnicodeError as error:  # one that tells no place is about the first bytes
            text, fault = decoder.decode(block[: max(0, getattr(error, "start", 0) - held)]), error
        done += len(data := text.encode())
        if data:
            yield data
        if fault:
            raise DropRefused("encoding", _not_it(encoding), offset=done) from fault


def _not_it(encoding: str) -> str:
    return f"the file is not {encoding} throughout; save it so, or name the encoding it has in input.encoding"


def limited(blocks: Iterator[bytes], length: int | None) -> Iterator[bytes]:
    """The first `length` bytes."""
    if length is None:
        yield from blocks
        return
    for block in blocks:
        if length <= len(block):
            yield block[:length]
            return
        length -= len(block)
        yield block


def guarded(blocks: Iterator[bytes], stored_size: int, max_bytes: int, max_ratio: int) -> Iterator[bytes]:
    """The same blocks, until they expand beyond what is allowed: `DropRefused("bomb", …)`."""
    total = 0
    allowed = max(_FREE_EXPANSION, stored_size * max_ratio)
    for block in blocks:
        total += len(block)
        if total > max_bytes or total > allowed:
            limit, option = f"{max_ratio} times its stored size", "input.max_ratio"
            if total > max_bytes:
                limit, option = f"{max_bytes} bytes", "input.max_expanded_bytes"
            raise DropRefused("bomb", f"the file expands beyond {limit}; raise {option} in the route if it is right")
        yield block


def _plain(source: Source, start: int, tap: Tap | None) -> Iterator[bytes]:
    with source.open(start) as stream:
        yield from _read(stream, tap)


def _read(stream: BinaryIO, tap: Tap | None) -> Iterator[bytes]:
    while block := stream.read(BLOCK):
        if tap:
            tap(block)
        yield block


def skip(blocks: Iterator[bytes], count: int) -> Iterator[bytes]:
    """All but the first `count` bytes."""
    for block in blocks:
        if count >= len(block):
            count -= len(block)
        else:
            yield block[count:]
            count = 0


def _gzip(source: Source, tap: Tap | None) -> Iterator[bytes]:
    """All members as one stream. Zero bytes after a member are padding, as for gzip(1); anything else is refused."""
    member: igzip_lib.IgzipDecompressor | None = None
    between = b""  # bytes after a member: not yet the next one's whole header
    expanded = 0
    with source.open() as stream:
        for stored in _read(stream, tap):
            data = between + stored
            between = b""
            while data:
                if member is None:
                    data = data.lstrip(b"\0")
                    member = _next_member(data, expanded)
                    if member is None:
                        between = data
                        break
                for block in _inflate(member, data, expanded):
                    expanded += len(block)
                    yield block
                data = b""
                if member.eof:
                    data, member = member.unused_data, None
    if member or between:
        raise DropRefused("truncated", "the gzip data ends in the middle; drop the whole file again", offset=expanded)


def _next_member(data: bytes, expanded: int) -> igzip_lib.IgzipDecompressor | None:
    """None where more has to be read: the library takes a header that comes in pieces for damaged."""
    is_whole = _has_header(data)
    if not GZIP_MAGIC.startswith(data[:2]) or (len(data) > _MOST_HEADER and not is_whole):
        raise DropRefused("corrupt", "something else follows the gzip data; pack the file again", offset=expanded)
    return igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_GZIP) if is_whole else None


def _has_header(data: bytes) -> bool:
    """Whether a member's header is all there (RFC 1952): ten bytes, and what their flags say follows."""
    if len(data) < 10:
        return False
    flags, at = data[3], 10
    if flags & _EXTRA:
        at += 2 + int.from_bytes(data[at : at + 2], "little")
    for text in (_NAME, _COMMENT):
        if flags & text:
            at = data.find(b"\0", at) + 1
            if not at:
                return False
    return len(data) >= at + 2 * bool(flags & _CHECKSUM)


def _inflate(member: igzip_lib.IgzipDecompressor, data: bytes, expanded: int) -> Iterator[bytes]:
    try:
        while not member.eof:
            block = member.decompress(data, BLOCK)
            data = b""
            if block:
                expanded += len(block)
                yield block
            if member.needs_input and not block:
                return
    except _Damaged as error:
        raise DropRefused("corrupt", "the gzip data is damaged; pack the file again", offset=expanded) from error


def _zipped(source: Source) -> Iterator[bytes]:
    from batchdrop.records.zipentry import single_entry  # few drops are ZIP archives, and each cold start would pay

    return _zip(source, single_entry(source))


def _zip(source: Source, entry: ZipEntry) -> Iterator[bytes]:
    """The one entry, checked against its own size and CRC: what the directory claims is never trusted."""
    crc = size = 0
    with source.open(entry.data_start, entry.data_start + entry.packed_size) as stream:
        blocks = _read(stream, None) if entry.stored else _inflate_raw(stream)
        for block in blocks:
            crc = zlib.crc32(block, crc)
            size += len(block)
            yield block
    if size != entry.size or crc != entry.crc:
        raise DropRefused("corrupt", "the ZIP entry does not match its size and checksum; pack the file again")


def _inflate_raw(stream: BinaryIO) -> Iterator[bytes]:
    inflater = igzip_lib.IgzipDecompressor(igzip_lib.DECOMP_DEFLATE)
    expanded = 0
    for stored in _read(stream, None):
        for block in _inflate(inflater, stored, expanded):
            expanded += len(block)
            yield block
    if not inflater.eof:
        raise DropRefused("truncated", "the ZIP entry ends in the middle; drop the whole file again", offset=expanded)
