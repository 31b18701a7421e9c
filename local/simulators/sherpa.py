"""Sherpa.ai, custom content recommendation, batch import.

From the vendor's pages: paths, the five headers on every call, the signature and its 10 seconds, the request's body
and answers, the file formats, the status words, the lists of elements not added, cancel only while `queued`.
Assumed: the code of a cancel that comes too late (an option), the codes of request errors other than
`EntityNotFoundException`, that a file is fetched once, by a plain GET without redirects.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar
from urllib.parse import urlsplit

from local.simulators import sherpa_files
from local.simulators.clock import stage
from local.simulators.outbound import call_out
from local.simulators.records import Commit
from local.simulators.server import Endpoint, Options, Refusal, Simulator
from local.simulators.wire import Body, Call, Reply

BASE = "/v2/recomm"
USERS = BASE + "/users/batch"
OF_TABLE = BASE + "/{table_id}/{dataset}/batch"
SIGNATURE_SECONDS = 10
NOT_ADDED = {"items": "itemsNotAdded", "users": "usersNotAdded", "interactions": "interactionsNotAdded"}
CODES = {400: "InvalidArgumentException", 401: "UnauthorizedException", 404: "EntityNotFoundException"}


def signature(private_key: str, path: str, timestamp: str, nonce: str) -> str:
    """The vendor's signature: base64 of the raw HMAC-SHA1 over path, timestamp and nonce."""
    message = f"{path}:{timestamp}:{nonce}".encode()
    return base64.b64encode(hmac.new(private_key.encode(), message, hashlib.sha1).digest()).decode()


def _types() -> dict[str, dict[str, str]]:
    return {
        "items": {"price": "double", "quantity": "integer"},
        "users": {"age": "integer"},
        "interactions": {"timestamp": "integer", "value": "double"},
    }


@dataclass(slots=True)
class SherpaOptions(Options):
    """Credentials, the attributes defined beforehand, and what the page leaves open."""

    api_key: str = "sherpa-public-key"
    private_key: str = "sherpa-private-key"
    table_id: str = "products"
    types: dict[str, dict[str, str]] = field(default_factory=_types)
    partial_word: str = "completed_with_errors"  # the page's table has completedwitherrors
    late_cancel_status: int = 400


@dataclass(slots=True)
class Upload:
    """One batch request."""

    id: str
    table: str
    dataset: str
    url: str
    format: str
    at: float
    commit: Commit
    request: int  # its number in the log
    never: str = ""  # the state it is stuck in
    failed: bool = False
    expired: bool = False
    extra: list[dict[str, str]] = field(default_factory=list)
    fetching: threading.Thread | None = None
    result: str = ""  # the terminal word, once the file has been dealt with
    not_added: list[dict[str, str]] = field(default_factory=list)
    canceled: bool = False


