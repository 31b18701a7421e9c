"""Proving whole blocks of JSON records sound at once, by the shape of the records seen before.

The JSON parser at hand lets through what we refuse: repeated keys, numbers beyond all range, endless digits, deep
nesting. Asking each record is slow. Exports repeat one shape, though: the same keys in the same order, some left out.
A regular expression of that shape holds each key at most once, every number within range and a known depth, so records
that the parser took and that match it have none of these faults. A record that does not match is asked on its own,
and its keys are added to the shape.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from batchdrop.records.model import Problem

_SPACE = rb"[ \t\r]*+"
_NUMBER = rb"-?[0-9]{1,200}+(?:\.[0-9]{1,200}+)?+(?:[eE][+-]?[0-9]{1,2}+)?+(?![0-9.eE+-])"
# A text goes on after a quote that a single backslash escapes. After three it would, too, but is taken to end: what
# follows then is no record of any shape, because the text's real end is not followed by the beginning of a key.
_TEXT = rb'"[^"]*+(?:(?<=[^\\]\\)"[^"]*+)*+"'
_NO_KEY = tuple(" ,:]}\t\r\n")  # keys beginning so would break that rule: not learnt
_MAX_KEYS = 400  # of a shape; beyond that, keys are data and no shape will hold them
_MAX_TRIES = 50  # shapes learnt before giving up

Keys = dict[str, "Shape"]


class Shape:
    """What was seen at one place: the keys of objects there, and whether there were arrays."""

    def __init__(self) -> None:
        self.keys: Keys | None = None
        self.items: Shape | None = None

    def learn(self, value: object) -> None:
        if isinstance(value, dict):
            self.keys = self.keys or {}
            order, at = list(self.keys), 0
            for key, item in value.items():
                if key.startswith(_NO_KEY):
                    continue
                if key not in self.keys:
                    order.insert(at, key)
                    self.keys[key] = Shape()
                at = order.index(key) + 1
                self.keys[key].learn(item)
            self.keys = {key: self.keys[key] for key in order}
        elif isinstance(value, list):
            self.items = self.items or Shape()
            for item in value:
                self.items.learn(item)

    def size(self) -> int:
        return 1 + sum(s.size() for s in (self.keys or {}).values()) + (self.items.size() if self.items else 0)

    def pattern(self, s: bytes) -> bytes:
        """A value here: any scalar, or an object or array as seen. `s` matches white space."""
        kinds = [_TEXT, _NUMBER, b"true", b"false", b"null"]
        if self.keys is not None:
            kinds.append(self._object(s))
        if self.items:
            item = self.items.pattern(s)
            kinds.append(rb"\[%b(?:%b%b(?:,%b|(?=\])))*+\]" % (s, item, s, s))
        return rb"(?:%b)" % b"|".join(kinds)

    def _object(self, s: bytes) -> bytes:
        pairs = [
            rb"(?:%b%b:%b%b%b(?:,%b|(?=\})))?+"
            % (re.escape(json.dumps(key, ensure_ascii=False).encode()), s, s, shape.pattern(s), s, s)
            for key, shape in (self.keys or {}).items()
        ]
        return rb"\{%b%b\}" % (s, b"".join(pairs))

    def records(self, s: bytes) -> re.Pattern[bytes]:
        """Lines that each hold an object as seen."""
        return re.compile(rb"(?:%b%b%b\r?\n)*+" % (s, self._object(s), s))


class Prover:
    """Tells of blocks of lines, each valid JSON on its own, whether all records in them are sound."""

    def __init__(self, problem: Callable[[bytes], Problem | None]) -> None:
        self._problem = problem
        self._shape = Shape()
        self._tight = True  # no white space between the tokens seen so far
        self._tries = 0
        self._records: re.Pattern[bytes] | None = None

    def sound(self, body: bytes) -> bool:
        """False means that a closer look is needed."""
        at = 0
        while at < len(body):
            if match := self._pattern().match(body, at):
                at = match.end()
            if at < len(body):
                end = body.find(b"\n", at) + 1
                line = body[at : end - 1]
                if b'"batchdrop_line"' in line or self._problem(line):
                    return False
                self._learn(line)
                at = end
        return True

    def _pattern(self) -> re.Pattern[bytes]:
        if self._records is None:
            self._records = self._shape.records(b"" if self._tight else _SPACE)
        return self._records

    def _learn(self, line: bytes) -> None:
        if self._tries >= _MAX_TRIES:
            return
        self._tries += 1
        self._shape.learn(json.loads(line, parse_int=len, parse_float=len))
        if self._shape.size() > _MAX_KEYS:
            self._tries, self._shape = _MAX_TRIES, Shape()
        self._records = None
        if self._tight and not self._pattern().fullmatch(line + b"\n"):
            self._tight, self._records = False, None
