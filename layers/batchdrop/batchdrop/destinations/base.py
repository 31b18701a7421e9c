"""The port of a destination: what a vendor's batch API must be able to say for a job to use it."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import BinaryIO, ClassVar, Literal, NamedTuple, Protocol
from urllib.parse import quote

from msgspec import Struct, field

from batchdrop.errors import Ambiguous, AuthExpired, Rejected
from batchdrop.fields import Field
from batchdrop.job import Batch, Job
from batchdrop.ports import Clock, Http, Request, Response, Rng

Receipt = dict[str, str]
LARGE = 1_000_000  # bytes of an answer that is read with memory in mind
LONGEST_ID = 256  # characters of a vendor's identifier; those of the five have at most 44
_LONGEST_WORDS = 300  # characters of what a vendor says of a refusal
_SAYING = ("message", "error_message", "error", "detail", "description", "reason")


class Payload(Protocol):
    """The exact bytes of one batch; it can be opened as often as needed."""

    size: int
    sha256: str

    def open(self) -> BinaryIO: ...

    def close(self) -> None: ...


class Memory(Protocol):
    """Small facts remembered for an account across jobs, such as the digest of a control file already uploaded."""

    def recall(self, name: str) -> str: ...

    def remember(self, name: str, value: str) -> None: ...


class Shelf(Protocol):
    """Where a destination may lay files of this job in the results bucket."""

    def stage(self, name: str, payload: Payload, seconds: int) -> str:
        """Put the payload under `batches/` and return a URL that serves it for so many seconds."""

    def keep(self, name: str, payload: Payload) -> None:
        """Keep the payload under `batches/`, for its owner to look at."""

    def withdraw(self, name: str) -> None:
        """Take a staged file away: nobody can fetch it from now on."""

    def store(self, name: str, chunks: Iterator[bytes]) -> str:
        """Write a vendor's file under `results/`; returns the name it has there."""

    def read(self, name: str) -> BinaryIO:
        """A stored file, to be read once."""


class Session(Struct):
    """One job's dealings with its vendor, for one invocation."""

    job: Job
    account: Mapping[str, object]  # the route's `account`, validated, defaults filled in
    http: Http
    secret: Callable[[bool], Mapping[str, str]]  # secret(fresh)
    clock: Clock
    rng: Rng
    memory: Memory
    shelf: Shelf
    notification_url: str = ""  # empty: this route or deployment has none
    payload: Payload | None = None  # the batch's bytes, while it is being submitted
    members: Mapping[str, Payload] = field(default_factory=dict)  # a set's files by name, where the vendor wants files
    transient: dict[str, str] = field(default_factory=dict)  # values that must not be recorded, e.g. an upload URL
    siblings: Sequence[Batch] = ()  # the batches of the job (or span) so far, while one is being submitted
    only_asks: bool = False  # the job was canceled: a look-up must do nothing by which an import could begin

    @property
    def base_url(self) -> str:
        return str(self.account["base_url"]).rstrip("/")

    def call(self, build: Callable[[bool], Request]) -> Response:
        """Send `build(False)`; on refused credentials once more `build(True)`, which must use fresh ones."""
        try:
            return self.http.send(build(False))
        except AuthExpired:
            return self.http.send(build(True))


class StepKind(StrEnum):
    REPEATABLE = "repeatable"  # repeating it is harmless
    COMMIT = "commit"  # repeating it could import twice


class Found(Struct, frozen=True):
    """The doubtful step did happen; what it made is known."""

    receipt: Receipt = field(default_factory=dict)


class NotThere(Struct, frozen=True):
    """The doubtful step provably did not happen."""


HARMLESS = "undecided_harmless"  # the code of a batch held so, else `undecided`


class Undecided(Struct, frozen=True):
    """Nobody can tell; `why` is for the operator. `harmless`: sent again, nothing is imported twice."""

    why: str
    harmless: bool = False


Reconciled = Found | NotThere | Undecided


class Step(Struct, frozen=True):
    """One call of the submission. `run` returns what is to be recorded of it.

    `needs` names transient values an earlier step makes: where one is missing (another invocation made it), the
    submission goes back to `again_from`, which is also where a new attempt starts. `reconcile` may repeat the call
    where that settles it without harm, but not in a session that only asks.
    """

    name: str
    kind: StepKind
    run: Callable[[Session, Batch], Receipt]
    reconcile: Callable[[Session, Batch], Reconciled] | None = None
    needs: tuple[str, ...] = ()
    again_from: str = ""  # default: this step itself


class VendorState(StrEnum):
    RUNNING = "running"
    SUCCEEDED = "succeeded"  # terminal; rejects are possible
    FAILED = "failed"  # terminal; nothing of the batch was taken
    UNCONFIRMED = "unconfirmed"  # terminal; what was taken cannot be told
    CANCELED = "canceled"  # terminal; before anything of it was taken
    HANDED_OVER = "handed_over"  # the vendor cannot be asked


