"""What is wrong with one JSON record, told exactly. The slow, careful way: blocks are proved sound faster elsewhere."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from math import isinf
from typing import NoReturn

import msgspec

from batchdrop.records.model import Problem

MAX_DIGITS = 1000  # of one number; a longer one is a mistake, and some readers take quadratic time for it
_BRACKETS = re.compile(rb'"(?:[^"\\]++|\\[\s\S])*+"?|[{}\[\]]')
_COLON = re.compile(rb"\s*:")
_raw = msgspec.json.Decoder(msgspec.Raw)


class _Twice(Exception):
    """A key is."""


class _Found(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(code, message)
        self.problem = Problem(code, message)


def record_problem(raw: bytes, max_depth: int = 64) -> Problem | None:
    """What is wrong with a record, None if nothing. A record must be a JSON object."""
    return value_problem(raw, max_depth) or _shape_problem(raw)


def value_problem(raw: bytes, max_depth: int = 64) -> Problem | None:
    """What is wrong with a JSON value, None if nothing."""
    if raw.count(b"{") + raw.count(b"[") > max_depth and depth(raw) > max_depth:
        return Problem("too_deep", f"nested deeper than {max_depth} levels")
    try:
        _raw.decode(raw)  # refuses lone surrogates, which `json` lets through
        json.loads(
            raw.decode(), object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_float, parse_int=_integer
        )
    except _Twice:
        return Problem("duplicate_key", _twice_message(raw))
    except _Found as found:
        return found.problem
    except UnicodeDecodeError:
        return Problem("syntax", "not UTF-8")
    except msgspec.DecodeError as error:
        return _syntax_problem(raw, error)
    except ValueError:
        return Problem("syntax", "not valid JSON")
    return None


def depth(raw: bytes) -> int:
    """How deep the value is nested."""
    deepest = level = 0
    for token in _BRACKETS.finditer(raw):
        mark = raw[token.start()]
        if mark in b"{[":
            level += 1
            deepest = max(deepest, level)
        elif mark in b"}]":
            level -= 1
    return deepest


def _shape_problem(raw: bytes) -> Problem | None:
    return None if raw.lstrip()[:1] == b"{" else Problem("not_an_object", "a record must be a JSON object")


def _syntax_problem(raw: bytes, error: msgspec.DecodeError) -> Problem:
    if re.search(rb"(?<![\"\w])(?:NaN|-?Infinity)(?![\"\w])", raw):
        return Problem("not_a_number", "NaN and Infinity are not JSON")
    if re.search(rb"\\u[dD][89a-fA-F]", raw):
        return Problem("surrogate", "half of a surrogate pair (\\ud800 to \\udfff): not a character")
    return Problem("syntax", f"not valid JSON: {str(error).removeprefix('JSON is malformed: ')}")


def _pairs(pairs: Sequence[tuple[str, object]]) -> dict[str, object]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise _Twice
    return value


def _twice_message(raw: bytes) -> str:
    """Of a key further in its text is not told: there some files have values, such as addresses, for keys."""
    seen: set[str] = set()
    for key in _top_keys(raw):
        if key in seen:
            return f"the key '{key[:100]}' is there twice"
        seen.add(key)
    return "a key further in is there twice in its object"


def _top_keys(raw: bytes) -> Iterator[str]:
    level = 0
    for token in _BRACKETS.finditer(raw):
        mark = token.group()[:1]
        level += (mark in b"{[") - (mark in b"}]")
        if mark == b'"' and level == 1 and _COLON.match(raw, token.end()):
            yield json.loads(token.group())


def _constant(text: str) -> NoReturn:
    raise _Found("not_a_number", f"{text} is not JSON")


def _float(text: str) -> float:
    value = float(text)
    if isinf(value):
        raise _Found("number_range", "a number is beyond 1.8e308")
    if len(text) > MAX_DIGITS:
        raise _Found("number_length", f"a number has more than {MAX_DIGITS} digits")
    return value


def _integer(text: str) -> int:
    """The value is not needed: huge integers are never converted."""
    if len(text) > MAX_DIGITS:
        raise _Found("number_length", f"a number has more than {MAX_DIGITS} digits")
    return 0
