"""The Data Group, API v3, asynchronous email append by batch-file.

Sources: "Asynchronous Batch-File Tutorial" (requests, answers, 50 MB, upload URL of 8 hours), "Authorization
Tutorial" (token of 8 hours). Unknown and assumed: the path of the job call (derived from the batch-file's), the
names of the token and job id fields (several are understood), the container of the records (a JSON array), every
state but COMPLETED (taken as running), the body of a notification (never read).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import ClassVar, Literal
from urllib.parse import quote

from msgspec.structs import replace

from batchdrop.destinations.base import (
    Canceled,
    Collected,
    Found,
    NotThere,
    Output,
    Payload,
    Receipt,
    Reconciled,
    Session,
    Status,
    Step,
    StepKind,
    Undecided,
    VendorState,
    id_field,
    json_object,
    status_of,
    text_field,
)
from batchdrop.errors import Rejected, StartAgain
from batchdrop.fields import Field
from batchdrop.job import Batch
from batchdrop.ports import Request, Response

BATCH_FILE_BYTES = 50_000_000  # "data limit of 50 MB"; 10^6 or 2^20 is unknown, so the smaller
TOKEN_LIFE = 8 * 3600.0  # seconds, Authorization Tutorial
REFRESH_AT = 0.9 * TOKEN_LIFE
MOST_URLS = 3  # download URLs asked for before a result counts as unreadable
_STATES = {"completed": VendorState.SUCCEEDED}
_tokens: dict[str, tuple[str, float]] = {}  # by account: token and when it was given; never leaves this process


class DataGroup:
    """Destination `datagroup`."""

    name: ClassVar[str] = "datagroup"
    secret: ClassVar[tuple[str, ...]] = ("api_key", "username", "password")
    sets: ClassVar[Literal["never", "allowed", "required"]] = "never"
    callbacks: ClassVar[bool] = True
    names_rejects: ClassVar[bool] = False
    reports_failures: ClassVar[bool] = False
    receipt_name: ClassVar[str] = "batch_id"
    side_by_side: ClassVar[bool] = True  # each batch-file is asked for by its own id
    account: ClassVar[Mapping[str, Field]] = {
        "base_url": Field("text", "the API's address with its version", "https://api.thedatagroup.com/v3"),
        "notification_method": Field(
            "text", "how the vendor calls back when a batch-file finishes", "POST", choices=("POST", "GET", "none")
        ),
        "output_format": Field("text", "format of the results; the vendor knows only JSON", "JSON", choices=("JSON",)),
        "job_name": Field("text", "name of the job at the vendor; default: batchdrop and the job id", None),
        "job_name_field": Field("text", "attribute that carries the job's name (unknown, assumed)", "name"),
        "transfer_hosts": Field(
            "list",
            "hosts the vendor's upload and download URLs may name",
            ("s3.amazonaws.com", "*.s3.amazonaws.com", "*.s3.us-east-1.amazonaws.com"),
        ),
        "upload_content_type": Field("text", "Content-Type of the upload, if the URL is signed for one", None),
        "running_states": Field(
            "list", "state words that mean it still runs (unknown): any other is taken so too, but with a warning", ()
        ),
        "state_before_upload": Field(
            "text",
            "the state word of a batch-file that has received nothing yet (unknown): with it, an upload whose fate "
            "is unknown can be looked up; without it, such a batch is held",
            None,
        ),
    }

    def check(self, route: Mapping[str, object]) -> list[tuple[str, str]]:
        return []

    def output(self, account: Mapping[str, object]) -> Output:
        return Output("json_array", BATCH_FILE_BYTES)

    # --- submission ---

    def prepare(self, session: Session) -> Receipt:
        """Create the vendor's job. Repeatable: a job without batch-files does nothing."""
        name = session.account["job_name"] or f"batchdrop-{session.job.job_id}"
        body = {str(session.account["job_name_field"]): name, "output_format": session.account["output_format"]}
        answer = self._post(session, "/async/append/email/job", body)
        return {"job_id": id_field(answer, json_object(answer), "job_id", "id", "jobId")}

    def steps(self) -> tuple[Step, ...]:
        return (
            Step("create batch-file", StepKind.REPEATABLE, self._create),
            Step(
                "upload",
                StepKind.COMMIT,  # the vendor's page shows no start call: the upload is the trigger (derived)
                self._upload,
                self._was_uploaded,
                needs=("upload_url",),
                again_from="create batch-file",
            ),
        )

    def _create(self, session: Session, batch: Batch) -> Receipt:
        body: dict[str, object] = {"output_format": session.account["output_format"]}
        method = session.account["notification_method"]
        if session.notification_url and method != "none":
            body |= {"notification_URL": session.notification_url, "notification_method": method}
        answer = self._post(session, f"{self._job(session)}/batch-file", body)
        data = json_object(answer)
        batch_id = id_field(answer, data, "batch_id", "batchId", "id")
        # The URL is a capability: it stays in this invocation, and the create and the upload with it.
        session.transient["upload_url"] = text_field(answer, data, "upload_URL", "upload_url", "uploadUrl")
        return {"batch_id": batch_id}

    def _upload(self, session: Session, batch: Batch) -> Receipt:
        if session.payload is None:
            raise ValueError("nothing to upload")
        kind = session.account["upload_content_type"]
        url, headers = session.transient["upload_url"], {"Content-Type": str(kind)} if kind else {}
        with session.payload.open() as body:
            request = Request("PUT", url, headers, body, session.payload.size, 600, 65536, True, self._hosts(session))
            try:
                answer = session.http.send(request)
            except Rejected as error:
                if error.status != 403:
                    raise
                # Object storage answers 403 to a URL that has expired: this batch-file can never be filled.
                raise StartAgain("the upload URL is no longer good", status=403) from None
        if _arrived_altered(answer, session.payload):
            raise StartAgain("the storage service received other bytes than were sent", status=answer.status)
        return {}

    def _was_uploaded(self, session: Session, batch: Batch) -> Reconciled:
        status = self.ask(session, batch)
        if status.state is VendorState.SUCCEEDED:
            return Found()
        empty = session.account["state_before_upload"]
        if not empty:
            return Undecided(
                f'batch-file {batch.receipt["batch_id"]} is in state "{status.word}"; whether it received the upload '
                "cannot be told without the route option account.state_before_upload"
            )
        return NotThere() if status.word.lower() == str(empty).lower() else Found()

    # --- afterwards ---

    def ask(self, session: Session, batch: Batch) -> Status:
        answer = self._get(session, self._batch_file(session, batch))
        status = status_of(json_object(answer).get("state"), _STATES)
        running = session.account["running_states"]
        words = {str(w).lower() for w in running} if isinstance(running, list | tuple) else set()
        return replace(status, known=status.known or status.word.lower() in words)

    def collect(self, session: Session, batch: Batch) -> Collected:
        """Store the result file. Which records matched is its content: no record counts as refused."""
        for _ in range(MOST_URLS - 1):
            with _unless_expired():
                return Collected(results=[self._fetch(session, batch)])
        return Collected(results=[self._fetch(session, batch)])

    def _fetch(self, session: Session, batch: Batch) -> str:
        answer = self._get(session, f"{self._batch_file(session, batch)}/result")
        url = text_field(answer, json_object(answer), "download_url", "download_URL", "downloadUrl")
        request = Request(
            "GET", url, timeout=600, max_bytes=10 * BATCH_FILE_BYTES, given_by_vendor=True, hosts=self._hosts(session)
        )
        return session.shelf.store(f"batch-{batch.n:05d}.json", session.http.download(request))

    def cancel(self, session: Session, batch: Batch) -> Canceled:
        return Canceled.NOT_POSSIBLE

    # --- requests ---

    def _job(self, session: Session) -> str:
        return f"/async/append/email/job/{quote(session.job.receipt['job_id'], safe='')}"

    def _batch_file(self, session: Session, batch: Batch) -> str:
        return f"{self._job(session)}/batch-file/{quote(batch.receipt['batch_id'], safe='')}"

    def _hosts(self, session: Session) -> tuple[str, ...]:
        hosts = session.account["transfer_hosts"]
        return tuple(str(h) for h in hosts) if isinstance(hosts, list | tuple) else ()

    def _post(self, session: Session, path: str, body: Mapping[str, object]) -> Response:
        data = json.dumps(body).encode()
        return session.call(
            lambda fresh: Request("POST", session.base_url + path, self._headers(session, fresh), data, len(data))
        )

    def _get(self, session: Session, path: str) -> Response:
        return session.call(lambda fresh: Request("GET", session.base_url + path, self._headers(session, fresh)))

    def _headers(self, session: Session, fresh: bool) -> dict[str, str]:
        return {
            "x-api-key": session.secret(fresh)["api_key"],
            "AuthorizationToken": self._token(session, fresh),
            "Content-Type": "application/json",
        }

    def _token(self, session: Session, fresh: bool) -> str:
        """The account's token: kept in this process, renewed at 90 % of its life, or at once when refused."""
        secret = session.secret(False)
        account = f"{session.base_url}|{secret['username']}|{secret['api_key']}"
        token, given_at = _tokens.get(account, ("", 0.0))
        if fresh or not token or session.clock.now() - given_at >= REFRESH_AT:
            token, given_at = self._authorize(session, secret), session.clock.now()
            _tokens[account] = (token, given_at)
        return token

    def _authorize(self, session: Session, secret: Mapping[str, str]) -> str:
        data = json.dumps({"username": secret["username"], "password": secret["password"]}).encode()
        headers = {"x-api-key": secret["api_key"], "Content-Type": "application/json"}
        answer = session.http.send(Request("POST", f"{session.base_url}/auth", headers, data, len(data)))
        names = ("AuthorizationToken", "authorizationToken", "authorization_token", "token", "Token", "access_token")
        return text_field(answer, json_object(answer), *names)


@contextmanager
def _unless_expired() -> Iterator[None]:
    """Pass over a 403: object storage's answer to a URL that has expired."""
    try:
        yield
    except Rejected as error:
        if error.status != 403:
            raise


def _arrived_altered(answer: Response, payload: Payload) -> bool:
    """Whether the storage service's ETag, where it is an MD5 (not under KMS encryption), is not that of the payload."""
    etag = answer.headers.get("etag", "").strip('"').lower()
    if (
        not re.fullmatch("[0-9a-f]{32}", etag)
        or answer.headers.get("x-amz-server-side-encryption", "AES256") != "AES256"
    ):
        return False
    digest = hashlib.md5(usedforsecurity=False)
    with payload.open() as body:
        while block := body.read(1 << 20):
            digest.update(block)
    return digest.hexdigest() != etag
