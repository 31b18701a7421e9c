"""Haplo's control file, as far as it can be judged without the application: how will each data file be read?

Source: the vendor's public code (`data_import_control_file.js`, `data_import_readers.js`). A run that cannot read a
file ends in an error that no API tells, so what is certain to fail is refused before anything is sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from batchdrop.destinations.base import Reading
from batchdrop.errors import DropRefused
from batchdrop.members import naming

_ONE_BYTE_LINE_ENDS = ("utf-8", "utf8", "us-ascii", "ascii", "iso-8859-", "windows-125", "latin1")


def readings(control: str, content: bytes, names: Sequence[str]) -> Mapping[str, Reading]:
    """How the vendor will read each of these files; `DropRefused` for a control file that it would refuse."""
    with naming(control):
        files = _files(content)
        return {name: _reading(_entry(files, name)) for name in names}


def _files(content: bytes) -> Mapping[str, Any]:
    try:
        data = json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, dict):
        raise DropRefused("control", "the control file is not a JSON object in UTF-8 without a byte-order mark")
    if data.get("dataImportControlFileVersion") != 0:
        raise DropRefused("control", "dataImportControlFileVersion must be 0")
    files = data.get("files")
    if not isinstance(files, dict) or not files or not data.get("model") or "instructions" not in data:
        raise DropRefused("control", "it must have model, files and instructions")
    return files


def _entry(files: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    entry = files.get(name, files.get("DEFAULT"))
    if not isinstance(entry, dict):
        raise DropRefused("control", f'its "files" name neither {name} nor a DEFAULT, so the vendor could not read it')
    return entry


def _reading(entry: Mapping[str, Any]) -> Reading:
    """Readers that a plugin added are not known here: their files go as they are."""
    read = entry.get("read")
    if read == "json":
        return "text" if entry.get("singleRecord") else "array"
    if read == "tsv-with-name-row":
        charset = str(entry.get("charset", "utf-8")).lower()
        return "lines" if charset.startswith(_ONE_BYTE_LINE_ENDS) else "text"
    return "blob"
