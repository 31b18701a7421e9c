"""Scratch of a look that outlives an invocation: objects beside the parts of the job's report."""

from __future__ import annotations

from msgspec import Struct

from batchdrop.errors import ObjectGone, ObjectRefused
from batchdrop.places import workplace
from batchdrop.ports import ObjectRef, Objects
from batchdrop.records.scratch import ScratchGone


class ObjectScratch(Struct, frozen=True):
    """`Scratch` in a bucket. What a worker leaves behind that died goes with the job's report."""

    objects: Objects
    bucket: str
    job_id: str

    def put(self, name: str, data: bytes | bytearray) -> None:
        self.objects.put(self.bucket, self._key(name), data)

    def read(self, name: str, start: int = 0, end: int | None = None) -> bytes:
        try:
            with self.objects.open(ObjectRef(self.bucket, self._key(name)), start, end) as body:
                return body.read()
        except (ObjectGone, ObjectRefused) as error:  # who may not list a bucket is refused what is not there
            raise ScratchGone(name) from error

    def drop(self, name: str) -> None:
        self.objects.delete(self.bucket, self._key(name))

    def _key(self, name: str) -> str:
        return f"{workplace(self.job_id)}ids/{name}"
