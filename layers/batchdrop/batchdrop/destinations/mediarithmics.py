"""mediarithmics, document imports and their executions.

Sources: "Sending documents" (paths, bare token, fields, both answers, Content-Type as the import's), "Bulk processing"
(100 MB a file, a new import for each set of files), the vendor's own front end (the other states, the list of
executions, the action CANCEL, the error file by its URI). Unknown and assumed: the error file's form (read
tolerantly), that the list is complete after the quiet period, what `is_retryable` promises (it is passed on in words),
whether EXECUTOR_NOT_RESPONDING and LOST are final (waited on).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import ExitStack
from typing import ClassVar, Literal
from urllib.parse import quote, urlencode

from batchdrop.destinations.base import (
    Canceled,
    Collected,
    Found,
    NotThere,
    Output,
    Receipt,
    Reconciled,
    Session,
    Status,
    Step,
    StepKind,
    Undecided,
    VendorState,
    id_field,
    id_of,
    in_its_words,
    json_object,
    named,
    status_of,
)
from batchdrop.errorfile import IdSpec, RejectLines
from batchdrop.errors import Ambiguous, Rejected
from batchdrop.fields import Field
from batchdrop.job import Batch
from batchdrop.ports import Request, Response
from batchdrop.words import BatchState

FILE_BYTES = 100_000_000  # "ensure a maximum size for each file of 100M"; the front end refuses 100 * 2^20
ERROR_FILE_BYTES = 4 * FILE_BYTES
PAGE = 100  # executions asked for at a time
MOST_PAGES = 50
CLOCK_SKEW = 3_600_000  # milliseconds the vendor's clock may be behind ours
NDJSON, CSV = "APPLICATION_X_NDJSON", "TEXT_CSV"
CONTENT_TYPES = {NDJSON: "application/x-ndjson", CSV: "text/csv"}
_ONLY_NDJSON = (
    "USER_ACTIVITY",
    "USER_PROFILE",
    "USER_IDENTIFIERS_ASSOCIATION_DECLARATIONS",
    "USER_IDENTIFIERS_DISSOCIATION_DECLARATIONS",
    "USER_IDENTIFIERS_DELETION",
)
MIME_TYPES = {"USER_SEGMENT": (NDJSON, CSV)} | dict.fromkeys(_ONLY_NDJSON, (NDJSON,))
# EXECUTOR_NOT_RESPONDING and LOST are left out on purpose: whether they can still turn is unknown, so they are waited
# on with a warning, like a word nobody has heard of.
_STATES = {
    "waitingdependentjob": VendorState.RUNNING,
    "scheduled": VendorState.RUNNING,
    "pending": VendorState.RUNNING,
    "running": VendorState.RUNNING,
    "succeeded": VendorState.SUCCEEDED,
    "success": VendorState.SUCCEEDED,
    "failed": VendorState.FAILED,
    "canceled": VendorState.CANCELED,
    "cancelled": VendorState.CANCELED,
}
_UNSETTLED = (BatchState.SUBMITTING, BatchState.DOUBTFUL, BatchState.HELD)
Data = Mapping[str, object]


class Mediarithmics:
    """Destination `mediarithmics`."""

    name: ClassVar[str] = "mediarithmics"
    secret: ClassVar[tuple[str, ...]] = ("api_token",)
    sets: ClassVar[Literal["never", "allowed", "required"]] = "never"
    callbacks: ClassVar[bool] = False
    names_rejects: ClassVar[bool] = True
    reports_failures: ClassVar[bool] = False
    receipt_name: ClassVar[str] = "execution_id"
    side_by_side: ClassVar[bool] = False  # in doubt an execution is picked from a list, as none of the others'
    account: ClassVar[Mapping[str, Field]] = {
        "base_url": Field("text", "the API's address, without /v1", "https://api.mediarithmics.com"),
        "datamart_id": Field("text", "the datamart (Settings > Datamart > Datamarts)", pattern=r"[^/\s]+"),
        "document_type": Field("text", "what the records are", choices=tuple(MIME_TYPES)),
        "mime_type": Field("text", "their form", NDJSON, choices=tuple(CONTENT_TYPES)),
        "document_import_id": Field(
            "text", "a document import to use for all jobs; default: a new one for each", None, pattern=r"[^/\s]+"
        ),
        "name": Field("text", "how new document imports are called, before the job's id", "batchdrop"),
        "priority": Field(
            "text", "of new document imports; default: the vendor's", None, choices=("LOW", "MEDIUM", "HIGH")
        ),
    }

    def check(self, route: Mapping[str, object]) -> list[tuple[str, str]]:
        account, given = _mapping(route["account"]), _mapping(route["input"])
        kind, mime, problems = str(account["document_type"]), account["mime_type"], []
        if mime not in MIME_TYPES[kind]:
            problems.append(("account.mime_type", f"{kind} is taken only as {' or '.join(MIME_TYPES[kind])}"))
        if mime == CSV and given.get("format") in ("json", "ndjson"):
            problems.append(("account.mime_type", f"a JSON file is sent as {NDJSON}; {CSV} is for CSV files"))
        return problems

    def output(self, account: Mapping[str, object]) -> Output:
        return Output("csv" if account["mime_type"] == CSV else "ndjson", FILE_BYTES)

    # --- submission ---

    def prepare(self, session: Session) -> Receipt:
        """Create the job's document import. Repeatable: an import without executions does nothing."""
        account = session.account
        if account["document_import_id"]:
            return {"import_id": str(account["document_import_id"])}
        body = {
            "document_type": account["document_type"],
            "mime_type": account["mime_type"],
            "encoding": "utf-8",
            "name": f"{account['name']} {session.job.job_id}",
        }
        body |= {"priority": account["priority"]} if account["priority"] else {}
        answer = self._send(session, "POST", self._imports(session), json.dumps(body).encode())
        return {"import_id": id_field(answer, _data(answer), "id")}

    def steps(self) -> tuple[Step, ...]:
        return (Step("create execution", StepKind.COMMIT, self._execute, self._look_up),)

    def _execute(self, session: Session, batch: Batch) -> Receipt:
        payload = session.payload
        if payload is None:
            raise ValueError("nothing to send")
        kind = CONTENT_TYPES[str(session.account["mime_type"])]
        with ExitStack() as opened, named("error_code", "error_id"):

            def build(fresh: bool) -> Request:
                headers = {"Authorization": session.secret(fresh)["api_token"], "Content-Type": kind}
                body = opened.enter_context(payload.open())
                return Request("POST", self._executions(session), headers, body, payload.size, 600)

            answer = session.call(build)
        return {"execution_id": id_field(answer, _data(answer), "id")}

    def _look_up(self, session: Session, batch: Batch) -> Reconciled:
        """Look for an execution that no other batch has, and that can be nobody's but this one's."""
        known = {b.receipt.get("execution_id") for b in session.siblings}
        known |= {orphan.get("execution_id") for b in session.siblings for orphan in b.orphans}
        listed = self._listed(session)
        if listed is None:
            return Undecided(f"the document import has more than {PAGE * MOST_PAGES} executions: too many to look at")
        unknown = [e for e in listed if id_of(e.get("id")) not in known]
        if session.account["document_import_id"]:
            return _in_shared_import(unknown, batch)
        return _in_own_import(unknown, batch, [b for b in session.siblings if b.n != batch.n and _may_have_more(b)])

    def _listed(self, session: Session) -> list[Data] | None:
        """All executions of the job's import; None where there are too many."""
        found: dict[str, Data] = {}
        for page in range(MOST_PAGES):
            query = urlencode({"first_result": page * PAGE, "max_results": PAGE})
            answer = self._send(session, "GET", f"{self._executions(session)}?{query}")
            data = json_object(answer).get("data")
            if not isinstance(data, list):
                raise Ambiguous("the vendor's list of executions has no data", status=answer.status)
            new = {id_of(e.get("id")) if isinstance(e, dict) else "": e for e in data}
            if not all(new):  # one that cannot be told from others must not pass for none
                raise Ambiguous("an execution in the vendor's list has no usable identifier", status=answer.status)
            if len(data) < PAGE or new.keys() <= found.keys():
                return list((found | new).values())
            found |= new
        return None

    # --- afterwards ---

    def ask(self, session: Session, batch: Batch) -> Status:
        execution = self._execution(session, batch)
        status = status_of(execution.get("status"), _STATES)
        if status.state is VendorState.CANCELED and _has_begun(execution):
            why = "canceled at the vendor once it had begun: what it took until then cannot be told"
            return Status(VendorState.UNCONFIRMED, status.word, message=why)
        if status.state is not VendorState.FAILED:
            return status
        said = in_its_words(str(_mapping(execution.get("error")).get("message") or ""), session, 500)
        return _failed(status, execution, said or "the vendor gives no reason")

    def collect(self, session: Session, batch: Batch) -> Collected:
        """The vendor's totals, and the refused records as far as its error file tells them."""
        result = _mapping(self._execution(session, batch).get("result"))
        accepted, rejected = _count(result.get("total_success")), _count(result.get("total_failure"))
        found = Collected(accepted=accepted, rejected=rejected)
        if accepted is None or rejected is None:
            found.warnings.append(f"batch {batch.n}: the vendor gives no totals")
        uri = _address(result.get("error_file_uri"))
        if rejected != 0 and uri:
            self._read_error_file(session, batch, uri, found)
        elif rejected:
            found.warnings.append(f"batch {batch.n}: {rejected} records refused, and no error file says which")
        found.unknown = accepted is None and rejected is None and not any(True for _ in found.rejects)
        return found

    def _read_error_file(self, session: Session, batch: Batch, uri: str, found: Collected) -> None:
        url = f"{session.base_url}/v1/data_file/data?{urlencode({'uri': uri})}"
        headers = {"Authorization": session.secret(False)["api_token"]}  # the call before renewed it if need be
        request = Request("GET", url, headers, timeout=600, max_bytes=ERROR_FILE_BYTES)
        as_csv = session.account["mime_type"] == CSV
        name = f"batch-{batch.n:05d}-errors.{'csv' if as_csv else 'ndjson'}"
        try:
            found.results.append(session.shelf.store(name, session.http.download(request)))
        except Rejected as error:  # the totals stand without it
            found.warnings.append(f"batch {batch.n}: RESULT_UNREADABLE: {error}")
            return
        spec, stored = _id_spec(session), found.results[0]
        words = ("refused", "see the error file")
        found.rejects = RejectLines(lambda: session.shelf.read(stored), spec, as_csv, words)
        if not spec.fields:
            found.warnings.append(f"batch {batch.n}: without input.id in the route no refused record can be told")

    def cancel(self, session: Session, batch: Batch) -> Canceled:
        """The vendor's front end offers a cancel only while an execution is PENDING; so do we."""
        execution = self._execution(session, batch)
        if str(execution.get("status")).upper() == "PENDING":
            try:
                body = json.dumps({"action": "CANCEL"}).encode()
                execution = _data(self._send(session, "POST", f"{self._execution_url(session, batch)}/action", body))
            except Rejected:
                return Canceled.TOO_LATE  # it has started in between
        if status_of(execution.get("status"), _STATES).state is not VendorState.CANCELED:
            return Canceled.TOO_LATE
        return Canceled.STOPPED if _has_begun(execution) else Canceled.CANCELED

    # --- requests ---

    def _imports(self, session: Session) -> str:
        datamart = quote(str(session.account["datamart_id"]), safe="")
        return f"{session.base_url}/v1/datamarts/{datamart}/document_imports"

    def _executions(self, session: Session) -> str:
        return f"{self._imports(session)}/{quote(session.job.receipt['import_id'], safe='')}/executions"

    def _execution_url(self, session: Session, batch: Batch) -> str:
        return f"{self._executions(session)}/{quote(batch.receipt['execution_id'], safe='')}"

    def _execution(self, session: Session, batch: Batch) -> Data:
        return _data(self._send(session, "GET", self._execution_url(session, batch)))

    def _send(self, session: Session, method: str, url: str, body: bytes | None = None) -> Response:
        kind = {"Content-Type": "application/json"} if body else {}
        length = None if body is None else len(body)

        def build(fresh: bool) -> Request:
            headers = {"Authorization": session.secret(fresh)["api_token"], **kind}
            return Request(method, url, headers, body, length)

        with named("error_code", "error_id"):
            return session.call(build)


