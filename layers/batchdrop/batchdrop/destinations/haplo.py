"""Haplo, batch import API (`haplo-data-import-batch`).

Sources: "Batch import API" (the four calls, their parameters, plain text answers), "API keys" (Basic, user `haplo`),
and the vendor's public code (`haplo-org/haplo-plugins`, `haplo-org/haplo`: digests are SHA-256 in hex, identifiers 44
characters, texts of refusals, 16 MiB for a file read as text, a page in HTML with status 200 for a key that may not
use the API). There is no way to ask what became of a batch.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Literal
from urllib.parse import urlencode

from batchdrop.destinations.base import (
    Canceled,
    Collected,
    Found,
    Output,
    Payload,
    Reading,
    Receipt,
    Reconciled,
    Session,
    SetRules,
    Status,
    Step,
    StepKind,
    Undecided,
    VendorState,
    in_its_words,
)
from batchdrop.destinations.haplo_control import readings
from batchdrop.errors import Ambiguous, AuthExpired, RateLimited, Rejected, StartAgain
from batchdrop.fields import Field
from batchdrop.job import Batch
from batchdrop.multipart import multipart
from batchdrop.ports import Request, Response

TEXT_BYTES = 16 * 1024 * 1024  # of a control, JSON or TSV file: the vendor's code reads no longer text
THROTTLE_SECONDS = 300.0  # of quiet, after which the vendor forgets refused keys
_API = "/api/haplo-data-import-batch"
_FORM = "application/x-www-form-urlencoded"
_DIGEST = re.compile(r"[0-9a-f]{64}")
_IDENTIFIER = re.compile(r"[A-Za-z0-9_-]{44}")
_KEY_HINT = "; may the API key use this application's batch import (group and path)?"
_ALREADY = "not in the 'uploading' state"
_UPLOAD_SECONDS = 600.0
_FIRST = "upload control file"


class Haplo:
    """Destination `haplo`."""

    name: ClassVar[str] = "haplo"
    secret: ClassVar[tuple[str, ...]] = ("api_key",)
    sets: ClassVar[Literal["never", "allowed", "required"]] = "required"
    callbacks: ClassVar[bool] = False
    names_rejects: ClassVar[bool] = False
    reports_failures: ClassVar[bool] = False
    receipt_name: ClassVar[str] = "batch"
    side_by_side: ClassVar[bool] = False  # a set is not cut
    account: ClassVar[Mapping[str, Field]] = {
        "base_url": Field("text", "your Haplo application's address, without a path"),
        "control": Field("text", "name of the set's control file; the other files go under their own names"),
        "mode": Field("text", "import for real, or try it in the vendor's dry run", "run", choices=("run", "dry-run")),
        "comment": Field(
            "text",
            "comment on the control file and the batches; default: batchdrop, with job and number on a batch",
            None,
        ),
        "oversize": Field(
            "text",
            "a JSON or TSV file over 16 MiB: several batches with a part each, or a refusal of the set",
            "split",
            choices=("split", "refuse"),
        ),
    }

    def check(self, route: Mapping[str, object]) -> list[tuple[str, str]]:
        if route["input"]:
            return [("input", "the files go as they are, and the control file says how to read them: leave it out")]
        return []

    def output(self, account: Mapping[str, object]) -> Output:
        control = str(account["control"])

        def reading(carried: Mapping[str, bytes], names: Sequence[str]) -> Mapping[str, Reading]:
            return readings(control, carried[control], names)

        split = account["oversize"] == "split"
        rules = SetRules(carried=(control,), reading=reading, again="part", split=split)
        return Output("files", TEXT_BYTES, sets=rules)

    # --- submission ---

    def prepare(self, session: Session) -> Receipt:
        return {}

    def steps(self) -> tuple[Step, ...]:
        """A new attempt is always a new batch: a file must never go to a batch that may have been scheduled."""
        return (
            Step(_FIRST, StepKind.REPEATABLE, self._need_control),
            Step("create batch", StepKind.REPEATABLE, self._create, again_from=_FIRST),
            Step("upload files", StepKind.REPEATABLE, self._upload, again_from=_FIRST),  # the last of a name counts
            Step("schedule", StepKind.COMMIT, self._schedule, self._schedule_again, again_from=_FIRST),
        )

    def _need_control(self, session: Session, batch: Batch) -> Receipt:
        """Once per digest: the vendor keeps control files by their content."""
        control = self._control(session)
        if session.memory.recall(_remembered(control)) != control.sha256:
            self._send_control(session, control)
        return {"control": control.sha256}

    def _create(self, session: Session, batch: Batch) -> Receipt:
        comment = session.account["comment"] or f"batchdrop {batch.job_id} batch {batch.n}"
        fields = {"comment": str(comment), "control": batch.receipt["control"]}
        try:
            answer = self._post_form(session, "batch", fields)
        except Rejected as error:
            if "Control file not found" not in _text(error.body):
                raise
            self._send_control(session, self._control(session))  # remembered here, but no longer there
            answer = self._post_form(session, "batch", fields)
        return {"batch": _expect(_IDENTIFIER, answer, "create batch: no batch identifier")}

    def _upload(self, session: Session, batch: Batch) -> Receipt:
        for name, payload in sorted(session.members.items()):
            if name != session.account["control"]:
                fields = [("batch", batch.receipt["batch"]), ("name", name)]
                answer = self._post_file(session, "file", fields, name, payload)
                _check_digest(answer, payload, name)
        return {}

    def _schedule(self, session: Session, batch: Batch) -> Receipt:
        fields = {"batch": batch.receipt["batch"]}
        if session.account["mode"] == "dry-run":
            fields["mode"] = "dry-run"
        try:
            answer = self._post_form(session, "schedule", fields)
        except Rejected as error:
            if _ALREADY in _text(error.body):
                return {}  # proof that it was scheduled; nobody else knows this batch
            raise
        if _text(answer.body) != "SCHEDULED":
            raise Ambiguous(f"schedule: the vendor did not answer SCHEDULED{_hint(answer)}", status=answer.status)
        return {}

    def _schedule_again(self, session: Session, batch: Batch) -> Reconciled:
        """A second call is refused by the batch's state: it schedules what was not, and proves what was."""
        if session.only_asks:
            return Undecided("only scheduling it again would tell, and the job was canceled")
        self._schedule(session, batch)
        return Found()

    # --- afterwards ---

    def ask(self, session: Session, batch: Batch) -> Status:
        """Nobody can be asked: what was scheduled is handed over."""
        what = "the dry run is scheduled" if session.account["mode"] == "dry-run" else "the import is scheduled"
        return Status(VendorState.HANDED_OVER, "SCHEDULED", message=f"{what}; its log is in Haplo's admin UI only")

    def collect(self, session: Session, batch: Batch) -> Collected:
        return Collected(unknown=True)

    def cancel(self, session: Session, batch: Batch) -> Canceled:
        return Canceled.NOT_POSSIBLE

    # --- the control file ---

    def _control(self, session: Session) -> Payload:
        return session.members[str(session.account["control"])]

    def _send_control(self, session: Session, control: Payload) -> None:
        fields = [("comment", str(session.account["comment"] or "batchdrop"))]
        answer = self._post_file(session, "control", fields, str(session.account["control"]), control)
        _check_digest(answer, control, "the control file")
        session.memory.remember(_remembered(control), control.sha256)

    # --- requests ---

    def _post_form(self, session: Session, call: str, fields: Mapping[str, str]) -> Response:
        data = urlencode(fields).encode()
        return self._post(session, call, lambda: (_FORM, data, len(data)))

    def _post_file(
        self, session: Session, call: str, fields: Sequence[tuple[str, str]], name: str, payload: Payload
    ) -> Response:
        file = ("file", name, "application/octet-stream", payload.size, payload.open)

        def body() -> tuple[str, object, int]:
            kind, length, stream = multipart(fields, [file], seed=payload.sha256)
            return kind, stream, length

        return self._post(session, call, body)

    def _post(self, session: Session, call: str, body: Callable[[], tuple[str, object, int]]) -> Response:
        def build(fresh: bool) -> Request:
            kind, data, length = body()
            headers = {"Authorization": _basic(session, fresh), "Content-Type": kind}
            url = f"{session.base_url}{_API}/{call}"
            return Request("POST", url, headers, data, length, _UPLOAD_SECONDS)  # type: ignore[arg-type]

        try:
            return _sent(session, build(False))
        except AuthExpired:
            return _sent(session, build(True))


