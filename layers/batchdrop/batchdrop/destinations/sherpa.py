"""Sherpa.ai, custom content recommendation, batch import of items, users and interactions.

Sources: "Batch Import" (paths, body, answers, states, CSV and JSON, cancel only while queued), "Authentication" (the
signature and its 10 seconds), the vendor's tutorial (`processing`, elements must be new), "Errors" (`code` of a refused
request). Unknown and assumed: the file's size limit (an option), that a signed URL is fetched like any other, that the
list of elements not added is complete.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from typing import ClassVar, Literal
from urllib.parse import quote, urlsplit

from batchdrop.destinations.base import (
    Canceled,
    Collected,
    Output,
    Receipt,
    Reconciled,
    Reject,
    Session,
    Status,
    Step,
    StepKind,
    Undecided,
    VendorState,
    id_field,
    json_object,
    named,
    status_of,
)
from batchdrop.errors import Rejected
from batchdrop.fields import Field
from batchdrop.job import Batch
from batchdrop.ports import Request, Response

SIGNED_URL_LIMIT = 7 * 86400  # seconds: S3 signs no URL for longer
URL_MARGIN = 900  # seconds a URL outlives its job's deadline
STATUS_BYTES = 100_000_000  # the status of a finished import lists every element not added
# The vendor knows no limit; each look reads the whole list, which in this size just fits beside the poll function.
MOST_RECORDS = 300_000
ALREADY_THERE = "EntityAlreadyExistsException"
_STATES = {
    "queued": VendorState.RUNNING,
    "uploading": VendorState.RUNNING,
    "processing": VendorState.RUNNING,
    "completed": VendorState.SUCCEEDED,
    "completedwitherrors": VendorState.SUCCEEDED,
    "error": VendorState.FAILED,
    "canceled": VendorState.CANCELED,
    "cancelled": VendorState.CANCELED,
}
_NOT_ADDED = {"items": "itemsNotAdded", "users": "usersNotAdded", "interactions": "interactionsNotAdded"}


class Sherpa:
    """Destination `sherpa`."""

    name: ClassVar[str] = "sherpa"
    secret: ClassVar[tuple[str, ...]] = ("api_key", "private_key")
    sets: ClassVar[Literal["never", "allowed", "required"]] = "never"
    callbacks: ClassVar[bool] = False
    names_rejects: ClassVar[bool] = True
    reports_failures: ClassVar[bool] = False
    receipt_name: ClassVar[str] = "request_id"
    side_by_side: ClassVar[bool] = True  # each batch has a file of its own, and what is withdrawn in doubt is that
    account: ClassVar[Mapping[str, Field]] = {
        "base_url": Field(
            "text", "the API's address with its version; its path is signed", "https://recom.sherpa.ai/v2/recomm"
        ),
        "table_id": Field("text", "the table of the items or interactions; users have none", None, pattern=r"[^/\s]+"),
        "dataset": Field("text", "what the file holds", choices=("items", "users", "interactions")),
        "format": Field("text", "the form in which the file is handed over", "json", choices=("json", "csv")),
        "interaction_field": Field(
            "text",
            "the interaction's name: interactionName on the vendor's page, interactionId in its tutorial",
            "interactionName",
            choices=("interactionName", "interactionId"),
        ),
        "max_file_bytes": Field(
            "integer", "size at which a file is cut (the vendor's limit is unknown)", 50_000_000, minimum=1000
        ),
        "max_records": Field(
            "integer",
            f"records in a file, of which more than {MOST_RECORDS:,} count as {MOST_RECORDS:,}: bounds the list of "
            "those not added",
            100_000,
            minimum=1,
            maximum=1_000_000,  # as routes have it from before; more than MOST_RECORDS counts as so many
        ),
        "url_life": Field(
            "duration",
            "how long a URL signed by this deployment lives for certain: no deadline may be later",
            "24h",
            minimum=60,
            maximum=SIGNED_URL_LIMIT,
        ),
    }

    def check(self, route: Mapping[str, object]) -> list[tuple[str, str]]:
        account, given = _mapping(route["account"]), _mapping(route["input"])
        dataset, problems = str(account["dataset"]), []
        if dataset != "users" and not account["table_id"]:
            problems.append(("account.table_id", f"is missing: {dataset} belong to a table"))
        if account["format"] == "csv" and given.get("format") in ("json", "ndjson"):
            problems.append(("account.format", "a JSON file is handed over as json; csv is for CSV files"))
        return problems + _check_deadline(route, account) + _check_id(given, _fields(account))

    def output(self, account: Mapping[str, object]) -> Output:
        fields, as_csv = _fields(account), account["format"] == "csv"
        return Output(
            format="csv" if as_csv else "json_array",
            max_bytes=_number(account["max_file_bytes"]),
            max_records=min(_number(account["max_records"]), MOST_RECORDS),
            csv_quoting="strings",
            required=fields,
            id=fields,
            # The vendor bars these in the ids of items and users. The parts of an interaction's id are joined by
            # slashes, and a timestamp such as 2020-02-14T12:54:40.254Z may hold some of the others.
            forbidden_in_id="/" if account["dataset"] == "interactions" else '$./<>:"#%&*?|{}',
        )

    # --- submission ---

    def prepare(self, session: Session) -> Receipt:
        return {}

    def steps(self) -> tuple[Step, ...]:
        return (
            Step("stage", StepKind.REPEATABLE, self._stage),
            Step(
                "request import",
                StepKind.COMMIT,
                self._request,
                self._fence,
                needs=("url",),
                again_from="stage",
            ),
        )

    def _stage(self, session: Session, batch: Batch) -> Receipt:
        """Lay the file where the vendor can fetch it, under a name of this attempt alone."""
        if session.payload is None:
            raise ValueError("nothing to stage")
        if batch.attempt > 1:  # whatever became of the last attempt: nobody fetches its file from now on
            session.shelf.withdraw(_file(session, batch.n, batch.attempt - 1))
        left = session.job.deadline_at / 1000 - session.clock.now()
        seconds = min(int(max(left, 0)) + URL_MARGIN, SIGNED_URL_LIMIT)
        # The URL is a capability: it stays in this invocation, and the staging and the request with it.
        session.transient["url"] = session.shelf.stage(_file(session, batch.n, batch.attempt), session.payload, seconds)
        return {}

    def _request(self, session: Session, batch: Batch) -> Receipt:
        body = {"url": session.transient["url"], "format": session.account["format"]}
        answer = self._call(session, "POST", self._path(session), json.dumps(body, separators=(",", ":")).encode())
        return {"request_id": id_field(answer, json_object(answer), "requestId", "request_id", "id")}

    def _fence(self, session: Session, batch: Batch) -> Reconciled:
        """The vendor cannot be asked for a request whose id is unknown. Without its file it can do nothing more."""
        session.shelf.withdraw(_file(session, batch.n, batch.attempt))
        return Undecided(
            "whether Sherpa took the import request cannot be looked up; its file has been withdrawn, but may have "
            "been fetched before. Sending it again is harmless: elements that are there are refused, not doubled",
            harmless=True,
        )

    # --- afterwards ---

    def ask(self, session: Session, batch: Batch) -> Status:
        status = status_of(self._answer(session, batch).get("status"), _STATES)
        if status.state is not VendorState.FAILED:
            return status
        why = "nothing was uploaded; Sherpa gives no reason (one may be that it came too late for the file's URL)"
        return Status(status.state, status.word, message=why)

    def collect(self, session: Session, batch: Batch) -> Collected:
        """The elements not added. The vendor gives no totals: what it does not name, it took."""
        try:
            answer = self._answer(session, batch)
        except Rejected as error:
            return _unknown(f"batch {batch.n}: which elements were added can no longer be asked: {error}")
        key = _NOT_ADDED[str(session.account["dataset"])]
        listed = answer.get(key)
        rejects = list(self._rejects(session, batch, key, listed)) if isinstance(listed, list) else []
        partial = bool(listed) or "error" in str(answer.get("status", "")).lower()
        if partial and not rejects:
            return _unknown(f"batch {batch.n}: Sherpa speaks of errors, but names no element in {key}")
        return Collected(rejects)

    def _rejects(self, session: Session, batch: Batch, key: str, listed: list[object]) -> Iterator[Reject]:
        """Each entry is a refusal, in whatever form it comes: one that names no element keeps a place of its own."""
        table = f"{session.account['table_id']}/"
        for number, entry in enumerate(listed):
            told = entry if isinstance(entry, dict) else {"errorId": entry}
            id_, code, message = (_text(told.get(name)) for name in ("errorId", "code", "message"))
            if session.account["dataset"] == "interactions":
                # user/table/item/name/timestamp; the table is not part of the record
                user, slash, rest = id_.partition("/")
                id_ = f"{user}{slash}{rest.removeprefix(table)}"
            if not id_:
                id_, message = f"{key}[{number}]", message or "Sherpa does not say which element it refused"
            yield Reject(id_, code, message, batch.flagged and code == ALREADY_THERE)

    def cancel(self, session: Session, batch: Batch) -> Canceled:
        status = status_of(self._answer(session, batch).get("status"), _STATES)
        if status.word.lower() == "queued":
            try:
                answer = json_object(self._call(session, "DELETE", self._request_path(session, batch)))
            except Rejected:
                return Canceled.TOO_LATE  # it left the queue in between
            status = status_of(answer.get("status"), _STATES)
        return Canceled.CANCELED if status.state is VendorState.CANCELED else Canceled.TOO_LATE

    # --- requests ---

    def _answer(self, session: Session, batch: Batch) -> dict[str, object]:
        return json_object(self._call(session, "GET", self._request_path(session, batch)))

    def _path(self, session: Session) -> str:
        dataset = session.account["dataset"]
        if dataset == "users":
            return "/users/batch"
        return f"/{quote(str(session.account['table_id']), safe='')}/{dataset}/batch"

    def _request_path(self, session: Session, batch: Batch) -> str:
        return f"{self._path(session)}/{quote(batch.receipt['request_id'], safe='')}"

    def _call(self, session: Session, method: str, path: str, body: bytes | None = None) -> Response:
        url, length = session.base_url + path, None if body is None else len(body)

        def build(fresh: bool) -> Request:
            headers = _headers(session, url, fresh)
            return Request(method, url, headers, body, length, max_bytes=STATUS_BYTES)

        with named("code"):
            return session.call(build)


def signature(private_key: str, path: str, timestamp: str, nonce: str) -> str:
    """`X-Sherpa-hmac`: base64 of the raw HMAC-SHA1 over path (with the base's), milliseconds and nonce."""
    message = f"{path}:{timestamp}:{nonce}".encode()
    return base64.b64encode(hmac.new(private_key.encode(), message, hashlib.sha1).digest()).decode()


def _headers(session: Session, url: str, fresh: bool) -> dict[str, str]:
    """A signature lives 10 seconds and its nonce is good for one call: made anew for each."""
    secret = session.secret(fresh)
    timestamp, nonce = str(int(session.clock.now() * 1000)), session.rng.token()
    return {
        "Content-Type": "application/json",
        "X-Sherpa-apikey": secret["api_key"],
        "X-Sherpa-timestamp": timestamp,
        "X-Sherpa-nonce": nonce,
        "X-Sherpa-hmac": signature(secret["private_key"], urlsplit(url).path, timestamp, nonce),
    }


def _fields(account: Mapping[str, object]) -> tuple[str, ...]:
    """What identifies a record and must be there, in the order of the vendor's composite ids."""
    if account["dataset"] == "interactions":
        return ("userId", "itemId", str(account["interaction_field"]), "timestamp")
    return ("itemId",) if account["dataset"] == "items" else ("userId",)


def _check_deadline(route: Mapping[str, object], account: Mapping[str, object]) -> list[tuple[str, str]]:
    deadline, life = _number(route["deadline"]), _number(account["url_life"])
    if deadline <= life:
        return []
    what = (
        f"is later than the file's URL is sure to live ({life} s, account.url_life), and Sherpa may fetch it late: "
        "lower the deadline, or raise url_life if this deployment's credentials live that long (at most 7d)"
    )
    return [("deadline", what)]


def _check_id(given: Mapping[str, object], fields: tuple[str, ...]) -> list[tuple[str, str]]:
    wanted, rename = given.get("id") or (), _mapping(given.get("rename") or {})
    names = [wanted] if isinstance(wanted, str) else list(wanted) if isinstance(wanted, list | tuple) else []
    problems = []
    if any(rename.get(str(name), name) not in fields for name in names):
        what = f"Sherpa knows these records by {', '.join(fields)}: leave it out, and use input.rename for other names"
        problems.append(("input.id", what))
    if len(fields) > 1 and given.get("id_joiner", "/") != "/":
        problems.append(("input.id_joiner", "the vendor joins an interaction's id with /: leave it out"))
    return problems


def _unknown(why: str) -> Collected:
    """Nothing can be said of any record: all end unconfirmed."""
    return Collected(accepted=0, rejected=0, warnings=[why])


def _file(session: Session, n: int, attempt: int) -> str:
    return f"batch-{n:05d}-a{attempt}.{session.account['format']}"


def _text(value: object) -> str:
    """A text or a number, as text."""
    return str(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else ""


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _number(value: object) -> int:
    return int(str(value).partition(".")[0])
