"""What a JSON record must have, said as a type: the parser then checks whole blocks of lines at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
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


def id_decoder(spec: InputSpec) -> tuple[Decoder, list[Callable[[object], msgspec.Raw]]]:
    """A decoder of lines, and what reads the parts of the id, as raw bytes, from what it makes of a line."""
    paths = [source_path(name, spec.rename) for name in spec.id]
    return msgspec.json.Decoder(_shape((path, msgspec.Raw) for path in paths)), [_reader(path, paths) for path in paths]


def _reader(path: Path, paths: list[Path]) -> Callable[[object], msgspec.Raw]:
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
