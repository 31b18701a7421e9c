"""Finding the one entry of a single-entry ZIP without trusting what its directory claims."""

from __future__ import annotations

import io
import struct
import zipfile
import zlib
from collections.abc import Callable

from msgspec import Struct

from batchdrop.errors import DropRefused
from batchdrop.records.source import Source

_LOCAL_HEADER = struct.Struct("<4s5H3L2H")
_MAX_DIRECTORY = 4_000_000
_WINDOW = 1 << 16
_ENCRYPTED = 0x1
# All that `zipfile` raises over bytes that are none of an archive; names that are no UTF-8 are a ValueError.
DAMAGE = (
    zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError, ValueError, struct.error
)  # fmt: skip


class ZipEntry(Struct, frozen=True):
    """Where the packed bytes of an entry lie, and what its directory record claims of them."""

    name: str
    data_start: int
    packed_size: int
    size: int
    crc: int
    stored: bool


def single_entry(source: Source) -> ZipEntry:
    """The only file in the archive, macOS's `__MACOSX/` companions and folders aside. Raises `DropRefused`."""
    infos = [i for i in read_directory(Ranged(source)) if not i.is_dir() and not i.filename.startswith("__MACOSX/")]
    if any(i.filename == "[Content_Types].xml" for i in infos):
        raise DropRefused("content", "this is an Office document, not a ZIP of one file; save the sheet as CSV")
    if len(infos) != 1:
        raise DropRefused("zip", f"the ZIP holds {len(infos)} files; a packed drop must hold exactly one")
    info = infos[0]
    if info.filename.lower().endswith((".zip", ".gz", ".gzip")):
        raise DropRefused("zip", "the ZIP holds another packed file; pack it once only")
    check_entry(info)
    start = data_start(source, info)
    if start + info.compress_size > source.size:
        raise DropRefused("truncated", "the ZIP entry is longer than the file; drop the whole file again")
    return ZipEntry(
        info.filename, start, info.compress_size, info.file_size, info.CRC, info.compress_type == zipfile.ZIP_STORED
    )


def read_directory(stream: io.IOBase) -> list[zipfile.ZipInfo]:
    """The archive's directory. Raises `DropRefused` when it cannot be read."""
    try:
        with zipfile.ZipFile(stream) as archive:
            infos = archive.infolist()
    except DAMAGE as error:
        raise damaged() from error
    if any(info.header_offset < 0 for info in infos):  # it lies before the file
        raise damaged()
    return infos


def damaged() -> DropRefused:
    return DropRefused("corrupt", "the ZIP archive is damaged or incomplete; pack the file again")


def check_entry(info: zipfile.ZipInfo) -> None:
    """Refuse what cannot be read safely: encrypted entries and unusual compression."""
    if info.flag_bits & _ENCRYPTED:
        raise DropRefused("zip", "the ZIP is encrypted; pack it without a password")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise DropRefused("zip", "the ZIP uses an unusual compression method; use deflate")


def data_start(source: Source, info: zipfile.ZipInfo) -> int:
    """Where the packed bytes of an entry begin, from its local header."""
    end = info.header_offset + _LOCAL_HEADER.size
    if end > source.size:
        raise damaged()
    with source.open(info.header_offset, end) as stream:
        head = stream.read(_LOCAL_HEADER.size)
    if len(head) < _LOCAL_HEADER.size or not head.startswith(b"PK\x03\x04"):
        raise DropRefused("corrupt", "the ZIP entry is not where its directory says; pack the file again")
    *_, name_length, extra_length = _LOCAL_HEADER.unpack(head)
    return end + int(name_length) + int(extra_length)


class Ranged(io.RawIOBase):
    """A seekable, buffered view of a source, for reading a ZIP's directory; refuses to read an unreasonably big one."""

    def __init__(self, source: Source) -> None:
        self._source, self._at, self._left = source, 0, _MAX_DIRECTORY
        self._window, self._window_start = b"", 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = 0) -> int:
        base: Callable[[], int] = {0: lambda: 0, 1: self.tell, 2: lambda: self._source.size}[whence]
        at = base() + offset
        if at < 0:
            raise OSError("seek before the start")
        self._at = at
        return at

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        view = memoryview(buffer)
        begin = self._at - self._window_start
        if not 0 <= begin < len(self._window):
            with self._source.open(self._at, min(self._at + _WINDOW, self._source.size)) as stream:
                self._window, self._window_start, begin = stream.read(_WINDOW), self._at, 0
        data = self._window[begin : begin + len(view)]
        view[: len(data)] = data
        self._at += len(data)
        self._left -= len(data)
        if self._left < 0:
            raise OSError("the directory is too big")
        return len(data)
