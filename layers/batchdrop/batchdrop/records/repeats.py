"""Finding the records that repeat an id, in stages that can be put down and taken up again.

While the drop is read the hashes of its ids are *taken*; then they are *compared*; and where some came more than once,
the records they belong to are *searched* for in a second pass.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, Literal, cast

from batchdrop.records import idhashes
from batchdrop.records.duplicates import yielding
from batchdrop.records.idhashes import IdHashes
from batchdrop.records.kernel import HASH_BYTES
from batchdrop.records.model import Checkpoint
from batchdrop.records.packager import Packager
from batchdrop.records.patience import Patience
from batchdrop.records.scratch import Scratch

Stage = Literal["take", "compare", "search"]
_RECORD = struct.Struct("<16s2Q")  # hash, ordinal and line


class Repeats:
    """`kept` is what another one `keep`s. Raises `DropRefused` where more records repeat an id than can be kept."""

    def __init__(self, scratch: Scratch, kept: Mapping[str, Any]) -> None:
        self.ids = IdHashes(scratch, bytes.fromhex(kept.get("key", "")), kept.get("runs", ()))
        self._scratch = scratch
        self._stage: Stage = kept.get("stage", "take")
        self._part = int(kept.get("part", 0))
        self._repeated: set[bytes] = set()
        self._found: list[tuple[bytes, int, int]] = []
        self._at = Checkpoint.from_json(kept["at"]) if kept.get("at") else None
        self._piece, self._old_piece = str(kept.get("piece", "")), str(kept.get("old_piece", ""))
        if self._piece:
            self._restore(scratch.read(self._piece), int(kept["repeated"]))

    def yields(self, packager: Packager, patience: Patience, *, last_wins: bool) -> dict[int, int]:
        """All ids were taken: the records that have to yield to another one."""
        if self._stage == "take":
            self._begin_to_compare()
        if self._stage == "compare":
            self._compare(patience)
        if self._repeated:
            self._search(packager, patience)
        return yielding(self._found, last_wins=last_wins)

    def keep(self) -> dict[str, Any]:
        """What it takes to go on in another invocation: little here, the rest in scratch."""
        piece = idhashes.new_name("held")
        self._scratch.put(piece, self._state())
        if self._old_piece:  # what was kept last may still be needed, what was kept before that is not
            self._scratch.drop(self._old_piece)
        return {
            "stage": self._stage,
            "key": self.ids.key.hex(),
            "runs": self.ids.runs,
            "part": self._part,
            "at": self._at.to_json() if self._at else None,
            "repeated": len(self._repeated),
            "piece": piece,
            "old_piece": self._piece,
        }

    def drop(self) -> None:
        """Nothing of it is needed any more."""
        for name in filter(None, (*self.ids.runs, self._piece, self._old_piece)):
            self._scratch.drop(name)

    def _state(self) -> bytes | bytearray:
        if self._stage == "take":
            return self.ids.held
        return b"".join((*self._repeated, *(_RECORD.pack(*each) for each in self._found)))

    def _restore(self, state: bytes, repeated: int) -> None:
        if self._stage == "take":
            self.ids.held = bytearray(state)
            return
        end = repeated * HASH_BYTES
        self._repeated = {state[at : at + HASH_BYTES] for at in range(0, end, HASH_BYTES)}
        self._found = [cast("tuple[bytes, int, int]", each) for each in _RECORD.iter_unpack(state[end:])]

    def _begin_to_compare(self) -> None:
        if self.ids.runs:
            self.ids.spill()
            self._stage = "compare"
        else:
            self._repeated, self._stage = self.ids.repeated(), "search"

    def _compare(self, patience: Patience) -> None:
        def step(part: int) -> None:
            self._part = part
            patience.step()

        self.ids.compare(self._part, self._repeated, step)
        self._stage = "search"

    def _search(self, packager: Packager, patience: Patience) -> None:
        patience()  # once a pass is begun, it must get somewhere

        def step(at: Checkpoint) -> None:
            self._at = at
            patience.step()

        for each in packager.having(self._repeated, self.ids, self._at, step):
            self._found.append(each)
            if len(self._found) - len(self._repeated) > idhashes.MAX_DUPLICATES:
                raise idhashes.too_many()
