"""JSON records, from an array or from lines, on their way to JSON batches. Their bytes pass through as they are."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from msgspec.structs import replace

from batchdrop.records.codec import Entry, Form, too_big
from batchdrop.records.columns import OUR_COLUMNS, UNREAD, gave_way, replaced_before
from batchdrop.records.jsoncheck import record_problem
from batchdrop.records.kernel import JsonSpec, Kernel, Renamed, Text, Wanted, c_array
from batchdrop.records.model import REPLACED, Problem
from batchdrop.records.skippers import ElementSkipper, LineSkipper
from batchdrop.records.spec import MOST_DEPTH, InputSpec, OutputSpec

Fields = dict[str, msgspec.Raw]

_fields = msgspec.json.Decoder(Fields)
_encoder = msgspec.json.Encoder()
_SPACED = bytes.maketrans(b"\n", b" ")  # a line end outside a string is only space, and inside it is not allowed
_FILLED, _ID = range(2)  # what a wanted field must be, to the kernel
_MOST_WANTED, _MOST_PARTS = 16, 8  # the kernel's


class JsonCodec:
    """JSON objects, checked and otherwise left alone, top-level `rename` and `drop` aside."""

    head = b""

    def __init__(self, spec: InputSpec, output: OutputSpec, *, array: bool) -> None:
        self.spec = spec
        self._rewrites = bool(spec.rename or spec.drop)
        self._paths = [source_path(name, spec.rename) for name in spec.id]
        self._required = [(name, source_path(name, spec.rename)) for name in (*spec.id, *spec.required)]
        separator = b"," if output.format == "json_array" else b"\n"
        self.form = json_form(is_array=array, records=self._kernel_spec(separator, is_array=array))

    def _kernel_spec(self, separator: bytes, *, is_array: bool) -> JsonSpec:
        spec = self.spec
        wanted = [Wanted(_ID, Text.of(".".join(path).encode())) for path in self._paths]
        wanted += [Wanted(_FILLED, Text.of(".".join(path).encode())) for _, path in self._required[len(wanted) :]]
        plain = len(wanted) <= _MOST_WANTED and all(len(path) <= _MOST_PARTS for _, path in self._required)
        plain = plain and spec.forbidden_in_id.isascii() and len(set(spec.rename.values())) == len(spec.rename)
        renamed = [*((name, "") for name in spec.drop), *spec.rename.items()]
        return JsonSpec(
            is_array=is_array,
            separator=ord(separator),
            # Without depth, every record is looked at by itself.
            deepest=min(spec.max_depth, MOST_DEPTH) if plain else 0,
            wanted=c_array(Wanted, wanted if plain else []),
            wanted_count=len(wanted) if plain else 0,
            renamed=c_array(Renamed, [Renamed(_quoted(was), _quoted(now)) for was, now in renamed]),
            renamed_count=len(renamed),
            id_joiner=Text.of(spec.id_joiner.encode()),
            forbidden=Text.of(spec.forbidden_in_id.encode()),
            longest=spec.max_record_bytes,
        )

    def entry(self, record: bytes, offset: int) -> Entry:
        if len(record) > self.spec.max_record_bytes:
            return Entry(None, too_big(self.spec.max_record_bytes))
        encoded, problem = self._encode(record)
        if problem:
            problem = replace(problem, offset=offset)
        return Entry(encoded, problem, self._id_of(record))

    def _encode(self, raw: bytes) -> tuple[bytes | None, Problem | None]:
        if problem := _gave_way(raw) or record_problem(raw, self.spec.max_depth) or _not_mended(raw):
            return None, problem
        if problem := self._field_problem(raw):
            return None, problem
        if self._rewrites or is_rejected(raw):
            raw, clash = self._rewritten(raw)
            if clash:
                return None, clash
        return raw.translate(_SPACED), None

    def _field_problem(self, raw: bytes) -> Problem | None:
        if not self._required and not self.spec.forbidden_in_id:
            return None
        for name, path in self._required:
            value = _value_at(raw, path)
            if value is None or value in (b"null", b'""'):
                return Problem("required", "the field is missing or empty, but must not be", name, place=name)
        for name, path in zip(self.spec.id, self._paths, strict=True):
            text = id_text(_value_at(raw, path))
            if text is None:
                return Problem("wrong_type", "an id must be a text or a number", name, place=name)
            if any(character in text for character in self.spec.forbidden_in_id):
                message = f"the id must not hold {' '.join(self.spec.forbidden_in_id)}"
                return Problem("id_characters", message, name, place=name)
        return None

    def _rewritten(self, raw: bytes) -> tuple[bytes, Problem | None]:
        fields, ours = _fields.decode(raw), OUR_COLUMNS if is_rejected(raw) else ()
        fields = {k: v for k, v in fields.items() if k not in ours and k not in self.spec.drop}
        kept = {self.spec.rename.get(k, k): v for k, v in fields.items()}
        clash = Problem("duplicate_key", "a field gets the name of another by input.rename")
        return _encoder.encode(kept), clash if len(kept) < len(fields) else None

    def _id_of(self, raw: bytes) -> str | None:
        if not self._paths:
            return None
        parts = [id_text(_value_at(raw, path)) for path in self._paths]
        return self.spec.id_joiner.join(p for p in parts if p) if all(parts) else None


def is_rejected(raw: bytes) -> bool:
    """Whether it is a line of a rejects file of ours, by its first field of ours, which may be the last one left; other
    records may hold our words in other places."""
    return OUR_COLUMNS[0].encode() in raw and OUR_COLUMNS[0] in _fields.decode(raw)


def _gave_way(raw: bytes) -> Problem | None:
    """A line of a rejects file of before, of a record that gave way to a later one: whatever else is wrong with it, as
    long as it can be read at all, it is not to be mended."""
    if REPLACED.encode() not in raw or _value_at(raw, OUR_COLUMNS[:1]) is None:
        return None
    told = ((_value_at(raw, (name,)) or b"").decode(errors="replace").strip('"') for name in OUR_COLUMNS[1:3])
    return replaced_before() if gave_way(*told) else None


def _not_mended(raw: bytes) -> Problem | None:
    """A line of a rejects file, in which a record that could not be read still stands as a text."""
    if UNREAD.encode() in raw and is_rejected(raw) and UNREAD in _fields.decode(raw):
        return Problem("not_mended", f"put the mended record's own fields in the place of {UNREAD}", UNREAD)
    return None


def _value_at(raw: bytes, path: tuple[str, ...]) -> bytes | None:
    """The bytes of a field's value, by its whole name or by its parts; None where there is none."""
    try:
        fields = _fields.decode(raw)
        if ".".join(path) in fields:
            return bytes(fields[".".join(path)])
        for name in path[:-1]:
            fields = _fields.decode(fields[name])
        return bytes(fields[path[-1]])
    except (KeyError, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def json_form(*, is_array: bool, records: JsonSpec | None = None) -> Form:
    """How JSON stands in a stream; without `records`, they can only be counted."""
    if not is_array:
        return Form(Kernel(records or JsonSpec()), LineSkipper, b"\n")
    return Form(Kernel(records or JsonSpec(is_array=True)), ElementSkipper, b"," if records else b"", b" \t\r\n")


def source_path(name: str, rename: Mapping[str, str]) -> tuple[str, ...]:
    """Where the field is in the file; `name` may be its new name."""
    source = next((old for old, new in rename.items() if new == name), name)
    return tuple(source.split("."))


def id_text(value: bytes | None) -> str | None:
    """An id as text: a string's characters, a number's digits as they were written."""
    if not value or value[:1] not in b'"-0123456789':
        return None
    return msgspec.json.decode(value, type=str) if value[:1] == b'"' else value.decode()


def _quoted(name: str) -> Text:
    """As a key is written; nothing for no name."""
    return Text.of(_encoder.encode(name) if name else b"")
