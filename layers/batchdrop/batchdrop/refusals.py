"""What a vendor refused of one batch, by id."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import chain, dropwhile, islice

from batchdrop.destinations.base import Reject
from batchdrop.errorfile import LONGEST_LINE, RejectLines, is_array
from batchdrop.records.verdicts import LineForm, Refusal, Verdicts

SAMPLE = 100  # rejects shown in a report
_BLOCK = 1 << 20


class Refusals:
    """The refusals of one batch by id. Memory is bounded by the batch, never by the file."""

    def __init__(self, rejects: Iterable[Reject] | RejectLines) -> None:
        self.verdicts = Verdicts()
        self._folded: dict[str, str] | None = None
        if isinstance(rejects, RejectLines):
            _read(rejects, self.verdicts)
        else:
            self.verdicts.add(rejects)

    def __len__(self) -> int:
        return len(self.verdicts)

    def of(self, id_: str | None) -> Refusal | None:
        """The refusal of exactly this id."""
        return self.verdicts.of(id_)

    def first_like(self, id_: str | None) -> str:
        """The first refused id that has the same code and message as this one; mostly itself, if it is in the text."""
        return self.verdicts.first_like(id_)

    def nearly(self, id_: str | None) -> str | None:
        """The one refused id that differs from this one by the case of its letters, if there is one."""
        if id_ is None or not len(self):
            return None
        if self._folded is None:
            counted = Counter(i.casefold() for i in self.verdicts.ids())
            self._folded = {i.casefold(): i for i in self.verdicts.ids() if counted[i.casefold()] == 1}
        return self._folded.get(id_.casefold())

    def is_open(self, id_: str) -> bool:
        """Whether no record of exactly this refused id was met."""
        return self.verdicts.is_open(id_)

    def left(self) -> int:
        """How many there are of ids we never sent."""
        return self.verdicts.count_left()

    def unmatched(self, limit: int = SAMPLE) -> list[dict[str, str]]:
        """Refusals of ids we never sent."""
        left = islice(self.verdicts.left(), limit)
        return [{"id": id_, "code": refusal.code, "message": refusal.message} for id_, refusal in left]


def _read(told: RejectLines, into: Verdicts) -> None:
    """The refusals of these lines: plain ones thousands at a time, the others as if they were iterated."""
    form = LineForm(told.spec.fields, told.spec.joiner, told.codes, told.messages, told.otherwise)
    if told.as_csv or not form.is_plain:
        into.add(told)
        return
    with told.open() as file:
        blocks = dropwhile(lambda block: not block.strip(), iter(lambda: file.read(_BLOCK), b""))
        first, data = next(blocks, b""), b""
        if is_array(first):
            into.add(told)
            return
        for block in chain((first,), blocks):
            data += block
            at = into.read(form, data, 0)
            while end := data.find(b"\n", at) + 1:
                into.add(told.each([data[at:end]]))
                at = into.read(form, data, end)
            if len(data) - at > LONGEST_LINE:
                into.add(told.each([data[at : at + LONGEST_LINE]]))
                at += LONGEST_LINE
            data = data[at:]
        into.add(told.each([data]))
