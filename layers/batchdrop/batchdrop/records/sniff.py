"""Deciding what a drop is: by its first bytes, then by its name."""

from __future__ import annotations

import codecs
from pathlib import PurePosixPath
from typing import Literal

from msgspec import Struct

from batchdrop.errors import DropRefused
from batchdrop.records.spec import InputSpec
from batchdrop.records.utf8 import BOM

Format = Literal["csv", "json", "ndjson"]
BLANK = b" \t\r\n"

_UTF16_32 = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_LINES = (".ndjson", ".jsonl")
_PACKING = {".gz", ".gzip", ".zip"}
_BY_NAME: dict[str, Format] = {".csv": "csv", ".tsv": "csv", ".json": "json", ".ndjson": "ndjson", ".jsonl": "ndjson"}
_OTHERS = {  # with as much behind their first letters as no header of a table has
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF87a": "a GIF image",
    b"GIF89a": "a GIF image",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a packed archive inside another",
    b"\x1f\x8b": "gzip inside gzip or ZIP",
    **{b"BZh%d1AY&SY" % level: "bzip2 data" for level in range(1, 10)},
    b"\xfd7zXZ": "xz data",
    b"\x28\xb5\x2f\xfd": "zstd data",
    b"7z\xbc\xaf": "a 7-Zip archive",
    b"PAR1\x15": "a Parquet file",
    b"PAR1\0": "a Parquet file",
    b"Obj\x01": "an Avro file",
    b"\xd0\xcf\x11\xe0": "an old Office document",
    b"SQLite format": "an SQLite database",
    b"\x7fELF": "a program",
}
_MARKUP = {b"<?xml": "XML", b"<!doctype": "a web page", b"<html": "a web page"}


class Sniffed(Struct, frozen=True):
    """`body` is where the text begins, after a byte-order mark."""

    format: Format
    body: int


def sniff(head: bytes, name: str, spec: InputSpec) -> Sniffed:
    """Decide from the first bytes of the expanded file. Raises `DropRefused` for what is no text of ours."""
    refuse_foreign(head)
    body = len(BOM) if head.startswith(BOM) else 0
    text, suffix = head[body:].lstrip(BLANK), _suffix(name)
    if not text:
        return Sniffed(_of_blank(len(head), suffix, spec), body)
    format_ = _by_content(text, suffix, spec)
    if suffix in _BY_NAME and spec.format == "auto" and (_BY_NAME[suffix] == "csv") != (format_ == "csv"):
        raise DropRefused("content", f"the name ends in {suffix}, but the content is not {_BY_NAME[suffix].upper()}")
    return Sniffed(format_, body)


def _of_blank(size: int, suffix: str, spec: InputSpec) -> Format:
    """What a file is of which so many bytes are blank, and no more is known."""
    format_ = _BY_NAME.get(suffix) if spec.format == "auto" else spec.format
    if format_ is None and size >= spec.max_record_bytes:
        many = f"more than {spec.max_record_bytes} blank bytes"
        raise DropRefused("format", f"the file begins with {many}: take them away, or set input.format", line=1)
    return format_ or "csv"


def refuse_foreign(head: bytes) -> None:
    """Refuse other encodings and other kinds of file by their first bytes."""
    for begun, kinds in ((head, _OTHERS), (head[:16].lower(), _MARKUP)):
        for magic, kind in kinds.items():
            if begun.startswith(magic):
                raise DropRefused("content", f"the file is {kind}, not CSV or JSON", line=1, offset=0)
    if head.startswith(_UTF16_32) or _looks_wide(head):
        raise DropRefused(
            "encoding",
            "the file is UTF-16 or UTF-32; save it as UTF-8, or name its encoding in input.encoding",
            line=1,
            offset=0,
        )


def _looks_wide(head: bytes) -> bool:
    """UTF-16 or UTF-32 without a mark: every other byte of its plain characters is NUL."""
    sample = head[:400]
    return len(sample) >= 4 and max(sample[0::2].count(0), sample[1::2].count(0)) * 10 >= len(sample) * 3


def encoding_of_wide(head: bytes) -> str:
    """Which UTF-16 it is, by its mark or by where its NULs are; nothing for other text, and for UTF-32, which has three
    of them a character."""
    sample = head[:400]
    if not (head.startswith(_UTF16_32) or _looks_wide(head)) or sample.count(0) * 5 > len(sample) * 3:
        return ""
    is_little = head.startswith(codecs.BOM_UTF16_LE) or sample[1::2].count(0) > sample[0::2].count(0)
    return "utf-16-le" if is_little else "utf-16-be"


def _suffix(name: str) -> str:
    suffixes = [s.lower() for s in PurePosixPath(name).suffixes]
    while suffixes and suffixes[-1] in _PACKING:
        suffixes.pop()
    return suffixes[-1] if suffixes else ""


def _by_content(text: bytes, suffix: str, spec: InputSpec) -> Format:
    first = text[:1]
    if spec.format == "csv":
        return "csv"
    if spec.format == "ndjson" and first == b"[":
        raise DropRefused("format", "the route says ndjson, but the file is a JSON array; set input.format: json")
    if spec.format == "json" and first == b"{" and not spec.json_key and suffix not in _LINES:
        raise DropRefused(
            "format", "the JSON is an object, not an array; name the array's key in input.json_key", line=1
        )
    if spec.format in ("json", "ndjson") and first not in (b"[", b"{"):
        raise DropRefused("format", f"the route says {spec.format}, but the file does not begin with [ or {{", line=1)
    if first == b"[" or (first == b"{" and spec.json_key and spec.format != "ndjson" and suffix not in _LINES):
        return "json"
    return "ndjson" if first == b"{" else "csv"
