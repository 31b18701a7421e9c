"""Going through the records of a stream of bytes, of which no more is held than a block and one record."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from msgspec import Struct

from batchdrop.records.kernel import ALL, ROOM, Desk, Kernel, Mode, Run, Stop
from batchdrop.records.model import Checkpoint
from batchdrop.records.skippers import Broken, Skipper

_SPACE = b" \t\r\n"


class One(Struct, frozen=True):
    """One record by itself. `data` is None where it is too big to be held."""

    data: bytes | None
    offset: int
    line: int


class _Passed(Struct, frozen=True):
    """A record that was too big to be held, and the run that met it."""

    run: Run
    record: One


class Walk:
    """Call `run`, and where it did no record, `one`; both go on where the last call ended.

    `ending` is put behind what is left at the end, if that is more than `blank` characters. A record of more than
    `cap` bytes is passed over.
    """

    def __init__(
        self,
        kernel: Kernel,
        chunks: Iterator[bytes],
        start: Checkpoint,
        *,
        cap: int,
        ending: bytes,
        blank: bytes | None,
        skipper: Callable[[], Skipper],
    ) -> None:
        self.kernel, self._chunks, self._cap, self._skipper = kernel, chunks, cap, skipper
        self._ending, self._blank = ending, blank
        self._desk = Desk()
        self.data = b""
        self.at = 0
        self.ordinal = start.ordinal
        self.line = start.line
        self._offset = start.offset  # of the first byte held
        self._mark = b""  # the last byte before those that is more than space
        self._lines = 0  # line ends the last run passed
        self._added = 0  # bytes of an ending the file does not have
        self._next: Run | None = None  # tells of the record that `one` will take
        self._passed: _Passed | None = None  # it is what `one` will take
        self._skipped: Checkpoint | None = None  # where the record begins that is just being passed over
        self.stop = Stop.MORE  # at the end: whether it was that of the bytes, of an array, or of what can be read
        self.is_unended = False  # the last record was too big to be held, and the file ends in the middle of it

    def hash_ids(self, key: bytes) -> None:
        """Have the ids of records hashed from now on."""
        self._desk.key = key

    def hashes(self, run: Run) -> memoryview:
        """Of the ids of the last run's records."""
        return self._desk.hashes(run.records)

    def join(self, told: Any) -> None:
        """What runs that join records to refusals are told, and tell."""
        self._desk.join = told

    @property
    def begun(self) -> int:
        """The line at which the last run began."""
        return self.line - self._lines

    @property
    def here(self) -> Checkpoint:
        """The place before the next record."""
        if self._skipped:
            return self._skipped
        added = self._added if self.at == len(self.data) else 0
        return Checkpoint(self._offset + self.at - added, self.line, self.ordinal)

    @property
    def mark(self) -> bytes:
        """The last byte before the next record that is more than space: what ended the one before, if that was read."""
        return self.data[: self.at].rstrip(_SPACE)[-1:] or self._mark

    def behind(self, mark: bytes) -> None:
        """Tell what stands before the place the walk begins at."""
        self._mark = mark

    @property
    def rest(self) -> bytes:
        """What is held and not done: at the end, a record that does not end."""
        return self.data[self.at :]

    def run(self, mode: Mode, size: int = ROOM, most: int = ALL) -> Run | None:
        """Let the kernel do records; None at the end. Where it did none, the next is for `one`."""
        while self._passed is None and self.stop is Stop.MORE:
            if mode is Mode.JOIN:
                self._desk.join.line = self.line
            run = self.kernel.run(mode, self.data, self.at, self._desk, size, most)
            self._pass(run.at, run.records, run.lines)
            if run.records:
                return run
            if run.stop in (Stop.BROKEN, Stop.CLOSED):
                self.stop = run.stop
                return None
            if run.stop is not Stop.MORE:
                self._next = run
                return run
            if not self._more(run):
                return None
        return self._passed.run if self._passed else None

    def one(self) -> One:
        """The next record by itself."""
        if self._passed:
            record, self._passed = self._passed.record, None
            self.ordinal += 1
            return record
        if self._next is None:
            raise RuntimeError("no record is waiting")
        run, self._next = self._next, None
        record = One(self.data[self.at : run.end], self._offset + self.at, self.line)
        self._pass(run.after, 1, self.data.count(b"\n", self.at, run.after))
        return record

    def records(self, numbers: Iterable[int]) -> Iterator[tuple[int, int, bytes, bool]]:
        """Number, line, bytes and plainness of some records of the last run, in order; it must have told places."""
        places, data, begun = self._desk.places, self.data, self.begun
        for number in numbers:
            place = places[number]
            yield number, begun + place.line, data[place.start : place.end], place.is_plain

    def _pass(self, at: int, records: int, lines: int) -> None:
        self._lines = lines
        self.line += lines
        self.ordinal += records
        self.at = at

    def _more(self, run: Run) -> bool:
        """Put more bytes behind those `run` did not do, or pass over a record of which they are too many already.
        False if there are none."""
        is_stuck = self.at == 0
        self._note()
        self._offset += self.at
        self.data, self.at = self.data[self.at :], 0
        if len(self.data) > self._cap:
            self._pass_blank()
        if len(self.data) > self._cap:
            self._skip(run)
            return True
        # What is held doubles where nothing could be done: else a huge record would be read again with every block.
        wanted = len(self.data) if is_stuck else 0
        pieces = [self.data]
        while (chunk := next(self._chunks, None)) is not None:
            pieces.append(chunk)
            wanted -= len(chunk)
            if chunk and wanted <= 0:
                break
        if len(pieces) == 1:
            return self._complete()
        self.data = b"".join(pieces)
        return True

    def _complete(self) -> bool:
        """End the last record where the file does not; whether there was anything to end."""
        if self._added or not self.data.strip(self._blank) or not self._ending:
            return False
        self._added = len(self._ending)
        self.data += self._ending
        return True

    def _pass_blank(self) -> None:
        """Pass over the blank lines before the next record, or all space before an element: no part of it."""
        end = len(self.data) - len(self.data.lstrip(self._blank))
        if self._ending == b"\n":
            end = self.data.rfind(b"\n", 0, end) + 1
        self._pass(end, 0, self.data.count(b"\n", 0, end))
        self._offset += end
        self.data, self.at = self.data[end:], 0

    def _note(self) -> None:
        """Keep the last byte of what will be let go of."""
        last = self.data[max(0, self.at - 1) : self.at]  # as a rule it is no space
        self._mark = last if last.strip(_SPACE) else self.mark

    def _skip(self, run: Run) -> None:
        """Pass over a record too big to be held."""
        self._skipped = begun = self.here
        try:
            end = self._end(self._skipper())
        except Broken:
            self.stop = Stop.BROKEN
            return
        self._pass(end, 0, self.data.count(b"\n", 0, end))
        self._skipped, self._passed = None, _Passed(run, One(None, begun.offset, begun.line))

    def _end(self, skipper: Skipper) -> int:
        """Where in what is held then the record begins that follows."""
        while (end := skipper.skip(self.data)) < 0:
            self._pass(len(self.data), 0, self.data.count(b"\n"))
            self._note()
            self._offset += len(self.data)
            self.data, self.at = next(self._chunks, b""), 0
            if not self.data:
                self.is_unended = skipper.is_open
                return 0
        return end