def _sent(session: Session, request: Request) -> Response:
    """The answer; refusals told with the vendor's own short text, and refused keys told apart from the rest.

    What is said of a file of records is not told: it may quote one.
    """
    try:
        return session.http.send(request)
    except Rejected as error:
        kind = _kind(error.body)
        if kind == "THROTTLE":
            raise RateLimited(str(error), after=THROTTLE_SECONDS, status=error.status) from None
        if kind in ("INVALID-API-KEY", "UNAUTHORISED") or _text(error.body) == "Unauthorised":
            raise AuthExpired(str(error), status=error.status, body=error.body) from None
        said = in_its_words(_text(error.body), session)
        telling = error.status == 400 and said and "<" not in said and not request.url.endswith("/file")
        quoted = f': "{said}"' if telling else ""
        raise Rejected(f"{error}{quoted}", status=error.status, body=error.body) from None


def _kind(body: bytes) -> str:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    return str(data.get("kind", "")) if isinstance(data, dict) else ""


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace").strip()


def _hint(answer: Response) -> str:
    return _KEY_HINT if answer.body.lstrip()[:1] == b"<" else ""


def _expect(pattern: re.Pattern[str], answer: Response, what: str) -> str:
    """The answer's text; `StartAgain` where it is not of that form: nothing is scheduled yet, so that does no harm."""
    text = _text(answer.body)
    if not pattern.fullmatch(text):
        raise StartAgain(f"{what} in the vendor's answer{_hint(answer)}", status=answer.status)
    return text


def _check_digest(answer: Response, payload: Payload, name: str) -> None:
    if _expect(_DIGEST, answer, f"{name}: no digest") != payload.sha256:
        raise StartAgain(f"{name}: the digest answered is not that of the bytes sent", status=answer.status)


def _remembered(control: Payload) -> str:
    return f"haplo-control:{control.sha256}"


def _basic(session: Session, fresh: bool) -> str:
    return "Basic " + base64.b64encode(f"haplo:{session.secret(fresh)['api_key']}".encode()).decode()
