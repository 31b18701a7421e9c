"""What a JSON record must have, said as a type: the parser then checks whole blocks of lines at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Annotated, Any

import msgspec

from batchdrop.records.spec import InputSpec

Decoder = msgspec.json.Decoder[Any]
Path = tuple[str, ...]
_OF_NUMBERS = "0123456789+-.eE"


def source_path(name: str, rename: Mapping[str, str]) -> Path:
    """Where the field is in the file; `name` may be its new name."""
    source = next((old for old, new in rename.items() if new == name), name)
    return tuple(source.split("."))


def line_decoder(spec: InputSpec) -> Decoder | None:
    """Takes lines that are objects and have the fields they must have, and no others; None where no type says that."""
    if any(character in _OF_NUMBERS for character in spec.forbidden_in_id):
        return None
    allowed = f"^[^{re.escape(spec.forbidden_in_id)}]+$" if spec.forbidden_in_id else None
    filled = Annotated[str, msgspec.Meta(min_length=1)]
    id_ = Annotated[str, msgspec.Meta(min_length=1, pattern=allowed)] | int | float
    wanted: dict[Path, object] = {}
    for name in spec.required:
        wanted[source_path(name, spec.rename)] = filled | int | float | bool | list[Any] | dict[str, Any]
    for name in spec.id:
        wanted[source_path(name, spec.rename)] = id_
    return msgspec.json.Decoder(_shape(wanted.items()))


class IdReader:
    """Reads the ids of many lines at once."""

    def __init__(self, spec: InputSpec) -> None:
        paths = [source_path(name, spec.rename) for name in spec.id]
        self._texts = msgspec.json.Decoder(_shape((path, str) for path in paths))
        self._raws = msgspec.json.Decoder(_shape((path, msgspec.Raw) for path in paths))
        self._parts = [_reader(path, paths) for path in paths]
        self._joiner = spec.id_joiner

    def ids(self, lines: bytes) -> list[str] | None:
        """The id of each line; None where one has none."""
        try:
            return self._joined([map(part, self._texts.decode_lines(lines)) for part in self._parts])
        except (msgspec.ValidationError, UnicodeDecodeError):
            pass  # there may be numbers among them: their digits are kept as they are
        except (msgspec.DecodeError, RecursionError):
            return None
        try:
            shapes = self._raws.decode_lines(lines)
            return self._joined([[id_text(bytes(part(shape))) or "" for shape in shapes] for part in self._parts])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None

    def _joined(self, parts: Sequence[Iterable[str]]) -> list[str]:
        return list(parts[0]) if len(parts) == 1 else list(map(self._joiner.join, zip(*parts, strict=True)))


def id_text(value: bytes | None) -> str | None:
    """An id as text: a string's characters, a number's digits as they were written."""
    if not value or value[:1] not in b'"-0123456789':
        return None
    return msgspec.json.decode(value, type=str) if value[:1] == b'"' else value.decode()


def _reader(path: Path, paths: list[Path]) -> Callable[[object], Any]:
    names = []
    while path:
        firsts = list(dict.fromkeys(p[0] for p in paths))
        names.append(f"field{firsts.index(path[0])}")
        paths, path = [p[1:] for p in paths if p[0] == path[0]], path[1:]
    return attrgetter(".".join(names))


def _shape(wanted: Iterable[tuple[Path, object]]) -> type[msgspec.Struct]:
    """A struct that must have the fields at these paths; what else there is, it skips."""
    tree: dict[str, list[tuple[Path, object]]] = {}
    for path, kind in wanted:
        tree.setdefault(path[0], []).append((path[1:], kind))
    kinds = [below[0][1] if below[0][0] == () else _shape(below) for below in tree.values()]
    names = {f"field{i}": name for i, name in enumerate(tree)}
    return msgspec.defstruct("Shape", list(zip(names, kinds, strict=True)), rename=names, gc=False)
