"""Tables for a terminal, as wide as it is: where one does not fit, columns that can be spared are left out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions
from rich.table import Table as RichTable
from rich.text import Text

from local.safetext import one_line

LONG = 22  # characters; of a wider column the cells are folded first
_NARROW = 10  # no long column is folded further than this, if others can be spared

STYLES = {
    "completed": "green",
    "handed_over": "green",
    "completed_with_rejects": "yellow",
    "held": "yellow",
    "failed": "red",
    "timed_out": "red",
    "canceled": "red",
}


@dataclass(slots=True)
class Table:
    """Columns and cells; `spare` names the columns that may be left out, the first one first. Nothing is cut off."""

    columns: Sequence[str]
    lines: list[list[str]]
    spare: Sequence[str] = ()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RichTable]:
        kept = self._kept(options.max_width)
        widths = [self._width(n) for n in kept]
        least = self._least(kept, widths, options.max_width)
        is_wide = _total(least) > options.max_width
        found = RichTable(box=None, pad_edge=False, collapse_padding=True, header_style="bold")
        given = widths if is_wide else _shared(widths, least, options.max_width)
        for n, width, share in zip(kept, widths, given, strict=True):
            folds = width > LONG or is_wide
            # Left to rich, more may be taken than there is, and cut off.
            fixed = share if folds and not is_wide else None
            side: Literal["left", "right"] = "right" if n and self._is_number(n) else "left"
            found.add_column(self.columns[n], overflow="fold", no_wrap=not folds, width=fixed, justify=side)
        for line in self.lines:
            found.add_row(*(Text(line[n], STYLES.get(line[n], "")) for n in kept))
        yield found

    def _kept(self, width: int) -> list[int]:
        kept = list(range(len(self.columns)))
        for name in self.spare:
            if _total(map(self._width, kept)) <= width:
                break
            kept.remove(self.columns.index(name))
        return kept

    def _least(self, kept: Sequence[int], widths: Sequence[int], room: int) -> list[int]:
        """How narrow each column may become: a long one as its longest word, where there is room for that."""
        found = [min(width, _NARROW) if width > LONG else width for width in widths]
        words = [max((cell_len(word) for line in self.lines for word in line[n].split()), default=0) for n in kept]
        for i in sorted(range(len(kept)), key=words.__getitem__):
            if widths[i] > LONG and found[i] < words[i] <= found[i] + room - _total(found):
                found[i] = words[i]
        return found

    def _width(self, n: int) -> int:
        heading = max(map(len, self.columns[n].split("\n")))
        return max([heading, *(Text(line[n]).cell_len for line in self.lines)])

    def _is_number(self, n: int) -> bool:
        return all(line[n][:1].isdigit() or not line[n] for line in self.lines)


def table(columns: Sequence[str], rows: Iterable[Sequence[object]], spare: Sequence[str] = ()) -> Table:
    """A table of values; None is an empty cell."""
    return Table(columns, [[cell(value) for value in row] for row in rows], spare)


def cell(value: object) -> str:
    """A value on one line."""
    return "" if value is None else one_line(str(value))


def _shared(widths: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """What each column gets: the least, and of what is left equal shares, up to its width."""
    given, left = list(least), room - _total(least)
    order = sorted(range(len(given)), key=lambda i: widths[i] - least[i])
    for done, i in enumerate(order):
        share = min(widths[i] - least[i], left // (len(order) - done))
        given[i] += share
        left -= share
    return given


def _total(widths: Iterable[int]) -> int:
    found = list(widths)
    return sum(found) + len(found) - 1  # a space between two columns
