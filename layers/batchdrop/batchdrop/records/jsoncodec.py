"""JSON records, from an array or from lines, on their way to JSON batches. Their bytes pass through as they are."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from batchdrop.records.blocks import Block, Cutting
from batchdrop.records.codec import Encoded, Entry, too_big
from batchdrop.records.columns import OUR_COLUMNS, UNREAD
from batchdrop.records.fieldtypes import Decoder, IdReader, id_text, line_decoder, source_path
from batchdrop.records.index import Index, array_index, line_index
from batchdrop.records.jsoncheck import record_problem
from batchdrop.records.jsonscan import ArrayCutter, elements
from batchdrop.records.jsonscan import Skipper as ElementSkipper
from batchdrop.records.model import Problem
from batchdrop.records.rows import no_garbage
from batchdrop.records.shapes import Prover
from batchdrop.records.spec import InputSpec

Fields = dict[str, msgspec.Raw]

_fields = msgspec.json.Decoder(Fields)
_raws = msgspec.json.Decoder(list[msgspec.Raw])
_encoder = msgspec.json.Encoder()
_SPACED = bytes.maketrans(b"\n", b" ")  # a line end outside a string is only space, and inside it is not allowed


class LineSkipper:
    def skip(self, data: bytes) -> int:
        """Where the line ends in this piece, -1 if not in it."""
        end = data.find(b"\n")
        return end + 1 if end >= 0 else -1


class LineCutting:
    """Where the records of NDJSON end: at line feeds, whatever else a text may call a line end."""

    raws = None

    def cut(self, data: bytes) -> int:
        return data.rfind(b"\n") + 1

    def skipper(self) -> LineSkipper:
        return LineSkipper()

    def complete(self, data: bytes) -> bytes:
        return data if data.endswith(b"\n") else data + b"\n"


class ArrayCutting:
    """Where the elements of a JSON array end."""

    def __init__(self) -> None:
        self._cutter = ArrayCutter()

    def cut(self, data: bytes) -> int:
        return self._cutter.cut(data)

    @property
    def raws(self) -> list[msgspec.Raw] | None:
        return self._cutter.raws

    def skipper(self) -> ElementSkipper:
        return ElementSkipper()

    def complete(self, data: bytes) -> bytes:
        return data + b"," if data.strip() else b""


class JsonCodec:
    """JSON objects, checked and otherwise left alone, top-level `rename` and `drop` aside."""

    head = b""

    def __init__(self, spec: InputSpec, *, array: bool) -> None:
        self.spec = spec
        self.cutting: Cutting = ArrayCutting() if array else LineCutting()
        self._array = array
        self._spans = _array_spans if array else _line_spans
        self._rewrites = bool(spec.rename or spec.drop)
        self._paths = [source_path(name, spec.rename) for name in spec.id]
        self._prover = Prover(lambda raw: record_problem(raw, spec.max_depth))
        self._lines = line_decoder(spec)
        self._targets = [f'"{name}"'.encode() for name in spec.rename.values()]
        self._ids = IdReader(spec)
        self._required = [(name, source_path(name, spec.rename)) for name in (*spec.id, *spec.required)]

    def whole(self, block: Block) -> Encoded | None:
        if block.oversize or len(block.data) > self.spec.max_record_bytes or not self._lines:
            return None
        try:
            body, records = (_array_body if self._array else _line_body)(block, self._lines)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        if not body or any(target in body for target in self._targets) or not self._prover.sound(body):
            return None
        return Encoded(self._renamed(body) if self._rewrites else body, records)

    def _renamed(self, body: bytes) -> bytes:
        with no_garbage():
            return _encoder.encode_lines([self._kept(fields) for fields in _fields.decode_lines(body)])

    def _kept(self, fields: Fields) -> Fields:
        return {self.spec.rename.get(k, k): v for k, v in fields.items() if k not in self.spec.drop}

    def entries(self, block: Block) -> Iterator[Entry]:
        cap = self.spec.max_record_bytes
        if block.oversize:
            yield Entry(0, 0, b"", None, too_big(cap))
            return
        line = at = 0
        for start, end in self._spans(block.data):
            line += block.data.count(b"\n", at, start)
            at = start
            raw = block.data[start:end]
            yield self.entry(raw, start, line, block)

    def index(self, block: Block) -> Index | None:
        if block.oversize or not self.spec.id or b'"batchdrop_line"' in block.data:
            return None
        if not self._array:
            return line_index(block.data, self._ids)
        try:
            raws = block.raws or _raws.decode(b"[%b]" % block.data.rstrip()[:-1])
        except (msgspec.MsgspecError, RecursionError):
            return None
        return array_index(block.data, raws, self._ids)

    def entry(self, record: bytes, start: int, line: int, block: Block) -> Entry:
        if len(record) > self.spec.max_record_bytes:
            return Entry(start, line, b"", None, too_big(self.spec.max_record_bytes))
        encoded, problem = self._encode(record)
        if problem:
            problem = Problem(problem.code, problem.message, problem.column, block.offset + start)
        return Entry(start, line, record, encoded, problem)

    def _encode(self, raw: bytes) -> tuple[bytes | None, Problem | None]:
        if problem := record_problem(raw, self.spec.max_depth) or self._field_problem(raw):
            return None, problem
        if self._rewrites or b'"batchdrop_line"' in raw:
            raw, clash = self._rewritten(raw)
            if clash:
                return None, clash
        return raw.translate(_SPACED) + b"\n", None

    def _field_problem(self, raw: bytes) -> Problem | None:
        if not self._required and not self.spec.forbidden_in_id:
            return None
        for name, path in self._required:
            value = _value_at(raw, path)
            if value is None or value in (b"null", b'""'):
                return Problem("required", "the field is missing or empty, but must not be", name)
        for name, path in zip(self.spec.id, self._paths, strict=True):
            text = id_text(_value_at(raw, path))
            if text is None:
                return Problem("wrong_type", "an id must be a text or a number", name)
            if any(character in text for character in self.spec.forbidden_in_id):
                return Problem("id_characters", f"the id must not hold {' '.join(self.spec.forbidden_in_id)}", name)
        return None

    def _rewritten(self, raw: bytes) -> tuple[bytes, Problem | None]:
        fields = _fields.decode(raw)
        ours = set(OUR_COLUMNS) if set(OUR_COLUMNS) <= fields.keys() else set()
        if ours and UNREAD in fields:
            return raw, Problem("not_mended", f"put the mended record's own fields in the place of {UNREAD}", UNREAD)
        fields = {k: v for k, v in fields.items() if k not in ours and k not in self.spec.drop}
        kept = self._kept(fields)
        clash = Problem("duplicate_key", "a field gets the name of another by input.rename")
        return _encoder.encode(kept), clash if len(kept) < len(fields) else None

    def id_of(self, raw: list[str] | bytes) -> str | None:
        if isinstance(raw, list) or not self._paths:
            return None
        parts = [id_text(_value_at(raw, path)) for path in self._paths]
        return self.spec.id_joiner.join(p for p in parts if p) if all(parts) else None


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


def _line_body(block: Block, lines: Decoder) -> tuple[bytes, int]:
    """The lines as they are; nothing where some of them are blank."""
    records = len(lines.decode_lines(block.data))
    ends = block.lines + (len(block.data) > block.size)
    return (block.data, records) if records == ends else (b"", 0)


def _array_body(block: Block, lines: Decoder) -> tuple[bytes, int]:
    """The elements as lines."""
    raws = block.raws or _raws.decode(b"[%b]" % block.data.rstrip()[:-1])
    body = b"\n".join([*raws, b""])
    if body.count(b"\n") != len(raws):
        raws = _raws.decode(b"[%b]" % block.data.translate(_SPACED).rstrip()[:-1])
        body = b"\n".join([*raws, b""])
    if lines.type.__struct_fields__:
        lines.decode_lines(body)
    return body, len(raws)


def _line_spans(data: bytes) -> Iterator[tuple[int, int]]:
    start = 0
    while (end := data.find(b"\n", start)) >= 0:
        if data[start:end].strip():
            yield start, end
        start = end + 1


def _array_spans(data: bytes) -> Iterator[tuple[int, int]]:
    for start, end, _ in elements(data):
        text = data[start:end].lstrip()
        yield end - len(text), end - len(text) + len(text.rstrip())
