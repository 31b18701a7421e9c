"""What becomes of the columns of a CSV file: their names, types and places in the JSON record."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from batchdrop.errors import DropRefused
from batchdrop.records import cells
from batchdrop.records.model import REPLACED, Problem
from batchdrop.records.spec import InputSpec
from batchdrop.words import RecordOutcome

OUR_COLUMNS = ("batchdrop_line", "batchdrop_outcome", "batchdrop_code", "batchdrop_message")
UNREAD = "batchdrop_raw"  # in a rejects file, the text of a JSON record that could not be read
_GLUED = re.compile(r"[;\t|,]({0})\b|\b({0})[;\t|,]".format("|".join(OUR_COLUMNS)))
Row = Sequence[str]
Record = dict[str, object]


class Column(Struct, frozen=True):
    index: int
    source: str
    name: str  # after renaming
    path: tuple[str, ...]
    kind: str


class Open(Struct, frozen=True):
    """An object around the columns that follow, until its `Close`."""

    name: str


class Close(Struct, frozen=True):
    name: str


Step = Column | Open | Close
Tree = dict[str, "Tree | Column"]


class Columns:
    """The columns of one file, by its header. Raises `DropRefused` for a header that cannot be used."""

    def __init__(self, header: Sequence[str], spec: InputSpec) -> None:
        self.header = tuple(header)
        self.spec = spec
        self.mended = is_ours(header)
        self.used = [self._column(i, name) for i, name in enumerate(header) if self._is_used(name)]
        self._check_names()
        self.steps = list(_steps(_tree(self.used)))
        self.id = tuple(self._find(name).index for name in spec.id)
        self.required = tuple({self._find(name).index for name in (*spec.id, *spec.required)})
        self._tellable = {*spec.id, *spec.required, *spec.types, *spec.rename, *spec.drop, *(spec.header or ())}

    def _is_used(self, name: str) -> bool:
        return name not in self.spec.drop and not (self.mended and name in OUR_COLUMNS)

    def _column(self, index: int, source: str) -> Column:
        name = self.spec.rename.get(source, source)
        return Column(index, source, name, tuple(name.split(".")), self.spec.types.get(source, "string"))

    def _find(self, name: str) -> Column:
        for column in self.used:
            if column.name == name:
                return column
        for column in self.used:
            if column.source == name:
                return column
        hint = self._delimiter_hint()
        raise DropRefused("missing_column", f"the header has no column '{name}'{hint}", line=1)

    def _delimiter_hint(self) -> str:
        others = [d for d in ";\t|," if d != self.spec.delimiter and len(self.header) == 1 and d in self.header[0]]
        shown = {"\t": "tab"}.get(others[0], others[0]) if others else ""
        return f"; its columns seem to be separated by '{shown}': set input.delimiter" if shown else ""

    def _check_names(self) -> None:
        """Columns are told by their numbers: where the file has no header, the first line is somebody's values."""
        header, renamed = enumerate(self.header), ((c.index, c.name) for c in self.used)
        for kind, names in (("", header), (" by input.rename", renamed)):
            if twice := _first_twice(names):
                both = "columns {} and {} of the header".format(*twice)
                raise DropRefused("duplicate_header", f"{both} have the same name{kind}", line=1)
        if "" in self.header:
            place = self.header.index("") + 1
            raise DropRefused("header", f"column {place} of the header has no name", line=1)
        places = {c.path: c.index + 1 for c in self.used}
        for path, place in places.items():
            for length in range(1, len(path)):
                if other := places.get(path[:length]):
                    both = f"columns {other} and {place} of the header"
                    raise DropRefused("header", f"{both} cannot both be: by its dots one would hold the other", line=1)
            if "" in path:
                raise DropRefused("header", f"column {place} of the header has an empty part between dots", line=1)

    def record(self, row: Row) -> Record | Problem:
        """The JSON record of a row that has the right number of cells."""
        places: list[Record] = [{}]
        for step in self.steps:
            if isinstance(step, Open):
                places.append({})
            elif isinstance(step, Close):
                inner = places.pop()
                if inner:
                    places[-1][step.name] = inner
            else:
                try:
                    value = self.value(step, row[step.index])
                except cells.BadCell as error:
                    return self._problem_at(step.index, "wrong_type", f"the cell is not {error}")
                if value is not None:
                    places[-1][step.path[-1]] = value
        return places[0]

    def value(self, column: Column, cell: str) -> cells.Value | None:
        """The value of a cell, None to leave it out. Raises `BadCell`."""
        if cell:
            return cell if column.kind == "string" else cells.READERS[column.kind](cell)
        if self.spec.empty == "omit":
            return None
        if self.spec.empty == "null":
            return cells.NULL
        return "" if column.kind == "string" else cells.EMPTY_TYPED.get(column.kind, cells.NULL)

    def problem(self, row: Row) -> Problem | None:
        """What is wrong with a row before its values are looked at."""
        if len(row) != len(self.header):
            code = "row_too_long" if len(row) > len(self.header) else "row_too_short"
            cells_ = "1 cell" if len(row) == 1 else f"{len(row)} cells"
            return Problem(code, f"the row has {cells_}, the header {len(self.header)}")
        if self.mended and self._gave_way(row):
            return replaced_before()
        for index, cell in enumerate(row):
            if "\0" in cell:
                return self._problem_at(index, "nul", "the cell holds a NUL character")
        for index in self.required:
            if not row[index]:
                return self._problem_at(index, "required", "the cell is empty, but must not be")
        return self._id_problem(row)

    def _gave_way(self, row: Row) -> bool:
        return gave_way(*(self._ours(row, name) for name in OUR_COLUMNS[1:3]))

    def _ours(self, row: Row, name: str) -> str:
        return row[self.header.index(name)] if name in self.header else ""

    def _id_problem(self, row: Row) -> Problem | None:
        for index in self.id:
            if any(character in row[index] for character in self.spec.forbidden_in_id):
                return self._problem_at(index, "id_characters", f"the id must not hold {self.forbidden}")
        return None

    def _problem_at(self, index: int, code: str, message: str) -> Problem:
        name = self.header[index]
        return Problem(code, message, name, place=name if name in self._tellable else f"column {index + 1}")

    @property
    def forbidden(self) -> str:
        return " ".join(self.spec.forbidden_in_id)

    def id_of(self, row: Row) -> str | None:
        """The id as the vendor sees it; None where the row has none."""
        parts = [row[index] for index in self.id if index < len(row)]
        return self.spec.id_joiner.join(parts) if parts and len(parts) == len(self.id) and all(parts) else None


