"""Haplo's control file: what is wrong with one, and how it says to read the data files."""

from __future__ import annotations

import json
from typing import Any
from xml.etree import ElementTree as ET

from local.simulators.wire import Body

TEXT_LIMIT = 16 * 1024 * 1024  # above it the vendor cannot read a file as text
READERS = ("json", "xml-text-of-children", "xml-attributes", "tsv-with-name-row")
REQUIRED_KEYS = {
    "field": ("source", "destination", "name"),
    "new": ("destination",),
    "load": ("destination",),
}


def problems(data: bytes, models: tuple[str, ...]) -> str:
    """The vendor's text of refusal, empty for a good file."""
    try:
        control = json.loads(data.decode("utf-8")) if len(data) <= TEXT_LIMIT else None
    except ValueError:
        control = None
    if not isinstance(control, dict):
        return "Uploaded file is not JSON"
    reasons = _reasons(control, models)
    return "Invalid control file:\n  " + "\n  ".join(reasons) if reasons else ""


def _reasons(control: dict[str, Any], models: tuple[str, ...]) -> list[str]:
    reasons = []
    if control.get("dataImportControlFileVersion") != 0:
        reasons.append("dataImportControlFileVersion must be 0")
    if control.get("model") not in models:
        reasons.append(f"model {control.get('model')!r} is not implemented")
    files = control.get("files")
    if not isinstance(files, dict) or not files:
        reasons.append("files is missing")
    elif any(not isinstance(entry, dict) or entry.get("read") not in READERS for entry in files.values()):
        reasons.append("a file has an unknown reader")
    return reasons + _instruction_reasons(control.get("instructions"))


def _instruction_reasons(instructions: Any) -> list[str]:
    if not isinstance(instructions, list) or not all(isinstance(one, dict) for one in instructions):
        return ["instructions is missing or not a list of objects"]
    reasons = []
    for number, instruction in enumerate(instructions, 1):
        action = instruction.get("action", "field")
        missing = [key for key in REQUIRED_KEYS.get(action, ()) if key not in instruction]
        if missing:
            reasons.append(f"instruction {number} ({action}) lacks {', '.join(missing)}")
    return reasons


def read_records(control: bytes, name: str, body: Body) -> list[Any]:
    """The records of a data file, by the reader that the control file names. Raises `ValueError` if it cannot."""
    files = json.loads(control)["files"]
    entry = files.get(name) or files.get("DEFAULT")
    if entry is None:
        raise ValueError("no such name in the control file, and no DEFAULT")
    if entry["read"].startswith("xml"):
        return _read_xml(body, entry["read"], single=bool(entry.get("singleRecord")))
    if body.size > TEXT_LIMIT:
        raise ValueError("too big to read as text")
    if entry["read"] == "json":
        value = json.loads(body.read().decode("utf-8"))
        records = [value] if entry.get("singleRecord") else value
        if not isinstance(records, list):
            raise ValueError("not an array")
        return records
    return _read_tsv(body.read().decode(entry.get("charset", "utf-8")), entry.get("separator", "\t"))


def _read_xml(body: Body, reader: str, *, single: bool) -> list[dict[str, str]]:
    try:
        root = ET.fromstring(body.read())  # noqa: S314 - made by tests and demos on this machine
    except ET.ParseError as error:
        raise ValueError(str(error)) from None
    elements = [root] if single else list(root)
    if reader == "xml-attributes":
        return [dict(element.attrib) for element in elements]
    return [{child.tag: child.text or "" for child in element} for element in elements]


def _read_tsv(text: str, separator: str) -> list[dict[str, str]]:
    """Split without any quoting; empty values are dropped."""
    lines = [line.removesuffix("\r").split(separator) for line in text.split("\n") if line]
    names, *rows = lines or [[]]
    return [{name: value for name, value in zip(names, row, strict=False) if value} for row in rows]
