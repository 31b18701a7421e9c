"""Reads multipart/form-data as strictly as a server may."""

from __future__ import annotations

import re
from dataclasses import dataclass

from local.simulators.wire import Call

_PARAMETER = re.compile(r';\s*(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Part:
    """One part; with a `filename` it counts as a file."""

    name: str
    filename: str
    content_type: str
    data: bytes

    @property
    def text(self) -> str:
        return self.data.decode("utf-8")


def parts(call: Call) -> list[Part]:
    """All parts in order. Raises `ValueError` with what is wrong about the body."""
    given = re.search(r'boundary="?([^";,]+)"?', call.header("Content-Type"))
    if call.content_type != "multipart/form-data" or given is None:
        raise ValueError("Content-Type is not multipart/form-data with a boundary")
    delimiter = b"\r\n--" + given.group(1).encode("latin-1")
    before, *sections = (b"\r\n" + call.body.read()).split(delimiter)
    if before or not sections or sections[-1] not in (b"--", b"--\r\n"):
        raise ValueError("the body does not begin and end with the boundary")
    return [_part(section) for section in sections[:-1]]


def _part(section: bytes) -> Part:
    head, found, data = section.partition(b"\r\n\r\n")
    if not found or not head.startswith(b"\r\n"):
        raise ValueError("a part without headers")
    lines = [line.partition(":") for line in head.decode("utf-8").split("\r\n") if line]
    headers = {name.strip().lower(): value.strip() for name, _, value in lines}
    disposition = headers.get("content-disposition", "")
    parameters = dict(_PARAMETER.findall(disposition))
    if not disposition.startswith("form-data") or not parameters.get("name"):
        raise ValueError("a part without a name")
    return Part(parameters["name"], parameters.get("filename", ""), headers.get("content-type", ""), data)