class Status(Struct, frozen=True):
    """The vendor's answer to "how is this batch?"."""

    state: VendorState
    word: str = ""  # as the vendor wrote it
    known: bool = True  # False: a word not in our table, taken as still running
    message: str = ""


def status_of(word: object, table: Mapping[str, VendorState]) -> Status:
    """Look a status word up, whatever its case, spaces, `_` and `-`; an unknown one means it still runs."""
    text = str(word or "")
    normal = "".join(c for c in text.lower() if c not in " _-")
    state = table.get(normal)
    return Status(state or VendorState.RUNNING, text, known=state is not None)


class Reject(NamedTuple):  # there may be as many as records
    """One record the vendor refused, by the id it was sent with."""

    id: str
    code: str
    message: str
    already_present: bool = False  # refused because it is there: after a flagged resubmission that may be our own doing


class Collected(Struct):
    """What a vendor told of a finished batch. `accepted`/`rejected` are its own totals, None where it gives none."""

    rejects: Iterable[Reject] = ()
    accepted: int | None = None
    rejected: int | None = None
    results: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    unknown: bool = False  # the vendor does not say what became of the records: they stay unconfirmed


class Canceled(StrEnum):
    """What asking for a cancel led to."""

    CANCELED = "canceled"  # before anything of it was taken
    STOPPED = "stopped"  # it had begun: what was taken until then cannot be told
    TOO_LATE = "too_late"
    NOT_POSSIBLE = "not_possible"  # this vendor has no cancel


# How a vendor reads a file of a set: as an array of records, as lines below a header, as one text it must hold in
# memory, or as anything else.
Reading = Literal["array", "lines", "text", "blob"]


class SetRules(Struct, frozen=True):
    """What a vendor and route demand of the files of a set.

    `reading` is given the carried files and the other files' names before anything is sent; it says how the vendor
    reads each of those, or raises `DropRefused`.
    """

    names: tuple[str, ...] = ()  # `zip`: the only names a member may have; empty: any that is safe
    usual: tuple[str, ...] = ()  # `zip`: the names the vendor speaks of: others are warned of; empty: none are
    refuse_invalid: bool = False  # one invalid record refuses the whole set
    carried: tuple[str, ...] = ()  # `files`: files that hold no records and go with every batch
    reading: Callable[[Mapping[str, bytes], Sequence[str]], Mapping[str, Reading]] | None = None
    again: Literal["whole", "part"] = "whole"  # what of a set is dropped again to send what was not accepted of it
    split: bool = True  # `files`: cut a file over `max_bytes` at its records; False: refuse it


class Output(Struct, frozen=True):
    """What a batch must look like for this vendor and route."""

    format: Literal["json_array", "ndjson", "csv", "zip", "files"]
    max_bytes: int
    max_records: int | None = None
    csv_quoting: Literal["strings", "minimal"] = "minimal"
    required: tuple[str, ...] = ()  # fields every record must have
    id: tuple[str, ...] = ()  # the vendor's own id field(s), where it fixes them
    forbidden_in_id: str = ""
    sets: SetRules = SetRules()  # for `zip` and `files`


class Destination(Protocol):
    """A vendor's batch API. Stateless: everything it needs is in the session and the batch's receipt."""

    name: ClassVar[str]
    account: ClassVar[Mapping[str, Field]]
    secret: ClassVar[tuple[str, ...]]
    sets: ClassVar[Literal["never", "allowed", "required"]]
    callbacks: ClassVar[bool]  # whether the vendor can call us back
    names_rejects: ClassVar[bool]  # whether its results say which records it refused
    reports_failures: ClassVar[bool]  # whether it has results to keep of a batch that did not succeed, too
    receipt_name: ClassVar[str]  # what a receipt calls the id by which the vendor knows a batch
    # Whether batches of one job may be submitted at the same time, by workers that know nothing of each other: only
    # where each is reconciled by what is its own (no look at `Session.siblings`), and all they share is prepared.
    side_by_side: ClassVar[bool]

    def check(self, route: Mapping[str, object]) -> list[tuple[str, str]]:
        """What is wrong with a route beyond its single options: `(field, message)` each."""

    def output(self, account: Mapping[str, object]) -> Output: ...

    def prepare(self, session: Session) -> Receipt:
        """What the job needs at the vendor before its first batch; must be repeatable (an orphan does no harm)."""

    def steps(self) -> tuple[Step, ...]: ...

    def ask(self, session: Session, batch: Batch) -> Status: ...

    def collect(self, session: Session, batch: Batch) -> Collected: ...

    def cancel(self, session: Session, batch: Batch) -> Canceled: ...


# --- reading a vendor's answers: tolerant in form, strict in what is needed -------------------------------------


def json_object(response: Response) -> dict[str, object]:
    """The answer as a JSON object; `Ambiguous` if it is none. A trailing comma is tolerated: vendors' pages show it."""
    data = _json_of(response.body)
    if isinstance(data, dict):
        return data
    raise Ambiguous("the vendor's answer is not a JSON object", status=response.status, body=response.body[:4096])