def _in_own_import(unknown: list[Data], batch: Batch, rivals: list[Batch]) -> Reconciled:
    """In an import made for this job alone, an execution that nobody has is this batch's or a rival's."""
    if not unknown:
        return NotThere()
    if len(unknown) == 1 and not rivals:
        return Found({"execution_id": id_of(unknown[0]["id"])})
    owners = [[b.n for b in (batch, *rivals) if _has_lines_of(execution, b)] for execution in unknown]
    if rivals and all(len(fitting) == 1 for fitting in owners):
        mine = [e for e, fitting in zip(unknown, owners, strict=True) if fitting == [batch.n]]
        if not mine:
            return NotThere()
        if len(mine) == 1:
            return Found({"execution_id": id_of(mine[0]["id"])})
    return Undecided(f"these executions of the job's document import could be this batch: {_ids(unknown)}")


def _in_shared_import(unknown: list[Data], batch: Batch) -> Reconciled:
    """In an import that others use too, only the absence of any execution young enough proves something."""
    young = [
        e for e in unknown if (at := _count(e.get("creation_date"))) is None or at > batch.packaged_at - CLOCK_SKEW
    ]
    if not young:
        return NotThere()
    return Undecided(
        f"the document import is shared (account.document_import_id), so that these executions of it may be this "
        f"batch or another's: {_ids(young)}"
    )


