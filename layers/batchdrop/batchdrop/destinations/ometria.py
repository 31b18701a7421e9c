"""Ometria, batch API of website personalisation.

Sources: "Batch API upload and processing" (upload, receipt, process, `delete_on_completion`), "Batch API: other
operations" (cancel, reprocess, report), "Batch API access and authentication" (Basic, key and secret). Unknown and
assumed: which of the headers `Authentication` and `Authorization` is read (both are sent), how an MD5 is sent (not,
unless the route names a header), what the report answers before its time (404 or an empty answer) and what is in it:
see `ometria_report.py`.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from typing import ClassVar, Literal, cast
from urllib.parse import quote

from batchdrop.destinations.base import (
    Canceled,
    Collected,
    Found,
    Output,
    Payload,
    Receipt,
    Reconciled,
    Session,
    SetRules,
    Status,
    Step,
    StepKind,
    Undecided,
    VendorState,
    id_field,
    json_object,
    told,
)
from batchdrop.destinations.ometria_report import Report
from batchdrop.errors import Ambiguous, Rejected
from batchdrop.fields import Field
from batchdrop.job import Batch
from batchdrop.multipart import multipart
from batchdrop.ports import Request, Response
from batchdrop.words import BatchState

_KEY = r"[a-z0-9-]{1,63}"
# What the vendor speaks of. That it takes others is nowhere said, nor that it does not.
KNOWN_FILES = ("categories.json", "products.json", "pages.json", "definitions.json")
_REPORT_BYTES = 20_000_000
_UPLOAD_SECONDS = 600.0


class Ometria:
    """Destination `ometria`."""

    name: ClassVar[str] = "ometria"
    secret: ClassVar[tuple[str, ...]] = ("api_key", "api_secret")
    sets: ClassVar[Literal["never", "allowed", "required"]] = "allowed"
    callbacks: ClassVar[bool] = False
    names_rejects: ClassVar[bool] = False
    reports_failures: ClassVar[bool] = True
    receipt_name: ClassVar[str] = "receipt"
    side_by_side: ClassVar[bool] = False  # a set is not cut
    account: ClassVar[Mapping[str, Field]] = {
        "domain_key": Field("text", "your domain key at Ometria", pattern=_KEY),
        "location_key": Field("text", "your location key at Ometria", pattern=_KEY),
        "base_url": Field(
            "text", "the API's address; default: https://DOMAIN_KEY.api-LOCATION_KEY.ometria.services", None
        ),
        "type": Field("text", "a full re-index of the catalogue, or a delta", choices=("full", "delta")),
        "delete_on_completion": Field(
            "boolean", "have Ometria delete the upload once it is processed; it cannot be reprocessed then", True
        ),
        "members": Field("list", "the only names the JSON files may have; default: any that is safe", ()),
        "invalid_records": Field(
            "text", "send a file without its invalid records, or refuse the set", "skip", choices=("skip", "refuse")
        ),
        "max_zip_bytes": Field(
            "integer", "a bigger ZIP is refused (the vendor's limit is unknown)", 1_000_000_000, minimum=1
        ),
        "auth_header": Field(
            "text",
            "the header the credentials go in: the vendor's page shows Authentication, the standard is Authorization",
            "both",
            choices=("both", "Authentication", "Authorization"),
        ),
        "md5_header": Field("text", "a header to send the MD5 of the ZIP in", None, pattern=r"[A-Za-z0-9-]{1,64}"),
        "md5_encoding": Field("text", "how the MD5 is written", "hex", choices=("hex", "base64")),
        "report_without_status": Field(
            "text",
            "what a report without a word for success or failure amounts to: handed_over leaves the records "
            "unconfirmed, completed takes them as accepted",
            "handed_over",
            choices=("handed_over", "completed"),
        ),
        "look_for_report": Field(
            "duration",
            "after a process call without an answer, how long a report is looked for before the batch is held",
            "1h",
            minimum=0,
        ),
        "process_is_idempotent": Field(
            "boolean",
            "Ometria has told you that a second process call for one receipt does nothing: a doubtful one is repeated",
            False,
        ),
    }

    def check(self, route: Mapping[str, object]) -> list[tuple[str, str]]:
        names = cast("Mapping[str, object]", route["account"])["members"]
        wrong = [n for n in cast("tuple[object, ...]", names) if not _is_member_name(n)]
        return [("account.members", f"{wrong[0]!r} is not a name such as products.json")] if wrong else []

    def output(self, account: Mapping[str, object]) -> Output:
        names = tuple(str(name) for name in cast("tuple[object, ...]", account["members"]))
        rules = SetRules(
            names=names, usual=() if names else KNOWN_FILES, refuse_invalid=account["invalid_records"] == "refuse"
        )
        return Output("zip", cast(int, account["max_zip_bytes"]), sets=rules)

    # --- submission ---

    def prepare(self, session: Session) -> Receipt:
        return {}

    def steps(self) -> tuple[Step, ...]:
        return (
            Step("upload", StepKind.REPEATABLE, self._upload),  # an upload that is not processed does nothing
            Step("process", StepKind.COMMIT, self._process, self._was_processed),
        )

    def _upload(self, session: Session, batch: Batch) -> Receipt:
        payload = session.payload
        if payload is None:
            raise ValueError("nothing to upload")
        url = f"{_base(session)}/batch/upload/{session.account['type']}"
        extra = _md5(session, payload)

        def build(fresh: bool) -> Request:
            file = ("files", "upload.zip", "application/zip", payload.size, payload.open)
            kind, length, body = multipart([], [file], seed=payload.sha256)
            headers = _credentials(session, fresh) | {"Content-Type": kind} | extra
            return Request("POST", url, headers, body, length, _UPLOAD_SECONDS)

        with told(session):
            answer = session.call(build)
        data = json_object(answer).get("data")
        return {"receipt": id_field(answer, data if isinstance(data, dict) else {}, "receipt")}

    def _process(self, session: Session, batch: Batch) -> Receipt:
        delete = "true" if session.account["delete_on_completion"] else "false"
        answer = self._put(session, "process", batch, f"?delete_on_completion={delete}")
        if answer.body.lstrip()[:1] == b"<":  # its proper body is unknown, but surely no web page
            raise Ambiguous("the vendor answered the process call with a web page", status=answer.status)
        return {}

    def _was_processed(self, session: Session, batch: Batch) -> Reconciled:
        """A report proves the call. Its absence proves nothing: processing may still run, so it is looked for again."""
        if self._report(session, batch) is not None:
            return Found()
        if session.account["process_is_idempotent"] and not session.only_asks:
            self._process(session, batch)
            return Found()
        patience = float(cast(float, session.account["look_for_report"]))
        if session.clock.now() < batch.doubt_at / 1000 + patience:
            raise Ambiguous("no report yet: whether the process call arrived cannot be told so far")
        return Undecided(
            f"receipt {batch.receipt['receipt']} was uploaded, but whether it is being processed cannot be told: there "
            f"is no report after {patience:g} s"
        )

    # --- afterwards ---

    def ask(self, session: Session, batch: Batch) -> Status:
        """The report is all there is to ask for; until it is there, the batch is running."""
        answer = self._report(session, batch)
        if answer is None:
            return Status(VendorState.RUNNING, "no report yet")
        return Report.read(answer).status(str(session.account["report_without_status"]))

    def collect(self, session: Session, batch: Batch) -> Collected:
        """Store the report. Which records it is about is not known, so none is counted as refused."""
        answer = self._report(session, batch)
        if answer is None:
            return Collected(unknown=True, warnings=["Ometria's report is gone: it was there, but could not be kept"])
        report, failed = Report.read(answer), batch.status is BatchState.FAILED
        return Collected(
            results=[session.shelf.store(f"batch-{batch.n:05d}-report.json", iter([answer.body]))],
            warnings=[] if failed else report.notes(),  # of a failure trouble is no news
            unknown=bool(report.troubles()),
        )

    def cancel(self, session: Session, batch: Batch) -> Canceled:
        """Ask Ometria to cancel the upload; it may be halfway through."""
        try:
            self._put(session, "cancel", batch)
        except Rejected:
            return Canceled.TOO_LATE
        return Canceled.STOPPED

    # --- requests ---

    def _put(self, session: Session, verb: str, batch: Batch, query: str = "") -> Response:
        url = f"{_base(session)}/batch/{verb}/{_receipt(batch)}{query}"
        with told(session):
            return session.call(lambda fresh: Request("PUT", url, _credentials(session, fresh), b"", 0))

    def _report(self, session: Session, batch: Batch) -> Response | None:
        url = f"{_base(session)}/reporting/report/{_receipt(batch)}"
        try:
            answer = session.call(
                lambda fresh: Request("GET", url, _credentials(session, fresh), max_bytes=_REPORT_BYTES)
            )
        except Rejected as error:
            if error.status == 404:
                return None
            raise
        return answer if answer.body.strip() else None


def _is_member_name(name: object) -> bool:
    return isinstance(name, str) and re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*\.json", name) is not None


def _base(session: Session) -> str:
    if session.account["base_url"]:
        return session.base_url
    return f"https://{session.account['domain_key']}.api-{session.account['location_key']}.ometria.services"


def _receipt(batch: Batch) -> str:
    return quote(batch.receipt["receipt"], safe="")


def _credentials(session: Session, fresh: bool) -> dict[str, str]:
    secret = session.secret(fresh)
    basic = "Basic " + base64.b64encode(f"{secret['api_key']}:{secret['api_secret']}".encode()).decode()
    wanted = session.account["auth_header"]
    return {name: basic for name in ("Authentication", "Authorization") if wanted in ("both", name)}


def _md5(session: Session, payload: Payload) -> dict[str, str]:
    name = session.account["md5_header"]
    if not name:
        return {}
    digest = hashlib.md5(usedforsecurity=False)  # what the vendor asks for: a check of the transfer
    with payload.open() as stream:
        while chunk := stream.read(1 << 18):
            digest.update(chunk)
    in_hex = session.account["md5_encoding"] == "hex"
    return {str(name): digest.hexdigest() if in_hex else base64.b64encode(digest.digest()).decode()}