def _json_of(body: bytes) -> object:
    """The value in an answer, None where it is no JSON."""
    if len(body) > LARGE:
        import msgspec  # only here: it needs no copy of the answer as text, but time at a cold start

        with suppress(msgspec.DecodeError, ValueError, RecursionError):
            return msgspec.json.decode(body)
    text = body.decode("utf-8", "replace")
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    with suppress(ValueError, RecursionError):
        return json.loads(re.sub(r",(\s*[}\]])", r"\1", text))
    return None


def text_field(response: Response, data: Mapping[str, object], *names: str) -> str:
    """The first of these fields that holds text or a whole number, as text; `Ambiguous` where none does."""
    for name in names:
        if text := _as_text(data.get(name)):
            return text
    raise Ambiguous(
        f"the vendor's answer has no {' or '.join(names)}", status=response.status, body=response.body[:4096]
    )


def id_field(response: Response, data: Mapping[str, object], *names: str) -> str:
    """The same of an identifier, to be recorded and put in addresses; `Ambiguous` too where it is not fit for that."""
    found = text_field(response, data, *names)
    if not id_of(found):
        why = f"{len(found)} characters, where {LONGEST_ID} printable ones can be kept"
        raise Ambiguous(f"the vendor's {names[0]} is no usable identifier: {why}", status=response.status)
    return found


def _as_text(value: object) -> str:
    """Text or a whole number, as text; empty for anything else."""
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""


def id_of(value: object) -> str:
    """A text or whole number as an identifier that fits into the ledger, and stands for itself alone in an address.

    Empty where it is none.
    """
    text = _as_text(value)
    return text if len(text) <= LONGEST_ID and text.isprintable() and text not in (".", "..") else ""


@contextmanager
def named(*names: str) -> Iterator[None]:
    """Add the vendor's own error code to a refusal, from the first of these fields that has one.

    Codes only: a vendor's prose may repeat what was sent to it, a signed URL or a record's value.
    """
    try:
        yield
    except Rejected as error:
        code = _code(error.body, names)
        raise Rejected(f"{error} ({code})" if code else str(error), status=error.status, body=error.body) from None


@contextmanager
def told(session: Session) -> Iterator[None]:
    """Add to a refusal of a batch as a whole what the vendor says of it, without what may be a record's.

    That is whatever is neither a plain word nor the name of a file. A long text is likely to repeat what was sent, and
    a page of HTML says nothing: neither is told.
    """
    try:
        yield
    except Rejected as error:
        from batchdrop.destinations.plain_words import in_plain_words  # only here: it is rarely needed

        whole = _words(error.body)
        said = "" if "<" in whole or len(whole) > _LONGEST_WORDS else in_plain_words(in_its_words(whole, session))
        raise Rejected(f'{error}: "{said}"' if said else str(error), status=error.status, body=error.body) from None


def _words(body: bytes) -> str:
    """What an error's body says: one of the usual fields of a JSON object, else all of it."""
    data = _json_of(body)
    for _ in range(2):
        if isinstance(data, dict):
            data = next((data[name] for name in _SAYING if data.get(name)), "")
    said = data if isinstance(data, str) else "" if isinstance(data, dict | list) else body.decode("utf-8", "replace")
    return " ".join(said.split())


def in_its_words(text: str, session: Session, limit: int = 300) -> str:
    """A vendor's own words of a refusal or a failure as they may be recorded: one short line, our credentials cut out.

    For calls that carry no records, and for batches as a whole: words about a record belong in the rejects only.
    """
    line = " ".join(text.split())
    known = [form for value in session.secret(False).values() for form in _forms(value) if len(form) > 5]
    for form in known:
        line = line.replace(form, "[secret]")
    line = re.sub(r"[A-Za-z0-9+/_-]{8,}={0,2}", lambda found: _unless_packed(found[0], known), line)
    return re.sub(r"\b(Basic|Bearer) +[A-Za-z0-9+/=_.~-]{8,}", r"\1 [secret]", line)[:limit]


def _forms(secret: str) -> Iterator[str]:
    """As what it may be repeated: as it is, without its kind (`api:…`), as in a URL."""
    for form in (secret, secret.partition(":")[2]):
        yield from (form, quote(form, safe=""))


def _unless_packed(word: str, known: Sequence[str]) -> str:
    """A word, unless it is the base64 of a text with one of our credentials in it, as that of `user:password`."""
    try:
        text = base64.b64decode(word.rstrip("=") + "==", altchars=b"-_" if set(word) & set("-_") else None)
    except ValueError:
        return word
    return "[secret]" if any(form.encode() in text for form in known) else word


def _code(body: bytes, names: tuple[str, ...]) -> str:
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    found = (str(data.get(name) or "") for name in names) if isinstance(data, dict) else iter(())
    return next((text for text in found if re.fullmatch(r"[A-Za-z0-9_.:-]{1,80}", text)), "")
