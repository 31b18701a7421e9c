"""Finding where CSV records end, by the bytes alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from batchdrop.errors import DropRefused


class Cutter:
    """Finds the end of the last complete record in a buffer that begins at a record.

    A *tidy* file has quotes only around whole cells (RFC 4180); there, a line break ends a record if the number of
    quotes before it is even, which is fast to count. Otherwise a quote inside an unquoted cell is a plain character,
    as spreadsheets and csv modules have it, and the cells have to be walked.
    """

    def __init__(self, delimiter: str, quote: str, *, tidy: bool) -> None:
        self.quote = quote.encode()
        self.tidy = tidy
        self._tidy_text, self._record, self._records, self._broken = _patterns(delimiter.encode(), self.quote)

    def cut(self, data: bytes | bytearray) -> int:
        """The end of the last complete record, 0 if there is none."""
        return self._by_parity(data) if self.tidy else self.walk(data)

    def checked_cut(self, data: bytes, offset: int) -> int:
        """Like `cut`, but finds out whether the text is tidy, and refuses what no CSV reader should guess at."""
        if self.tidy:
            end = self._by_parity(data)
            if self._tidy_text.fullmatch(data, 0, end):
                return end
            self.tidy = False
        end = self.walk(data)
        if self._broken.match(data, end):
            raise DropRefused(
                "quotes", "text follows a closing quote; a quote is wrong or missing", offset=offset + end
            )
        return end

    def walk(self, data: bytes | bytearray) -> int:
        match = self._records.match(data)
        return match.end() if match else 0

    def ends(self, data: bytes) -> Iterator[int]:
        """The end of each complete record, blank lines included."""
        end = 0
        while match := self._record.match(data, end):
            end = match.end()
            yield end

    def _by_parity(self, data: bytes | bytearray) -> int:
        end = data.rfind(b"\n") + 1
        odd = data.count(self.quote, 0, end) & 1
        while end and odd:
            # The line break lies in quotes: go back to the quote that opened them, then to the line break before it.
            before = data.rfind(self.quote, 0, end)
            end = data.rfind(b"\n", 0, before) + 1
            odd = (odd + 1 + data.count(self.quote, end, before)) & 1
        return end


@lru_cache(maxsize=8)
def _patterns(delimiter: bytes, quote: bytes) -> tuple[re.Pattern[bytes], ...]:
    d, q = re.escape(delimiter), re.escape(quote)
    quoted = rb"%b(?:[^%b]++|%b%b)*+%b" % (q, q, q, q, q)
    plain = rb"[^%b%b\r\n][^%b\n]*+" % (q, d, d)
    tidy = rb"(?:[^%b]*+(?:(?<=[%b\n])|(?<![\s\S]))%b(?=[%b\r\n]))*+[^%b]*+" % (q, d, quoted, d, q)
    cell = rb"(?:%b|%b|\r(?!\n))?+" % (quoted, plain)
    record = rb"%b(?:%b%b)*+\r?\n" % (cell, d, cell)
    broken = rb"(?:%b%b)*+%b(?:[^%b%b\r\n]|\r[^\n])" % (cell, d, quoted, d, q)
    return re.compile(tidy), re.compile(record), re.compile(rb"(?:%b)*+" % record), re.compile(broken)


class Skipper:
    """Finds the end of a record too big to hold, piece by piece."""

    def __init__(self, quote: bytes) -> None:
        self._quote, self._odd = quote, 0

    def skip(self, data: bytes) -> int:
        """Where the record ends in this piece, -1 if not in it."""
        at = 0
        while (end := data.find(b"\n", at) + 1) > 0:
            self._odd ^= data.count(self._quote, at, end) & 1
            if not self._odd:
                return end
            at = end
        self._odd ^= data.count(self._quote, at) & 1
        return -1