def _may_have_more(batch: Batch) -> bool:
    """Whether there may be an execution of this batch that is not in its receipt."""
    return batch.flagged or (batch.status in _UNSETTLED and batch.intent)


def _has_lines_of(execution: Data, batch: Batch) -> bool:
    lines = _count(_mapping(execution.get("parameters")).get("number_of_lines"))
    return lines in (batch.records, batch.records + 1)  # a CSV's header may be counted


def _ids(executions: list[Data]) -> str:
    return ", ".join(id_of(e["id"]) for e in executions[:10])


def _failed(status: Status, execution: Data, words: str) -> Status:
    """FAILED is final. Where the vendor counts successes beside it, what it took cannot be told record by record."""
    if execution.get("is_retryable") is True:
        words += " (is_retryable: sending the records again may help; `batchdrop rerun JOB --only-rejected`)"
    state = VendorState.UNCONFIRMED if _counts_any(execution, "total_success") else VendorState.FAILED
    return Status(state, status.word, message=words)


def _has_begun(execution: Data) -> bool:
    """Whether an execution that was canceled may have taken records: it was more than PENDING."""
    return bool(execution.get("start_date")) or _counts_any(execution, "total_success", "total_failure")


def _counts_any(execution: Data, *totals: str) -> bool:
    """Whether one of these totals is not plainly none; one that cannot be read may be any."""
    result = _mapping(execution.get("result"))
    return any(result.get(name) is not None and _count(result[name]) != 0 for name in totals)


def _data(response: Response) -> Data:
    """What the answer's wrapper holds; `Ambiguous` where it holds no object."""
    data = json_object(response).get("data")
    if not isinstance(data, dict):
        raise Ambiguous("the vendor's answer has no data", status=response.status, body=response.body[:4096])
    return data


def _id_spec(session: Session) -> IdSpec:
    header = session.job.inspection.get("header")
    return IdSpec.of_route(_mapping(session.job.config.get("input")), header if isinstance(header, list) else ())


def _mapping(value: object) -> Data:
    return value if isinstance(value, Mapping) else {}


def _count(value: object) -> int | None:
    """A number that is sent as such, with a fraction of zero or as text; None where it can count nothing."""
    found = re.fullmatch(r"([0-9]{1,18})(\.0*)?", str(value).strip())
    return int(found[1]) if found else None


def _address(value: object) -> str:
    """A file's address; empty where there is none that a request can name."""
    text = value.strip() if isinstance(value, str) else ""
    return text if text.isprintable() else ""
