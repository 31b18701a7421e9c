"""Converting one whole member of a set, by the same code as a batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from batchdrop.records.inspect import inspect
from batchdrop.records.inspection import Inspection
from batchdrop.records.model import SourceRecord
from batchdrop.records.packager import Packager
from batchdrop.records.source import Source
from batchdrop.records.spec import InputSpec, OutputFormat, OutputSpec


def convert(
    source: Source,
    input: InputSpec,  # noqa: A002 - the route's own word
    format: OutputFormat = "json_array",  # noqa: A002
    *,
    on_invalid: Callable[[SourceRecord], None] | None = None,
    inspection: Inspection | None = None,
) -> Iterator[bytes]:
    """The whole file in another format, piece by piece at flat memory.

    Invalid records are left out, each handed to `on_invalid`. Raises `DropRefused` where `inspect` does, before the
    first piece; pass its `inspection` if there is one already.
    """
    inspection = inspection or inspect(source, input)
    return Packager(source, input, OutputSpec(format, 1 << 62), inspection).pieces(on_invalid)
