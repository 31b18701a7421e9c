"""ZIP archives of JSON members: written as a stream, the same bytes every time; checked before they are believed."""

from __future__ import annotations

import io
import re
import struct
import zipfile
from collections.abc import Iterable, Iterator
from typing import BinaryIO, cast

from msgspec import Struct
from zlib_ng import zlib_ng

from batchdrop.blocks import in_blocks
from batchdrop.errors import DropRefused
from batchdrop.records.expand import guarded
from batchdrop.records.zipentry import DAMAGE, check_entry, damaged, read_directory

# Three times the speed of zlib's 6 at a size 6 % above it. What leaves AWS costs a hundred times what packing it does,
# so the faster but 20 % bigger levels of other libraries do not pay.
_LEVEL = 5
_DATE = 0x21  # 1980-01-01, the earliest a ZIP can say
_FLAGS = 0x0808  # sizes follow the data; names are UTF-8
_VERSION = 45  # may use ZIP64
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_MAX32 = 0xFFFFFFFF
_SYMLINK = 0o120000
_CHUNK = 1 << 18


def zip_members(members: Iterable[tuple[str, Iterable[bytes]]]) -> Iterator[bytes]:
    """A ZIP of the members in the given order (sort it for the same bytes each time), piece by piece.

    Sizes follow the data of a member (it is a stream), and 64-bit fields are used only for what needs them, so that
    any reader can open the usual case.
    """
    written = 0
    directory: list[bytes] = []
    for name, chunks in members:
        entry = _Entry(name.encode(), written)
        for piece in entry.pieces(chunks):
            written += len(piece)
            yield piece
        directory.append(entry.central())
    yield from directory
    yield _end(len(directory), sum(map(len, directory)), written)


class _Entry:
    """One member being written."""

    def __init__(self, name: bytes, offset: int) -> None:
        self.name, self.offset = name, offset
        self.crc = self.size = self.packed = 0

    def pieces(self, chunks: Iterable[bytes]) -> Iterator[bytes]:
        yield self._local()
        packer = zlib_ng.compressobj(_LEVEL, zlib_ng.DEFLATED, -15, 9)
        for chunk in in_blocks(chunks, _CHUNK):  # what comes out of the packer depends on what goes in at once
            self.crc = zlib_ng.crc32(chunk, self.crc)
            self.size += len(chunk)
            if piece := packer.compress(chunk):
                self.packed += len(piece)
                yield piece
        piece = packer.flush()
        self.packed += len(piece)
        yield piece
        yield self._descriptor()

    def _local(self) -> bytes:
        return _LOCAL.pack(b"PK\x03\x04", 20, _FLAGS, 8, 0, _DATE, 0, 0, 0, len(self.name), 0) + self.name

    def _descriptor(self) -> bytes:
        # Readers take the sizes from the directory; streaming ones find 32 bits here unless the sizes need more.
        sizes = "<4sLQQ" if max(self.size, self.packed) > _MAX32 else "<4sLLL"
        return struct.pack(sizes, b"PK\x07\x08", self.crc, self.packed, self.size)

    def central(self) -> bytes:
        wide = [value for value in (self.size, self.packed, self.offset) if value > _MAX32]
        extra = struct.pack(f"<HH{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
        return (
            _CENTRAL.pack(
                b"PK\x01\x02",
                _VERSION if wide else 20,
                _VERSION if wide else 20,
                _FLAGS,
                8,
                0,
                _DATE,
                self.crc,
                min(self.packed, _MAX32),
                min(self.size, _MAX32),
                len(self.name),
                len(extra),
                0,
                0,
                0,
                0,
                min(self.offset, _MAX32),
            )
            + self.name
            + extra
        )


def _end(count: int, size: int, offset: int) -> bytes:
    wide = b""
    if count > 0xFFFF or size > _MAX32 or offset > _MAX32:
        wide = struct.pack("<4sQ2H2L4Q", b"PK\x06\x06", 44, _VERSION, _VERSION, 0, 0, count, count, size, offset)
        wide += struct.pack("<4sLQL", b"PK\x06\x07", 0, offset + size, 1)
    few = min(count, 0xFFFF)
    last = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, few, few, min(size, _MAX32), min(offset, _MAX32), 0)
    return wide + last


class ZipCaps(Struct, frozen=True):
    """What a ready-made archive may be."""

    max_members: int = 1000
    max_expanded_bytes: int = 20_000_000_000
    max_ratio: int = 200


def check_zip(
    fileobj: BinaryIO,
    allowed: str | re.Pattern[str] = r"[A-Za-z0-9][A-Za-z0-9._-]*\.json",
    caps: ZipCaps | None = None,
) -> list[str]:
    """The member names of a ready-made archive that is safe to hand on. `fileobj` must be seekable.

    Everything is inflated once, against hard limits: sizes in the directory are never trusted. Raises `DropRefused`
    (`zip`, `bomb`, `corrupt`) for names other than allowed, duplicates, links, encryption, overlapping entries.
    """
    caps = caps or ZipCaps()
    fileobj.seek(0, io.SEEK_END)
    stored = fileobj.tell()
    infos = read_directory(cast(io.IOBase, fileobj))
    if not infos:
        raise DropRefused("empty", "the ZIP holds no file")
    if len(infos) > caps.max_members:
        raise DropRefused("zip", f"the ZIP holds {len(infos)} files; at most {caps.max_members} are taken")
    pattern = re.compile(allowed)
    for info in infos:
        _check_member(info, pattern)
    names = [info.filename for info in infos]
    if len(set(names)) < len(names):
        raise DropRefused("zip", "the ZIP holds two files of the same name")
    _check_overlap(infos, stored)
    _check_contents(fileobj, infos, stored, caps)
    return names


def _check_member(info: zipfile.ZipInfo, allowed: re.Pattern[str]) -> None:
    # `orig_filename`: zipfile cuts a name at a NUL byte, other readers do not.
    if not allowed.fullmatch(info.orig_filename):
        raise DropRefused("zip", f"the ZIP holds a file with a name that is not allowed: {info.filename[:100]!r}")
    if (info.external_attr >> 16) & 0o170000 == _SYMLINK:
        raise DropRefused("zip", f"the ZIP holds a link: {info.filename[:100]!r}")
    check_entry(info)


def _check_overlap(infos: list[zipfile.ZipInfo], stored: int) -> None:
    ordered = sorted(infos, key=lambda info: info.header_offset)
    ends = [info.header_offset for info in ordered[1:]] + [stored]
    for info, end in zip(ordered, ends, strict=True):
        if info.header_offset + _LOCAL.size + len(info.filename) + info.compress_size > end:
            raise DropRefused("zip", "entries of the ZIP overlap")


def _check_contents(fileobj: BinaryIO, infos: list[zipfile.ZipInfo], stored: int, caps: ZipCaps) -> None:
    try:
        with zipfile.ZipFile(fileobj) as archive:
            for _ in guarded(_contents(archive, infos), stored, caps.max_expanded_bytes, caps.max_ratio):
                pass
    except DAMAGE as error:
        raise damaged() from error


def _contents(archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo]) -> Iterator[bytes]:
    for info in infos:
        with archive.open(info) as member:
            while chunk := member.read(_CHUNK):
                yield chunk
