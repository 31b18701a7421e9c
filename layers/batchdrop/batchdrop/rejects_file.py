"""The rejects file of a report, put together from its parts in as many invocations as that takes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from typing import Any

from msgspec import Struct, field
from msgspec.structs import asdict

from batchdrop.blocks import in_blocks
from batchdrop.errors import ObjectGone
from batchdrop.matching import GAVE_WAY, GAVE_WAY_BEFORE, Reason, commonest
from batchdrop.places import folder
from batchdrop.ports import ObjectRef, Upload
from batchdrop.records.rejects import RejectsWriter
from batchdrop.refusals import SAMPLE
from batchdrop.reject_parts import Account, Part, RejectParts
from batchdrop.report.unnamed import LISTED
from batchdrop.world import OutOfTime

BLOCK = 8 << 20  # bytes of the file that are written at a time
_MOST_BLOCKS = 9_000  # S3 takes 10,000
_MOST_REASONS = 1000  # that are told apart by their messages
_TYPES = {"rejects.csv": "text/csv; charset=utf-8", "rejects.ndjson": "application/x-ndjson"}


class Progress(Struct):
    """How far it got: what the parts tell, and which blocks of their rows are written."""

    parts: str  # which they are: what was made of others is of no use
    noted: int = 0
    sample: list[dict[str, Any]] = field(default_factory=list)
    reasons: Counter[Reason] = field(default_factory=Counter)  # by outcome, code and message
    upload: str = ""
    marks: list[str] = field(default_factory=list)
    written: int = 0  # bytes

    def note(self, told: dict[str, Any]) -> None:
        self.noted += 1
        self.sample += told["sample"][: SAMPLE - len(self.sample)]
        for outcome, code, message, count in told["reasons"]:
            key = _since(outcome, code, message)
            is_told = key in (GAVE_WAY, GAVE_WAY_BEFORE) or key in self.reasons or len(self.reasons) < _MOST_REASONS
            self.reasons[key if is_told else (outcome, code, "")] += count

    def most(self) -> list[dict[str, Any]]:
        """The most frequent reasons."""
        names = ("outcome", "code", "message")
        return [dict(zip(names, key, strict=True)) | {"count": n} for key, n in commonest(self.reasons, LISTED)]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "reasons": [[*key, count] for key, count in self.reasons.items()]}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Progress:
        reasons = Counter({(outcome, code, message): n for outcome, code, message, n in data["reasons"]})
        return cls(**{**data, "reasons": reasons})


def _since(*reason: str) -> Reason:
    """A reason as a part tells it; by the message it is known whether a version before wrote the part."""
    outcome, code, message = reason
    if (outcome, code) == GAVE_WAY[:2] and message != GAVE_WAY[2]:
        return GAVE_WAY_BEFORE
    return outcome, code, message


class RejectsFile:
    """The file of these accounts; `told` and `warnings` are for the report, once it is made."""

    def __init__(
        self, parts: RejectParts, accounts: Sequence[Account], writer: RejectsWriter, is_late: Callable[[], bool]
    ) -> None:
        self._world, self._bucket, self._is_late = parts.world, parts.bucket, is_late
        self._head, self._key, self._type = writer.head(), folder(parts.job) + writer.name, _TYPES[writer.name]
        self._kept_at = f"{parts.place}rejects.progress"
        self._source, kept = parts, parts.kept()
        self._parts, self.warnings = parts.of(accounts, kept)
        self._is_kept = self._kept_at in kept
        self.told = self._progress()

    def make(self) -> None:
        """Go on where the last call stopped."""
        try:
            for part in self._parts[self.told.noted :]:
                self._need_time()
                self.told.note(self._source.notes(part))
            self._write()
        except OutOfTime:
            self._world.objects.put(self._bucket, self._kept_at, json.dumps(self.told.to_json()).encode())
            raise
        except ObjectGone:  # the upload: it was completed just before its worker died, or lies two days back
            self._world.objects.delete(self._bucket, self._kept_at)
            raise OutOfTime from None

    def forget(self) -> None:
        """The report is written: the next one, of a job that is held, has other parts, if perhaps of the same size."""
        if self._is_kept:
            self._world.objects.delete(self._bucket, self._kept_at)

    def _need_time(self) -> None:
        if self._is_late():
            raise OutOfTime

    def _progress(self) -> Progress:
        names = json.dumps([(part.rows.key, part.rows.size) for part in self._parts])
        fresh = Progress(sha256(names.encode()).hexdigest())
        if not self._is_kept:
            return fresh
        with self._world.objects.open(ObjectRef(self._bucket, self._kept_at)) as body:
            found = Progress.from_json(json.loads(body.read()))
        return found if found.parts == fresh.parts else fresh

    # --- its bytes ---

    def _write(self) -> None:
        size = len(self._head) + sum(part.rows.size for part in self._parts)
        block = max(BLOCK, -(-size // _MOST_BLOCKS))
        if size <= block:
            content = b"".join(self._bytes(0))
            self._world.objects.put(self._bucket, self._key, content, content_type=self._type)
            return
        upload = self._upload()
        for data in in_blocks(self._bytes(self.told.written), block):
            self.told.marks.append(self._world.objects.add(upload, len(self.told.marks) + 1, data))
            self.told.written += len(data)
        self._world.objects.complete(upload, self.told.marks)

    def _upload(self) -> Upload:
        if not self.told.upload:
            self.told.upload = self._world.objects.begin(self._bucket, self._key, content_type=self._type).id
        return Upload(self._bucket, self._key, self.told.upload)

    def _bytes(self, start: int) -> Iterator[bytes]:
        """The whole file from a place on."""
        yield self._head[start:]
        at = len(self._head)
        for part in self._parts:
            yield from self._rows(part, max(0, start - at))
            at += part.rows.size

    def _rows(self, part: Part, start: int) -> Iterator[bytes]:
        if start < part.rows.size:
            with self._world.objects.open(part.rows, start) as body:
                while chunk := body.read(1 << 16):
                    self._need_time()
                    yield chunk
