"""The refusals of a batch by id, and its records joined to them, both in the kernel (`refusals.zig`, `join.zig`)."""

from __future__ import annotations

import ctypes
import os
import weakref
from array import array
from collections.abc import Iterable, Iterator, Sequence
from ctypes import POINTER, Structure, byref, c_bool, c_char_p, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p
from functools import cache
from itertools import islice
from typing import Any, NamedTuple

from msgspec import Struct

from batchdrop.records.kernel import MOST_PLACES, Text, c_array, library
from batchdrop.records.model import SourceRecord

MESSAGE = 500  # characters of a vendor's message kept per record
_AT_ONCE = 1000  # refusals handed to the kernel
_ENCODING = ("utf-8", "surrogatepass")  # half a character is no reason to lose a refusal
MOST_NAMES = 32  # of fields; the kernel's
Refused = tuple[str, str, str, bool]  # id, code, message, whether the record was there already


class Refusal(NamedTuple):
    code: str
    message: str
    already_present: bool


class _View(Structure):
    """A text of the kernel's."""

    _fields_ = (("ptr", c_void_p), ("len", c_size_t))

    def __str__(self) -> str:
        return ctypes.string_at(self.ptr or 0, self.len).decode(*_ENCODING) if self.len else ""


class _Told(Structure):
    _fields_ = (
        ("id", _View),
        ("code", _View),
        ("message", _View),
        ("verdict", c_uint32),
        ("is_there", c_bool),
        ("is_met", c_bool),
    )


class Hit(Structure):
    """A refused record whose row is not written. `written`, `rows`: how many bytes and rows were before it."""

    _fields_ = (
        ("number", c_size_t),
        ("start", c_size_t),
        ("end", c_size_t),
        ("line", c_size_t),
        ("written", c_size_t),
        ("rows", c_size_t),
        ("refusal", c_uint32),
        ("is_plain", c_bool),
    )


class _Join(Structure):
    _fields_ = (
        ("table", c_void_p),
        ("is_whole", c_bool),
        ("is_careful", c_bool),
        ("is_json", c_bool),
        ("writes", c_bool),
        ("delimiter", c_uint8),
        ("quote", c_uint8),
        ("outcome", Text),
        ("by_hand", c_size_t),
        ("size", c_size_t),
        ("line", c_size_t),
        ("hits", POINTER(Hit)),
        ("verdicts", POINTER(c_uint32)),
        ("codes", POINTER(c_uint32)),
        ("hit_count", c_size_t),
        ("row_count", c_size_t),
    )


class _Form(Structure):
    _fields_ = (
        ("ids", POINTER(Text)),
        ("id_count", c_size_t),
        ("id_joiner", Text),
        ("words", POINTER(Text)),
        ("code_count", c_size_t),
        ("message_count", c_size_t),
        ("no_code", Text),
        ("no_message", Text),
    )


class LineForm:
    """In which fields of a line an id and words about it stand, and what stands for words that are missing."""

    def __init__(
        self, ids: Sequence[str], joiner: str, codes: Sequence[str], messages: Sequence[str], otherwise: tuple[str, str]
    ) -> None:
        words = [Text.of(name.encode()) for name in (*codes, *messages)]
        self.form = _Form(
            ids=c_array(Text, [Text.of(name.encode()) for name in ids]),
            id_count=len(ids),
            id_joiner=Text.of(joiner.encode()),
            words=c_array(Text, words),
            code_count=len(codes),
            message_count=len(messages),
            no_code=Text.of(otherwise[0].encode()),
            no_message=Text.of(otherwise[1].encode()),
        )
        # A name with dots is also a way through objects; the kernel knows none.
        self.is_plain = bool(ids) and len(ids) <= MOST_NAMES and not any("." in name for name in ids)


