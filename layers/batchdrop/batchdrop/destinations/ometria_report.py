"""Reading Ometria's processing report, whose form no public page shows: never more than it plainly says.

A status is looked for in a field named `status`, `state`, `outcome` or `result`, at the top, in `data` or in
`report`. Numbers in fields with a telling name are quoted as the vendor's; they never become counts of ours.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from msgspec import Struct
from msgspec.structs import replace

from batchdrop.destinations.base import Status, VendorState, status_of
from batchdrop.errors import Ambiguous
from batchdrop.ports import Response

# All of these words are assumed: the vendor publishes none. Case, spaces, `_` and `-` do not matter.
STATUSES = {
    **dict.fromkeys(("completed", "complete", "success", "successful", "succeeded", "done"), VendorState.SUCCEEDED),
    **dict.fromkeys(("completedwitherrors", "partiallycompleted", "partial"), VendorState.SUCCEEDED),
    **dict.fromkeys(("failed", "failure", "error", "errored", "unsuccessful", "rejected"), VendorState.FAILED),
    # Only an upload whose processing was begun is asked for.
    **dict.fromkeys(("canceled", "cancelled"), VendorState.UNCONFIRMED),
    **dict.fromkeys(("processing", "pending", "queued", "running", "inprogress", "uploaded"), VendorState.RUNNING),
}
_CANCELED = "canceled at Ometria: what it had processed until then, it does not say"
_PARTIAL = ("error", "partial")  # in a status word of success
_STATUS_FIELDS = ("status", "state", "outcome", "result")
_TROUBLE = re.compile(r"fail|error|reject|invalid|skip|unsuccess", re.IGNORECASE)
_TELLING = re.compile(
    r"fail|error|reject|invalid|skip|success|accept|import|process|receiv|creat|updat|delet|total|count|record",
    re.IGNORECASE,
)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{0,39}")
_DEEPEST, _MOST = 5, 20


class Report(Struct, frozen=True):
    """One report as it was answered."""

    data: object

    @classmethod
    def read(cls, answer: Response) -> Report:
        """`Ambiguous` where the answer is not JSON."""
        try:
            return cls(json.loads(answer.body.decode("utf-8-sig")))
        except (ValueError, RecursionError):
            raise Ambiguous("the vendor's report is not JSON", status=answer.status) from None

    def word(self) -> str:
        """The status word, empty where there is none."""
        data = self.data if isinstance(self.data, Mapping) else {}
        for place in (data, data.get("data"), data.get("report")):
            said = {str(k).lower(): v for k, v in place.items()} if isinstance(place, Mapping) else {}
            for name in _STATUS_FIELDS:
                word = said.get(name)
                if isinstance(word, str) and word.strip():
                    return word.strip()[:64]
        return ""

    def status(self, without_word: str) -> Status:
        """What the report makes of the batch; `without_word` is the route's `report_without_status`."""
        word = self.word()
        if word:
            status = status_of(word, STATUSES)
            return replace(status, message=_CANCELED) if status.state is VendorState.UNCONFIRMED else status
        if without_word == "completed" or self.troubles():  # with troubles the records stay unconfirmed all the same
            return Status(VendorState.SUCCEEDED, "report")
        why = "Ometria's report is there, but has no word for success or failure: read it under results/"
        return Status(VendorState.HANDED_OVER, "report", message=why)

    def troubles(self) -> list[str]:
        """Signs that not all went well: then nobody can tell which records were taken."""
        said = [f"{path} = {value:g}" for path, value in self._numbers() if value and _TROUBLE.search(path)]
        said += [
            f"{path} is not empty" for path, value in _walk(self.data) if _is_said(value) and _TROUBLE.search(path)
        ]
        word = self.word()
        partial = [f"status = {word}"] if any(part in word.lower() for part in _PARTIAL) else []
        return [*partial, *said][:_MOST]

    def notes(self) -> list[str]:
        """What the report says, in the report's own names."""
        numbers = [f"{path} = {value:g}" for path, value in self._numbers() if _TELLING.search(path)][:_MOST]
        notes = [f"Ometria's report says: {'; '.join(numbers)} (not counted here)"] if numbers else []
        if troubles := self.troubles():
            notes.append(
                f"Ometria's report speaks of trouble ({'; '.join(troubles)}): which records were taken cannot be told"
            )
        return notes

    def _numbers(self) -> Iterator[tuple[str, float]]:
        for path, value in _walk(self.data):
            if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e15:
                yield path, value


def _is_said(value: object) -> bool:
    """Whether a field that is no number and holds no further fields says anything at all."""
    return value is True or (isinstance(value, str | list) and bool(value))


def _walk(value: object, path: str = "", depth: int = 0) -> Iterator[tuple[str, object]]:
    """Named values below mappings. What is in lists may be records: it is never looked at."""
    if path:
        yield path, value
    if isinstance(value, Mapping) and depth < _DEEPEST:
        for name, inner in value.items():
            if _NAME.fullmatch(str(name)):
                yield from _walk(inner, f"{path}.{name}" if path else str(name), depth + 1)
