"""DynamoDB's typed attribute values, to and from plain ones.

boto3's own conversion takes and gives decimals only; the ledger has whole numbers, and now and then a fraction.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from batchdrop.storable import storable


def typed(value: object) -> dict[str, Any]:
    """`{"S": "text"}` for "text", and so on; TypeError for what a ledger item cannot hold."""
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case int() | float():
            return {"N": repr(value)}
        case str():
            return {"S": storable(str(value))}
        case Mapping():
            return {"M": {str(k): typed(v) for k, v in value.items()}}
        case Sequence() if not isinstance(value, bytes | bytearray | memoryview):
            return {"L": [typed(v) for v in value]}
    raise TypeError(f"a {type(value).__name__} cannot be kept in the ledger")


def plain(attribute: Mapping[str, Any]) -> Any:
    """The value of one typed attribute; a whole number is an int, however it is written."""
    kind, value = next(iter(attribute.items()))
    match kind:
        case "NULL":
            return None
        case "S" | "BOOL":
            return value
        case "N":
            return _number(value)
        case "M":
            return {k: plain(v) for k, v in value.items()}
        case "L":
            return [plain(v) for v in value]
    raise TypeError(f"an attribute of type {kind} is not the ledger's")


def _number(text: str) -> int | float:
    try:
        return int(text)
    except ValueError:
        number = float(text)
        return int(number) if number.is_integer() else number
