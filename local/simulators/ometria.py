"""Ometria, batch API of website personalisation.

From the vendor's pages: paths, Basic credentials, the part `files` with one ZIP of .json members, the receipt, the
separate process call and its `delete_on_completion`, cancel, reprocess, the report after completion. Assumed, and
switchable where it matters: which of the two headers is read, every status code of a refusal, the bodies of process
and report and what the report answers before completion, that the four member names are the only ones, and that a
repeated process call processes once more.
"""

from __future__ import annotations

import base64
import io
import json
import secrets
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from local.simulators import multipart
from local.simulators.clock import stage
from local.simulators.records import Commit
from local.simulators.server import Endpoint, Options, Refusal, Simulator
from local.simulators.wire import Body, Call, Reply

MEMBERS = ("categories.json", "products.json", "pages.json", "definitions.json")
TYPES = ("full", "delta")
HEADERS = ("Authentication", "Authorization")
TOO_EARLY = ("404", "processing")


@dataclass(slots=True)
class OmetriaOptions(Options):
    """Credentials and what the pages leave open."""

    api_key: str = "ometria-key"
    api_secret: str = "ometria-secret"
    reads_header: str = "either"  # or one of HEADERS
    members: tuple[str, ...] = MEMBERS  # empty: any name ending in .json
    process_body: str = ""
    report_too_early: str = "404"  # or `processing`: 200 with that status
    report: Any = None  # instead of the report made up here


@dataclass(slots=True)
class Upload:
    receipt: str
    type: str
    zip: bytes
    counts: dict[str, int]
    started_at: float | None = None
    delete: bool = False
    canceled: bool = False
    deleted: bool = False
    never: bool = False
    failed: str = ""