class SherpaSimulator(Simulator[SherpaOptions]):
    """Really fetches the URL it is given, when the request leaves the queue."""

    vendor = "sherpa"
    options_type = SherpaOptions
    endpoints: ClassVar[tuple[Endpoint, ...]] = (
        Endpoint("upload", "POST", USERS),
        Endpoint("status", "GET", USERS + "/{request_id}"),
        Endpoint("cancel", "DELETE", USERS + "/{request_id}"),
        Endpoint("upload", "POST", OF_TABLE),
        Endpoint("status", "GET", OF_TABLE + "/{request_id}"),
        Endpoint("cancel", "DELETE", OF_TABLE + "/{request_id}"),
    )
    extra_faults: ClassVar[Mapping[str, str]] = {
        "not_added": "the status lists these too, whatever was sent; value: a list of {errorId, code, message}",
    }

    def clear(self) -> None:
        self._uploads: dict[str, Upload] = {}
        self._nonces: set[str] = set()
        self.elements: set[tuple[str, str, str]] = set()  # dataset, table, id of all that was ever added
        self.fetches: list[dict[str, Any]] = []

    def stop(self) -> None:
        self.settle()
        super().stop()

    def settle(self) -> None:
        """Wait until no file is being fetched."""
        for upload in list(self._uploads.values()):
            if upload.fetching is not None:
                upload.fetching.join()

    def error(self, status: int, message: str) -> Reply:
        code = CODES.get(status, "ServiceException")
        return Reply.json({"code": code, "description": message}, status)

    # --- credentials ---

    def check(self, call: Call, endpoint: Endpoint) -> None:
        if call.content_type != "application/json":
            raise Refusal(400, "Content-Type is not application/json", "content_type")
        if call.header("Authorization"):
            raise Refusal(400, "the API has no Authorization header", "header")
        if call.header("X-Sherpa-apikey") != self.options.api_key:
            raise Refusal(401, "missing or unknown X-Sherpa-apikey", "credentials")
        if self.faults.take(endpoint.name, "expired_token"):
            raise Refusal(401, "the signature has expired")
        self._check_signature(call)

    def _check_signature(self, call: Call) -> None:
        timestamp, nonce = call.header("X-Sherpa-timestamp"), call.header("X-Sherpa-nonce")
        if not timestamp.isdigit() or abs(self.clock.now() - int(timestamp) / 1000) > SIGNATURE_SECONDS:
            raise Refusal(401, "X-Sherpa-timestamp is not a time in milliseconds within 10 seconds", "timestamp")
        # The page signs the query too, the vendor's own client does not.
        signed = [signature(self.options.private_key, path, timestamp, nonce) for path in (call.path, call.target)]
        if not nonce or call.header("X-Sherpa-hmac") not in signed:
            raise Refusal(401, "X-Sherpa-hmac does not match", "signature")
        if nonce in self._nonces:
            raise Refusal(401, "X-Sherpa-nonce was used before", "nonce")
        self._nonces.add(nonce)

    # --- the API ---

    def on_upload(self, call: Call) -> Reply:
        table, dataset = self._target(call)
        given = _payload(call)
        identifier, now = str(uuid.uuid4()), self.clock.now()
        about = {"dataset": dataset, "table": table, "file": urlsplit(given["url"]).path, "state": "queued"}
        commit = Commit(identifier, now, detail=about)
        never = self.faults.take("upload", "never")
        listed = self.faults.take("upload", "not_added")
        self._uploads[identifier] = Upload(
            identifier,
            table,
            dataset,
            given["url"],
            given["format"],
            now,
            commit,
            call.number,
            never=str(never.value or "uploading") if never else "",
            failed=self.faults.take("upload", "failed") is not None,
            expired=self.faults.take("upload", "expired_url") is not None,
            extra=list(listed.value) if listed else [],
        )
        self.commits.append(commit)
        return Reply.json({"requestId": identifier, "status": "queued"}, 202)

    def on_status(self, call: Call) -> Reply:
        upload = self._upload(call)
        state = self._state(upload)
        answer: dict[str, Any] = {"requestId": upload.id, "status": self._said(state)}
        if upload.not_added and state == upload.result:
            answer[NOT_ADDED[upload.dataset]] = upload.not_added
        return Reply.json(answer)

    def on_cancel(self, call: Call) -> Reply:
        upload = self._upload(call)
        if self._state(upload) != "queued":
            raise Refusal(self.options.late_cancel_status, f"Request [{upload.id}] is no longer queued.")
        upload.canceled = True
        self.commits.remove(upload.commit)
        return Reply.json({"requestId": upload.id, "status": "canceled"})

    def _said(self, state: str) -> str:
        fault = self.faults.take("status", "unknown_state", "wrong_spelling")
        if fault is None:
            return state
        other = {"completed_with_errors": "completedwitherrors", "uploading": "processing"}
        return str(fault.value or ("paused" if fault.kind == "unknown_state" else other.get(state, state.upper())))

    def _target(self, call: Call) -> tuple[str, str]:
        """Table and dataset of the path; users belong to no table."""
        if "dataset" not in call.params:
            return "", "users"
        table, dataset = call.params["table_id"], call.params["dataset"]
        if dataset not in ("items", "interactions"):
            raise Refusal(404, f"no such path: {call.path}", "path")
        if table != self.options.table_id:
            raise Refusal(404, f"Table [{table}] does not exist.", "table")
        return table, dataset

    def _upload(self, call: Call) -> Upload:
        if call.body.size:
            raise Refusal(400, "no body is expected", "payload")
        upload = self._uploads.get(call.params["request_id"])
        if upload is None or (upload.table, upload.dataset) != self._target(call):
            raise Refusal(404, f"Request [{call.params['request_id']}] does not exist.", "order")
        return upload

    # --- the queue ---

    def tick(self) -> None:
        for upload in self._uploads.values():
            upload.commit.detail["state"] = state = self._state(upload)
            if state == "uploading" and upload.fetching is None:
                upload.fetching = threading.Thread(target=self._import, args=(upload,), daemon=True)
                upload.fetching.start()

    def _state(self, upload: Upload) -> str:
        if upload.canceled:
            return "canceled"
        reached = stage(self.clock.now() - upload.at, self.options.seconds_per_state, 2)
        if upload.never:
            reached = min(reached, 0 if upload.never == "queued" else 1)
        return "queued" if reached == 0 else upload.result if reached == 2 and upload.result else "uploading"

    def _import(self, upload: Upload) -> None:
        """Fetch the file, without the lock, and deal with its rows."""
        status, data = (403, b"") if upload.expired else call_out("GET", upload.url, timeout=10)
        with self.lock:
            self.fetches.append({"request_id": upload.id, "status": status, "size": len(data)})
            if status != 200 or upload.failed:
                upload.result = "error"
                return
            try:
                self._add(upload, data)
            except sherpa_files.FileRefused as refused:
                self.violate(upload.request, "upload", refused.rule, str(refused))
                upload.result = "error"

    def _add(self, upload: Upload, data: bytes) -> None:
        commit = upload.commit
        commit.bodies = [Body.of(data)]
        commit.sha256, commit.size = commit.bodies[0].sha256, len(data)
        rows = sherpa_files.read(data, upload.format)
        commit.records = len(rows)
        upload.not_added = [refused for row in rows if (refused := self._refused(upload, row))] + upload.extra
        upload.result = self.options.partial_word if upload.not_added else "completed"

    def _refused(self, upload: Upload, row: dict[str, Any]) -> dict[str, str] | None:
        """Add the row, or say why not."""
        identifier = sherpa_files.identify(row, upload.dataset, upload.table)
        message = sherpa_files.fault_of(row, upload.dataset, self.options.types.get(upload.dataset, {}))
        if message:
            return {"errorId": identifier, "code": "InvalidArgumentException", "message": message}
        element = (upload.dataset, upload.table, identifier)
        if element in self.elements:
            message = sherpa_files.already_exists(row, upload.dataset, identifier)
            return {"errorId": identifier, "code": "EntityAlreadyExistsException", "message": message}
        self.elements.add(element)
        return None

    # --- the rest ---

    def describe(self) -> dict[str, Any]:
        states = {upload.id: self._state(upload) for upload in self._uploads.values()}
        return {"uploads": states, "fetches": self.fetches, "elements": len(self.elements)}

    def records_of(self, commit: Commit) -> list[Any]:
        upload = self._uploads[commit.id]
        return sherpa_files.read(commit.bodies[0].read(), upload.format) if commit.bodies else []

    def example(self) -> dict[str, Any]:
        account = {"base_url": self.url + BASE, "table_id": self.options.table_id, "dataset": "items", "format": "csv"}
        return {
            "url": self.url,
            "route": {
                "destination": "sherpa",
                "account": account,
                "secret": "sherpa-main",
                "input": {"format": "auto", "id": "itemId", "types": {"price": "number", "quantity": "integer"}},
                "deadline": "1h",
                "poll": {"first": "2s", "factor": 1.5, "max": "5s"},
            },
            "secret": {"api_key": self.options.api_key, "private_key": self.options.private_key},
        }


def _payload(call: Call) -> dict[str, str]:
    try:
        given = json.loads(call.body.read().decode("utf-8"))
    except ValueError as error:
        raise Refusal(400, f"the body is not JSON: {error}", "payload") from None
    if not isinstance(given, dict) or set(given) != {"url", "format"}:
        raise Refusal(400, "the body is url and format, nothing else", "payload")
    if given["format"] not in ("csv", "json"):
        raise Refusal(400, "format is csv or json", "payload")
    if urlsplit(str(given["url"])).scheme not in ("http", "https"):
        raise Refusal(400, "url is not a web address", "payload")
    return given