def is_ours(header: Sequence[str]) -> bool:
    """Whether it is that of a rejects file of ours, dropped again: of our columns some may have been deleted."""
    return not set(OUR_COLUMNS).isdisjoint(header)


def gave_way(outcome: str, code: str) -> bool:
    """Whether a line of a rejects file, by its columns of ours, is of a record that gave way to a later one with its
    id: rejects files had them once. A vendor may have the word, too."""
    return code == REPLACED and outcome != RecordOutcome.REJECTED


def replaced_before() -> Problem:
    why = "the record gave way to a later one with the same id, which this one would overwrite"
    return Problem(REPLACED, f"{why}: to send it after all, empty its {OUR_COLUMNS[2]}", OUR_COLUMNS[2])


def is_rejects_header(cells: Sequence[str], own: Sequence[str]) -> bool:
    """Whether the cells are the header of a rejects file of ours, for a file whose own header is given. `DropRefused`
    where it is, but with other columns: taken for a record, it would be sent."""
    if not is_ours(cells):
        return False
    if sorted(name for name in cells if name not in OUR_COLUMNS) != sorted(own):
        why = "the first line is the header of a rejects file, but its columns are not those of input.header"
        raise DropRefused("header", f"{why}: give it all of these, and no others but ours", line=1)
    return True


def refuse_other_delimiter(header: Sequence[str]) -> None:
    """`DropRefused` for the header of a rejects file that was saved with another delimiter than the route's."""
    if any(_GLUED.search(cell) for cell in header):
        why = "the file is a rejects file whose cells are not separated by the route's delimiter"
        raise DropRefused("header", f"{why}: save it with the delimiter it came with", line=1)


def _tree(columns: Sequence[Column]) -> Tree:
    tree: Tree = {}
    for column in columns:
        place = tree
        for name in column.path[:-1]:
            place = place.setdefault(name, {})  # type: ignore[assignment]
        place[column.path[-1]] = column
    return tree


def _steps(tree: Tree) -> Iterator[Step]:
    for name, branch in tree.items():
        if isinstance(branch, Column):
            yield branch
        else:
            yield Open(name)
            yield from _steps(branch)
            yield Close(name)


def _first_twice(names: Iterable[tuple[int, str]]) -> tuple[int, int] | None:
    """The numbers of the first two columns of one name, from those of all, counted from 0."""
    seen: dict[str, int] = {}
    for index, name in names:
        if name in seen:
            return seen[name] + 1, index + 1
        seen[name] = index
    return None