class OmetriaSimulator(Simulator[OmetriaOptions]):
    """Two phases: an upload does nothing until it is processed."""

    vendor = "ometria"
    options_type = OmetriaOptions
    endpoints: ClassVar[tuple[Endpoint, ...]] = (
        Endpoint("upload", "POST", "/batch/upload/{type}"),
        Endpoint("process", "PUT", "/batch/process/{receipt}"),
        Endpoint("cancel", "PUT", "/batch/cancel/{receipt}"),
        Endpoint("reprocess", "PUT", "/batch/reprocess/{receipt}"),
        Endpoint("report", "GET", "/reporting/report/{receipt}"),
    )
    extra_faults: ClassVar[Mapping[str, str]] = {
        "report": "the next finished report is the value, whatever it is",
    }

    def clear(self) -> None:
        self._uploads: dict[str, Upload] = {}

    def check(self, call: Call, endpoint: Endpoint) -> None:
        given = {name: call.header(name) for name in HEADERS if call.header(name)}
        if len(set(given.values())) > 1:
            raise Refusal(401, "the two headers differ", "credentials")
        wanted = self.options.reads_header
        read = given.get(wanted, "") if wanted in HEADERS else next(iter(given.values()), "")
        pair = f"{self.options.api_key}:{self.options.api_secret}".encode()
        if read != "Basic " + base64.b64encode(pair).decode():
            raise Refusal(401, "missing or wrong credentials", "credentials")
        if self.faults.take(endpoint.name, "expired_token"):
            raise Refusal(401, "the key has been withdrawn")
        if endpoint.name != "upload" and call.body.size:
            raise Refusal(400, "no body is expected", "payload")

    # --- the API ---

    def on_upload(self, call: Call) -> Reply:
        if call.params["type"] not in TYPES:
            raise Refusal(400, f"the type is one of {', '.join(TYPES)}", "type")
        data = self._zip_of(call)
        counts = self._members(data)
        receipt = self.make("upload", secrets.token_hex(16))
        self._uploads[receipt] = Upload(receipt, call.params["type"], data, counts)
        return Reply.json({"data": {"receipt": receipt}})

    def on_process(self, call: Call) -> Reply:
        upload = self._upload(call)
        unknown = set(call.query) - {"delete_on_completion"}
        delete = call.query.get("delete_on_completion", "false")
        if unknown or delete not in ("true", "false"):
            raise Refusal(400, "the only parameter is delete_on_completion, true or false", "parameter")
        if upload.canceled or upload.deleted:
            raise Refusal(400, "the upload was canceled or deleted", "order")
        upload.delete = delete == "true"
        self._start(upload, "process")
        return Reply(body=self.options.process_body.encode())

    def on_cancel(self, call: Call) -> Reply:
        upload = self._upload(call)
        if self._done(upload):
            raise Refusal(400, "the upload has completed")
        if upload.started_at is not None:
            self.commits = [commit for commit in self.commits if commit.detail["receipt"] != upload.receipt]
        upload.canceled = True
        return Reply(body=self.options.process_body.encode())

    def on_reprocess(self, call: Call) -> Reply:
        upload = self._upload(call)
        if not self._done(upload) or upload.failed:
            raise Refusal(400, "only an upload that completed successfully can be reprocessed", "order")
        if upload.deleted:
            raise Refusal(400, "the content was deleted on completion")
        self._start(upload, "reprocess")
        return Reply(body=self.options.process_body.encode())

    def on_report(self, call: Call) -> Reply:
        upload = self._upload(call)
        if not self._done(upload):
            if self.options.report_too_early == "processing":
                return Reply.json({"status": "processing"})
            raise Refusal(404, "no report yet")
        ordered = self.faults.take("report", "report")
        if ordered is not None or self.options.report is not None:
            return Reply.json(ordered.value if ordered else self.options.report)
        said = self.faults.take("report", "unknown_state", "wrong_spelling")
        spellings = {"wrong_spelling": "COMPLETE", "unknown_state": "marinating"}
        status = str(said.value or spellings[said.kind]) if said else upload.failed or "completed"
        content = {name.removesuffix(".json"): {"received": count} for name, count in upload.counts.items()}
        return Reply.json({"data": {"receipt": upload.receipt, "type": upload.type, "status": status, **content}})

    # --- the upload ---

    def _zip_of(self, call: Call) -> bytes:
        """The one file of the form, with its MD5 checked wherever the client sent one."""
        try:
            given = multipart.parts(call)
        except ValueError as error:
            raise Refusal(400, str(error), "multipart") from None
        files = [part for part in given if part.name == "files"]
        if len(files) != 1 or not files[0].filename:
            raise Refusal(400, "one file is expected, in a part named files", "multipart")
        others = [part for part in given if part.name != "files"]
        if any(part.name != "md5" for part in others):
            raise Refusal(400, "the page has no other parts", "multipart")
        sums = [part.text for part in others] + [value for name, value in call.headers if "md5" in name.lower()]
        if any(value not in _md5_forms(files[0].data) for value in sums):
            raise Refusal(400, "the MD5 is not that of the file", "md5")
        return files[0].data

    def _members(self, data: bytes) -> dict[str, int]:
        """Member and number of its records."""
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                names = archive.namelist()
                content = {name: json.loads(archive.read(name).decode("utf-8")) for name in names}
        except (zipfile.BadZipFile, ValueError, RuntimeError) as error:
            raise Refusal(400, f"not a ZIP of JSON files: {error}", "zip") from None
        if not names or len(content) != len(names):
            raise Refusal(400, "no member, or two of one name", "zip")
        allowed = self.options.members
        wrong = [name for name in names if (allowed and name not in allowed) or not name.endswith(".json")]
        if wrong:
            raise Refusal(
                400, f"{', '.join(wrong)}: the files of an upload are {', '.join(allowed) or '*.json'}", "zip"
            )
        return {name: len(value) if isinstance(value, list) else 1 for name, value in content.items()}

    def _start(self, upload: Upload, how: str) -> None:
        failed = self.faults.take(how, "failed")
        upload.failed = str(failed.value or "failed") if failed else ""
        upload.never = self.faults.take(how, "never") is not None
        upload.started_at = self.clock.now()
        body, count = Body.of(upload.zip), sum(upload.counts.values())
        detail = {"receipt": upload.receipt, "how": how, "type": upload.type}
        identifier = f"{upload.receipt}-{1 + len(self.commits)}"
        self.commits.append(Commit(identifier, upload.started_at, body.sha256, body.size, count, detail, [body]))

    def _done(self, upload: Upload) -> bool:
        if upload.started_at is None or upload.canceled:
            return False
        last = 0 if upload.never else 1
        return stage(self.clock.now() - upload.started_at, self.options.seconds_per_state, last) == 1

    def tick(self) -> None:
        for upload in self._uploads.values():
            upload.deleted = upload.deleted or (upload.delete and self._done(upload))

    def _upload(self, call: Call) -> Upload:
        found = self._uploads.get(call.params["receipt"])
        if found is None:
            raise Refusal(404, "no such receipt", "order")
        return found

    # --- the rest ---

    def _state(self, upload: Upload) -> str:
        if upload.canceled:
            return "canceled"
        if upload.started_at is None:
            return "uploaded"
        return (upload.failed or "completed") if self._done(upload) else "processing"

    def describe(self) -> dict[str, Any]:
        return {"uploads": {upload.receipt: self._state(upload) for upload in self._uploads.values()}}

    def records_of(self, commit: Commit) -> list[Any]:
        with zipfile.ZipFile(io.BytesIO(commit.bodies[0].read())) as archive:
            content = [json.loads(archive.read(name)) for name in archive.namelist()]
        return [record for value in content for record in (value if isinstance(value, list) else [value])]

    def example(self) -> dict[str, Any]:
        return {
            "url": self.url,
            "route": {
                "destination": "ometria",
                "account": {
                    "base_url": self.url,
                    "domain_key": "shop",
                    "location_key": "eu",
                    "type": "full",
                    "delete_on_completion": True,
                },
                "secret": "ometria-main",
                "input": {"format": "auto"},
                "deadline": "1h",
                "poll": {"first": "2s", "factor": 1.5, "max": "5s"},
            },
            "secret": {"api_key": self.options.api_key, "api_secret": self.options.api_secret},
        }


def _md5_forms(data: bytes) -> tuple[str, str]:
    """The two usual ways to write a digest; the pages do not say which one is meant."""
    digest = bytes.fromhex(Body.of(data).md5)
    return digest.hex(), base64.b64encode(digest).decode()