class Verdicts:
    """What a vendor refused, by id; of several refusals of an id the first counts."""

    def __init__(self, refused: Iterable[Refused] = ()) -> None:
        self.table = _kernel().batchdrop_refusals_new(int.from_bytes(os.urandom(8), "little"))
        if not self.table:
            raise MemoryError
        weakref.finalize(self, _kernel().batchdrop_refusals_free, self.table)
        self._firsts, self._seen = array("I"), 0  # by verdict: the first refusal that has it, of those seen
        self.add(refused)

    def add(self, refused: Iterable[Refused]) -> None:
        left = iter(refused)
        while some := list(islice(left, _AT_ONCE)):
            texts = [text.encode(*_ENCODING) for each in some for text in each[:3]]
            lengths, there = array("I", map(len, texts)), bytes([each[3] for each in some])
            data, given = b"".join(texts), (c_uint32 * len(lengths)).from_buffer(lengths)
            if not _kernel().batchdrop_refusals_add(self.table, data, len(data), given, there, len(some)):
                raise MemoryError

    def read(self, form: LineForm, data: bytes, at: int) -> int:
        """Add the refusals of lines; where the first is that needs a closer look or is not all there."""
        found = int(_kernel().batchdrop_refusals_read(self.table, byref(form.form), data, len(data), at))
        if found > len(data):
            raise MemoryError
        return found

    def __len__(self) -> int:
        return int(_kernel().batchdrop_refusals_count(self.table))

    def has(self, id_: str | None) -> bool:
        return self._find(id_) is not None

    def of(self, id_: str | None) -> Refusal | None:
        """The refusal of exactly this id, of which a record was met herewith."""
        number = self._find(id_)
        if number is None:
            return None
        _kernel().batchdrop_refusals_meet(self.table, number)
        return self._told(number)[1]

    def is_open(self, id_: str) -> bool:
        """Whether no record of exactly this refused id was met."""
        number = self._find(id_)
        return number is not None and not self._told(number)[2]

    def ids(self) -> Iterator[str]:
        return (self._told(number)[0] for number in range(len(self)))

    def left(self) -> Iterator[tuple[str, Refusal]]:
        """The refusals of which no record was met."""
        number = -1
        while (number := _kernel().batchdrop_refusals_left(self.table, number + 1)) < len(self):
            yield self._told(number)[:2]

    def count_left(self) -> int:
        number, count = -1, 0
        while (number := _kernel().batchdrop_refusals_left(self.table, number + 1)) < len(self):
            count += 1
        return count

    def id(self, number: int) -> str:
        return self._told(number)[0]

    def first(self, number: int) -> tuple[str, Refusal]:
        """The first refusal that has the verdict of this number, with its id: they are numbered as they come."""
        told = _Told()
        at = byref(told)
        while len(self._firsts) <= number:
            _kernel().batchdrop_refusals_told(self.table, self._seen, at)
            if told.verdict == len(self._firsts):
                self._firsts.append(self._seen)
            self._seen += 1
        return self._told(self._firsts[number])[:2]

    def first_like(self, id_: str | None) -> str:
        """The id of the first refusal that has the same verdict as this one's; empty where there is none."""
        told, number = _Told(), self._find(id_)
        if number is None:
            return ""
        _kernel().batchdrop_refusals_told(self.table, number, byref(told))
        return self.first(told.verdict)[0]

    def code(self, number: int) -> str:
        code = _View()
        _kernel().batchdrop_refusals_code(self.table, number, byref(code))
        return str(code)

    def _find(self, id_: str | None) -> int | None:
        data = (id_ or "").encode(*_ENCODING)
        number = int(_kernel().batchdrop_refusals_find(self.table, data, len(data)))
        return number if number < len(self) else None

    def _told(self, number: int) -> tuple[str, Refusal, bool]:
        told = _Told()
        _kernel().batchdrop_refusals_told(self.table, number, byref(told))
        return str(told.id), Refusal(str(told.code), str(told.message), told.is_there), told.is_met


class RowForm(Struct, frozen=True):
    """How rows of the rejects file are written; no `delimiter`: as JSON."""

    delimiter: str = ""
    quote: str = '"'


class Wanted(Struct, frozen=True):
    """The records that are looked for: those refused, and the `invalid` ones.

    Where the first refusal befell the `whole` range, all are. With a `form`, rows of plain records are written, but for
    those of the first `by_hand`.
    """

    verdicts: Verdicts
    invalid: bool = True
    whole: bool = False
    outcome: str = "rejected"
    form: RowForm | None = None
    by_hand: int = 0

    def has(self, record: SourceRecord) -> bool:
        return self.whole or (self.invalid and record.problem is not None) or self.verdicts.has(record.id)


class Rows(Struct, frozen=True):
    """Rows of the rejects file, and the numbers of their verdicts and codes: of use until the next records."""

    told: Verdicts
    data: bytes
    verdicts: memoryview
    codes: memoryview


class Join:
    """What the kernel is told of the records wanted, and what it found in one run."""

    def __init__(self, wanted: Wanted, size: int) -> None:
        form = wanted.form or RowForm()
        self._wanted = wanted  # keeps the table
        self._hits, self._numbers = (Hit * MOST_PLACES)(), [(c_uint32 * MOST_PLACES)() for _ in range(2)]
        self.told = _Join(
            table=wanted.verdicts.table,
            is_whole=wanted.whole,
            is_careful=wanted.invalid,
            is_json=not form.delimiter,
            writes=wanted.form is not None,
            delimiter=ord(form.delimiter or "\0"),
            quote=ord(form.quote),
            outcome=Text.of(wanted.outcome.encode()),
            by_hand=wanted.by_hand,
            size=size,
            hits=self._hits,
            verdicts=self._numbers[0],
            codes=self._numbers[1],
        )

    def found(self, written: memoryview) -> Iterator[Rows | Hit]:
        """What the last run found, in the order of the records."""
        at = row = 0
        for hit in self._hits[: self.told.hit_count]:
            if hit.rows > row:
                yield self._rows(written[at : hit.written], row, hit.rows)
            at, row = hit.written, hit.rows
            yield hit
        if self.told.row_count > row:
            yield self._rows(written[at:], row, self.told.row_count)

    def _rows(self, data: memoryview, first: int, end: int) -> Rows:
        verdicts, codes = (memoryview(each).cast("B").cast("I")[first:end] for each in self._numbers)
        return Rows(self._wanted.verdicts, bytes(data), verdicts, codes)


@cache
def _kernel() -> Any:
    """The kernel's functions on refusals."""
    found, table, number, text = library(), c_void_p, c_uint32, POINTER(_View)
    for name, result, arguments in (
        ("new", table, [c_uint64]),
        ("free", None, [table]),
        ("add", c_bool, [table, c_char_p, c_size_t, POINTER(number), c_char_p, c_size_t]),
        ("read", c_size_t, [table, POINTER(_Form), c_char_p, c_size_t, c_size_t]),
        ("count", c_size_t, [table]),
        ("find", c_size_t, [table, c_char_p, c_size_t]),
        ("meet", None, [table, number]),
        ("left", c_size_t, [table, c_size_t]),
        ("told", None, [table, number, POINTER(_Told)]),
        ("code", None, [table, number, text]),
    ):
        function = getattr(found, f"batchdrop_refusals_{name}")
        function.restype, function.argtypes = result, arguments
    return found
