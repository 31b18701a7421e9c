"""Haplo, batch import API (`haplo-data-import-batch`).

From the vendor's page: the four calls, their parameters and plain text answers. From the vendor's public source: the
texts of the refusals, digests (SHA-256 in hex) and identifiers (33 random bytes), the refusal of credentials and its
throttle, that the last file of a name wins, that a late file is still taken, 16 MiB as the limit of a file read as
text. The run after `SCHEDULED` cannot be asked about; here it can be seen in `state`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import parse_qsl

from local.simulators import multipart
from local.simulators.clock import stage
from local.simulators.haplo_control import problems, read_records
from local.simulators.records import Commit
from local.simulators.server import Endpoint, Options, Refusal, Simulator
from local.simulators.wire import Body, Call, Reply

BASE = "/api/haplo-data-import-batch"
FORM, MULTIPART = "application/x-www-form-urlencoded", "multipart/form-data"
CONTENT_TYPES = {"control": MULTIPART, "batch": FORM, "file": MULTIPART, "schedule": FORM}
PARAMETERS = {
    "control": {"comment", "file"},
    "batch": {"comment", "control"},
    "file": {"batch", "name", "file"},
    "schedule": {"batch", "mode"},
}
FAILURES_ALLOWED = 50
QUIET_SECONDS = 300


@dataclass(slots=True)
class HaploOptions(Options):
    """The key, and the models that this application implements."""

    api_key: str = "haplo-api-key"
    models: tuple[str, ...] = ("haplo:person",)


@dataclass(slots=True)
class Batch:
    id: str
    control: bytes
    files: dict[str, Body] = field(default_factory=dict)
    records: list[Any] | None = None  # of the run; None where it cannot read them
    scheduled_at: float | None = None
    dry_run: bool = False
    failed: bool = False
    never: bool = False


class HaploSimulator(Simulator[HaploOptions]):
    """Plain text answers, and no way to ask what became of a batch."""

    vendor = "haplo"
    options_type = HaploOptions
    endpoints: ClassVar[tuple[Endpoint, ...]] = tuple(
        Endpoint(name, "POST", f"{BASE}/{name}") for name in CONTENT_TYPES
    )
    extra_faults: ClassVar[Mapping[str, str]] = {
        "wrong_digest": "the digest answered is that of other bytes",
    }

    def clear(self) -> None:
        self._controls: dict[str, bytes] = {}
        self._batches: dict[str, Batch] = {}
        self._failures = 0
        self._last_failure = float("-inf")
        self.dry_runs: list[Commit] = []

    def error(self, status: int, message: str) -> Reply:
        return Reply.text(message, status)

    # --- credentials ---

    def check(self, call: Call, endpoint: Endpoint) -> None:
        self._check_key(call, endpoint)
        if call.content_type != CONTENT_TYPES[endpoint.name]:
            raise Refusal(400, f"the body of {endpoint.name} is {CONTENT_TYPES[endpoint.name]}", "content_type")

    def _check_key(self, call: Call, endpoint: Endpoint) -> None:
        user, key = _basic(call.header("Authorization"))
        if user != "haplo":
            reply = Reply.text("Unauthorised", 403) if call.content_type == MULTIPART else None
            text = "no credentials, or a user other than haplo"
            raise Refusal(403, text, "credentials", reply or _denied("UNAUTHORISED", "Unauthorised"))
        now = self.clock.now()
        if now - self._last_failure >= QUIET_SECONDS:
            self._failures = 0
        if self._failures >= FAILURES_ALLOWED:
            text = "Too many failed API authentication attempts, try again later"
            raise Refusal(403, text, "throttled", _denied("THROTTLE", text))
        expired = self.faults.take(endpoint.name, "expired_token") is not None
        if expired or key != self.options.api_key:
            self._failures, self._last_failure = self._failures + 1, now
            rule = "" if expired else "credentials"
            raise Refusal(403, "wrong key", rule, _denied("INVALID-API-KEY", "Invalid API Key"))
        self._failures = 0

    # --- the four calls ---

    def on_control(self, call: Call) -> Reply:
        data = self._form(call, "control", file=True)["file"]
        reasons = problems(data, self.options.models)
        if reasons:
            raise Refusal(400, reasons, "control")
        digest = hashlib.sha256(data).hexdigest()
        if digest not in self._controls:
            self.make("control", digest)
        self._controls[digest] = data
        return self._digest(digest, "control")

    def on_batch(self, call: Call) -> Reply:
        digest = self._form(call, "batch", "control")["control"].decode()
        if digest not in self._controls:
            raise Refusal(400, f"Control file not found: {digest}", "order")
        identifier = self.make("batch", base64.b64encode(secrets.token_bytes(33), altchars=b"_-").decode())
        self._batches[identifier] = Batch(identifier, self._controls[digest])
        return Reply.text(identifier)

    def on_file(self, call: Call) -> Reply:
        form = self._form(call, "file", "batch", "name", file=True)
        batch = self._batch(form["batch"].decode())
        body = Body.of(form["file"])
        if batch.scheduled_at is not None:
            self.violate(call.number, "file", "order", "a file after the batch was scheduled may or may not be read")
        else:
            batch.files[form["name"].decode()] = body
        return self._digest(body.sha256, "file")

    def on_schedule(self, call: Call) -> Reply:
        form = self._form(call, "schedule", "batch")
        batch = self._batch(form["batch"].decode())
        if batch.scheduled_at is not None:
            raise Refusal(400, f"Batch {batch.id} is not in the 'uploading' state")
        mode = form.get("mode", b"").decode()
        if mode not in ("", "dry-run"):
            self.violate(call.number, "schedule", "mode", f"mode {mode!r} means a real run; only dry-run has an effect")
        batch.records = _read(batch)
        batch.scheduled_at, batch.dry_run = self.clock.now(), mode == "dry-run"
        batch.failed = self.faults.take("schedule", "failed") is not None
        batch.never = self.faults.take("schedule", "never") is not None
        (self.dry_runs if batch.dry_run else self.commits).append(self._commit(batch))
        return Reply.text("SCHEDULED")

    # --- their parts ---

    def _form(self, call: Call, endpoint: str, *required: str, file: bool = False) -> dict[str, bytes]:
        """The parameters by name; the texts of the refusals are the vendor's."""
        form = self._multipart(call) if file else _urlencoded(call)
        if unknown := set(form) - PARAMETERS[endpoint]:
            raise Refusal(400, f"unknown parameters: {sorted(unknown)}", "parameter")
        if any(not form.get(name) for name in required) or (file and "file" not in form):
            raise Refusal(400, "Bad request (failed validation)", "parameter")
        return form

    def _multipart(self, call: Call) -> dict[str, bytes]:
        try:
            given = multipart.parts(call)
        except ValueError as error:
            raise Refusal(400, str(error), "multipart") from None
        for part in given:
            if part.filename and part.name != "file":
                text = "A file was uploaded, but it was not expected by the application."
                raise Refusal(400, f"{text} Field name: '{part.name}'", "multipart")
        return {part.name: part.data for part in given if part.filename or part.name != "file"}

    def _batch(self, identifier: str) -> Batch:
        if identifier not in self._batches:
            raise Refusal(400, f"Batch not found: {identifier}", "order")
        return self._batches[identifier]

    def _digest(self, digest: str, endpoint: str) -> Reply:
        wrong = self.faults.take(endpoint, "wrong_digest")
        return Reply.text(hashlib.sha256(digest.encode()).hexdigest() if wrong else digest)

    # --- the run ---

    def _commit(self, batch: Batch) -> Commit:
        """What is run: the control file and the last file of each name."""
        digests = {name: body.sha256 for name, body in sorted(batch.files.items())}
        everything = json.dumps([hashlib.sha256(batch.control).hexdigest(), digests])
        sha256 = hashlib.sha256(everything.encode()).hexdigest()
        bodies = list(batch.files.values())
        detail = {"files": digests, "mode": "dry-run" if batch.dry_run else "run"}
        size, count = sum(body.size for body in bodies), len(batch.records or [])
        return Commit(batch.id, self.clock.now(), sha256, size, count, detail, bodies)

    def _state(self, batch: Batch) -> str:
        if batch.scheduled_at is None:
            return "uploading"
        last = 1 if batch.never else 2
        reached = stage(self.clock.now() - batch.scheduled_at, self.options.seconds_per_state, last)
        outcome = "error" if batch.failed or batch.records is None else "dry-run" if batch.dry_run else "complete"
        return ("scheduled", "running", outcome)[reached]

    # --- the rest ---

    def describe(self) -> dict[str, Any]:
        return {
            "batches": {batch.id: self._state(batch) for batch in self._batches.values()},
            "dry_runs": [commit.as_dict() for commit in self.dry_runs],
        }

    def records_of(self, commit: Commit) -> list[Any]:
        return self._batches[commit.id].records or []

    def example(self) -> dict[str, Any]:
        return {
            "url": self.url,
            "route": {
                "destination": "haplo",
                "account": {"base_url": self.url, "control": "control.json", "mode": "run", "comment": "people"},
                "secret": "haplo-main",
                "deadline": "1h",
                "poll": {"first": "2s", "factor": 1.5, "max": "5s"},
            },
            "secret": {"api_key": self.options.api_key},
        }


def _read(batch: Batch) -> list[Any] | None:
    """The records of all files; None where the run would end in an error."""
    try:
        return [record for name, body in batch.files.items() for record in read_records(batch.control, name, body)]
    except ValueError:
        return None


def _basic(header: str) -> tuple[str, str]:
    scheme, _, given = header.partition(" ")
    try:
        user, _, key = base64.b64decode(given, validate=True).decode("utf-8").partition(":")
    except ValueError:
        return "", ""
    return (user, key) if scheme == "Basic" else ("", "")


def _denied(kind: str, message: str) -> Reply:
    return Reply.json({"success": False, "kind": kind, "error": {"message": message}}, 403)


def _urlencoded(call: Call) -> dict[str, bytes]:
    given = parse_qsl(call.body.read().decode("utf-8"), keep_blank_values=True)
    return {name: value.encode() for name, value in given}
