"""Where the local stack keeps its files, and what is remembered of a running one."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from local.processes import Process

REPO = Path(__file__).resolve().parent.parent


def home() -> Path:
    """`$BATCHDROP_HOME`, else `.batchdrop/` in the repository."""
    return Path(os.environ.get("BATCHDROP_HOME") or REPO / ".batchdrop").resolve()


@dataclass(slots=True)
class LocalStack:
    """A stack on this machine: its processes, and what its deployment put out."""

    name: str
    port: int
    emulator: Process
    simulators: Process | None = None
    destinations: dict[str, str] = field(default_factory=dict)  # destination -> base_url of its simulator
    deployed: str = ""  # fingerprint of what was deployed; empty while it is not
    outputs: dict[str, str] = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def save(self) -> None:
        file = _file()
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_suffix(".new")
        draft.write_text(json.dumps(asdict(self), indent=2) + "\n")
        draft.replace(file)

    @staticmethod
    def load() -> LocalStack | None:
        """The stack of this home, whether or not it still runs; None if there is none."""
        try:
            data = json.loads(_file().read_text())
            simulators = data.pop("simulators")
            emulator = Process(**data.pop("emulator"))
            return LocalStack(emulator=emulator, simulators=Process(**simulators) if simulators else None, **data)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError):
            return None  # written by another version, or cut off: a new `up` writes it again

    @staticmethod
    def forget() -> None:
        _file().unlink(missing_ok=True)


def _file() -> Path:
    return home() / "stack.json"
