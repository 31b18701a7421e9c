"""The Data Group, API v3, asynchronous e-mail append by batch-file.

From the vendor's page: paths, header names, the batch-file's request and answers, the 50 MB limit, 8 hours of life
for token and upload URL, `COMPLETED`, notifications by GET or POST. Assumed, because the page does not say, and
switchable in the options where it matters: the fields of `/auth` and of the job, every other state word, the
container of the records, the notification's payload, error bodies and their status codes.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import unquote, urlsplit

from local.simulators.clock import stage
from local.simulators.notifier import Notifier
from local.simulators.records import Commit
from local.simulators.server import Endpoint, Options, Refusal, Simulator
from local.simulators.signed_url import CREDENTIAL_HEADERS, Signer, storage_error
from local.simulators.wire import Body, Call, Reply

JOB = "/v3/async/append/email/job"
BATCH_FILE = JOB + "/{job_id}/batch-file"
MAX_UPLOAD = 50_000_000
UPLOAD_SECONDS = 8 * 3600
NOTIFY_MODES = ("once", "twice", "late", "never", "early", "per_state")


@dataclass(slots=True)
class DataGroupOptions(Options):
    """What the page leaves open, and the credentials."""

    api_key: str = "datagroup-api-key"
    username: str = "datagroup-user"
    password: str = "datagroup-password"
    token_field: str = "token"
    expires_field: str = "expires_in"  # empty: the answer says nothing of it
    token_seconds: int = 28_800
    job_name_fields: tuple[str, ...] = ("name", "job_name")
    container: str = "array"  # or `lines`, or `object:<key>`
    states: tuple[str, ...] = ("CREATED", "UPLOADED", "PROCESSING", "COMPLETED")
    unmatched_every: int = 0  # every n-th record comes back without an e-mail address
    notify: str = "once"
    late_seconds: float = 2.0
    notification_body: str | None = None  # instead of the state as JSON
    content_type_on_get: bool = True  # the page's header tables list it for the GETs too


@dataclass(slots=True)
class BatchFile:
    id: str
    job_id: str
    created_at: float
    url: str = ""
    method: str = ""
    notify: str = ""
    body: Body | None = None
    uploaded_at: float | None = None
    started: bool = False
    never: bool = False
    failed: str = ""
    commit: Commit | None = None
    told: list[str] = field(default_factory=list)


class DataGroupSimulator(Simulator[DataGroupOptions]):
    """`api` takes the calls, `files` is the storage service behind upload_URL and download_url."""

    vendor = "datagroup"
    options_type = DataGroupOptions
    hosts = ("api", "files")
    endpoints: ClassVar[tuple[Endpoint, ...]] = (
        Endpoint("auth", "POST", "/v3/auth"),
        Endpoint("create_job", "POST", JOB),
        Endpoint("get_job", "GET", JOB + "/{job_id}"),
        Endpoint("create_batch_file", "POST", BATCH_FILE),
        Endpoint("state", "GET", BATCH_FILE + "/{batch_id}"),
        Endpoint("result", "GET", BATCH_FILE + "/{batch_id}/result"),
        Endpoint("upload", "PUT", "/uploads/{batch_id}", "files"),
        Endpoint("download", "GET", "/results/{batch_id}", "files"),
    )
    extra_faults: ClassVar[Mapping[str, str]] = {
        "notify": f"how the next batch-file is notified; value: {', '.join(NOTIFY_MODES)}",
        "altered": "the uploaded bytes arrive altered: the ETag is not theirs",
        "download_url": "the result's URL is the value, e.g. one of another host",
    }

    def __init__(self, **options: Any) -> None:
        self.notifier = Notifier()
        super().__init__(**options)

    def clear(self) -> None:
        self._signer = Signer()
        self._tokens: dict[str, float] = {}
        self._dead: set[str] = set()  # URLs that have run out before their time
        self._batch_files: dict[str, BatchFile] = {}
        self._jobs: dict[str, dict[str, Any]] = {}
        self.notifier.sent.clear()

    def stop(self) -> None:
        super().stop()
        self.notifier.stop()

    # --- checks ---

    def check(self, call: Call, endpoint: Endpoint) -> None:
        if endpoint.host == "files":
            self._check_upload_host(call, endpoint)
            return
        if call.header("Authorization"):
            raise Refusal(400, "the API has no Authorization header", "header")
        if call.header("x-api-key") != self.options.api_key:
            raise Refusal(403, "missing or wrong x-api-key", "credentials")
        wants_type = call.method == "POST" or self.options.content_type_on_get
        if wants_type and call.content_type != "application/json":
            raise Refusal(400, "Content-Type is not application/json", "content_type")
        if endpoint.name != "auth":
            self._check_token(call, endpoint)

    def _check_token(self, call: Call, endpoint: Endpoint) -> None:
        token = call.header("AuthorizationToken")
        if self.faults.take(endpoint.name, "expired_token"):
            self._tokens[token] = 0
        if not token or token not in self._tokens:
            raise Refusal(401, "missing or unknown AuthorizationToken", "credentials")
        if self._tokens[token] <= self.clock.now():
            raise Refusal(401, "the AuthorizationToken has expired")

    def _check_upload_host(self, call: Call, endpoint: Endpoint) -> None:
        for name in CREDENTIAL_HEADERS:
            if call.header(name):
                error = storage_error(400, "InvalidArgument", "Only one auth mechanism allowed")
                raise Refusal(400, f"{name} sent to the storage host", "credentials_leaked", error)
        if self.faults.take(endpoint.name, "expired_url"):
            self._dead.add(call.target)
        refused = self._signer.refusal(call, self.clock.now())
        if refused:
            rule = "signature" if refused[0] == "SignatureDoesNotMatch" else ""
            raise Refusal(403, refused[1], rule, storage_error(403, *refused))
        if call.target in self._dead:
            raise Refusal(403, "expired", reply=storage_error(403, "AccessDenied", "Request has expired"))

    # --- the API ---

    def on_auth(self, call: Call) -> Reply:
        given = _payload(call)
        if set(given) != {"username", "password"}:
            raise Refusal(400, "the payload is username and password, nothing else", "payload")
        if (given["username"], given["password"]) != (self.options.username, self.options.password):
            raise Refusal(401, "wrong username or password", "credentials")
        token = secrets.token_urlsafe(24)
        self._tokens[token] = self.clock.now() + self.options.token_seconds
        answer: dict[str, Any] = {self.options.token_field: token}
        if self.options.expires_field:
            answer[self.options.expires_field] = self.options.token_seconds
        return Reply.json(answer)

    def on_create_job(self, call: Call) -> Reply:
        given = _payload(call)
        names = [given[name] for name in self.options.job_name_fields if name in given]
        if len(names) != 1 or not isinstance(names[0], str) or not names[0]:
            raise Refusal(400, f"a job needs one of {', '.join(self.options.job_name_fields)}", "payload")
        _check_optional(given, allowed=self.options.job_name_fields)
        job_id = self.make("job", self._identifier())
        self._jobs[job_id] = {"job_id": job_id, "state": "CREATED", "created_date": self._millis()}
        return Reply.json({"job_id": job_id})

    def on_get_job(self, call: Call) -> Reply:
        return Reply.json(self._job(call))

    def on_create_batch_file(self, call: Call) -> Reply:
        job_id = self._job(call)["job_id"]
        given = _payload(call) if call.body.size else {}
        _check_optional(given)
        now = self.clock.now()
        batch_id = self.make("batch_file", self._identifier())
        mode = self.faults.take("create_batch_file", "notify")
        self._batch_files[batch_id] = BatchFile(
            batch_id,
            job_id,
            now,
            url=given.get("notification_URL", ""),
            method=given.get("notification_method", ""),
            notify=str(mode.value) if mode else self.options.notify,
        )
        url = self._signer.sign(self.host_url("files"), "PUT", f"/uploads/{batch_id}", now, UPLOAD_SECONDS)
        return Reply.json({"batch_id": batch_id, "upload_URL": url})

    def on_state(self, call: Call) -> Reply:
        batch = self._batch_file(call)
        state = self._state(batch)
        said = self.faults.take("state", "unknown_state", "wrong_spelling")
        if said is not None:
            state = str(said.value or {"unknown_state": "REVIEWING"}.get(said.kind, state.capitalize()))
        return Reply.json({"state": state, "created_date": str(int(batch.created_at * 1000))})

    def on_result(self, call: Call) -> Reply:
        batch = self._batch_file(call)
        if self._state(batch) != self.options.states[-1]:
            raise Refusal(400, "the result is there only once the state is COMPLETED", "order")
        elsewhere = self.faults.take("result", "download_url")
        path = f"/results/{batch.id}"
        signed = self._signer.sign(self.host_url("files"), "GET", path, self.clock.now(), UPLOAD_SECONDS)
        return Reply.json({"download_url": str(elsewhere.value) if elsewhere else signed})

    # --- the storage service ---

    def on_upload(self, call: Call) -> Reply:
        batch = self._batch_files[call.params["batch_id"]]
        if call.body.size > MAX_UPLOAD:
            error = storage_error(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
            raise Refusal(400, f"{call.body.size} bytes; the limit is {MAX_UPLOAD}", "size", error)
        if batch.started:
            self.violate(call.number, "upload", "order", "uploaded again after processing began")
        self._take_in(call, batch)
        etag = "0" * 32 if self.faults.take("upload", "altered") else call.body.md5
        return Reply(headers={"ETag": f'"{etag}"'}, content_type="application/xml")

    def _take_in(self, call: Call, batch: BatchFile) -> None:
        """A second upload before processing replaces the first; after that it is a second commit."""
        never, failed = self.faults.take("upload", "never"), self.faults.take("upload", "failed")
        batch.never, batch.failed = batch.never or never is not None, str(failed.value or "FAILED") if failed else ""
        try:
            count = len(self._parse(call.body))
        except (ValueError, UnicodeDecodeError, RecursionError) as error:
            count, batch.failed = 0, "FAILED"
            self.violate(call.number, "upload", "payload", f"the records cannot be read: {error}")
        now, body = self.clock.now(), call.body.keep()
        if batch.commit is not None and not batch.started:
            self.commits.remove(batch.commit)
        batch.commit = Commit(batch.id, now, body.sha256, body.size, count, {"job_id": batch.job_id}, [body])
        self.commits.append(batch.commit)
        batch.body, batch.uploaded_at = body, now

    def on_download(self, call: Call) -> Reply:
        batch = self._batch_files[call.params["batch_id"]]
        assert batch.body is not None
        results = []
        for number, record in enumerate(self._parse(batch.body), 1):
            every = self.options.unmatched_every
            found = not (every and number % every == 0)
            results.append({**record, "email": f"person{number}@example.com"} if found else record)
        return Reply(body=json.dumps(results, ensure_ascii=False).encode(), content_type="application/json")

    # --- state and notifications ---

    def tick(self) -> None:
        for batch in self._batch_files.values():
            if batch.uploaded_at is not None:
                batch.started = batch.started or self._stage(batch) >= 1
                for state in self._due(batch):
                    self._notify(batch, state)

    def _stage(self, batch: BatchFile) -> int:
        """0 uploaded, 1 processing, 2 finished."""
        assert batch.uploaded_at is not None
        elapsed = self.clock.now() - batch.uploaded_at
        return stage(elapsed, self.options.seconds_per_state, 1 if batch.never else 2)

    def _state(self, batch: BatchFile) -> str:
        if batch.uploaded_at is None:
            return self.options.states[0]
        reached = self._stage(batch)
        return batch.failed if reached == 2 and batch.failed else self.options.states[1 + reached]

    def _due(self, batch: BatchFile) -> list[str]:
        """The states whose notification has become due and was not sent yet."""
        if not batch.url or batch.notify == "never":
            return []
        reached, state = self._stage(batch), self._state(batch)
        if batch.notify == "per_state":
            due = [] if state in batch.told else [state]
        elif batch.told:
            due = []
        elif batch.notify == "early":
            due = [state]
        elif batch.notify == "late":
            due = [state] if reached == 2 and self._finished_for(batch) >= self.options.late_seconds else []
        else:
            due = [state] * (2 if batch.notify == "twice" else 1) if reached == 2 else []
        batch.told += due
        return due

    def _finished_for(self, batch: BatchFile) -> float:
        assert batch.uploaded_at is not None
        return self.clock.now() - batch.uploaded_at - 2 * self.options.seconds_per_state

    def _notify(self, batch: BatchFile, state: str) -> None:
        body = self.options.notification_body
        text = json.dumps({"batch_id": batch.id, "state": state}) if body is None else body
        self.notifier.send(batch.id, state, batch.method, batch.url, text.encode() if batch.method == "POST" else None)

    # --- the rest ---

    def describe(self) -> dict[str, Any]:
        return {
            "batch_files": {batch.id: self._state(batch) for batch in self._batch_files.values()},
            "notifications": [asdict(notification) for notification in self.notifier.sent],
        }

    def records_of(self, commit: Commit) -> list[Any]:
        return self._parse(commit.bodies[0])

    def example(self) -> dict[str, Any]:
        options = self.options
        return {
            "url": self.url,
            "route": {
                "destination": "datagroup",
                "account": {
                    "base_url": self.url + "/v3",
                    "notification_method": "POST",
                    "transfer_hosts": ["127.0.0.1"],
                    "state_before_upload": options.states[0],
                    "running_states": list(options.states[:-1]),
                },
                "secret": "datagroup-main",
                "input": {"format": "auto"},
                "deadline": "1h",
                "poll": {"first": "2s", "factor": 1.5, "max": "5s"},
            },
            "secret": {"api_key": options.api_key, "username": options.username, "password": options.password},
        }

    def _parse(self, body: Body) -> list[dict[str, Any]]:
        """The records of an upload. Raises `ValueError` when they are not objects in the agreed container."""
        text, container = body.read().decode("utf-8"), self.options.container
        if container == "lines":
            records = [json.loads(line) for line in text.split("\n") if line]
        else:
            records = json.loads(text)
            if container.startswith("object:"):
                records = records[container.partition(":")[2]]
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise ValueError("not a list of objects")
        return records

    def _job(self, call: Call) -> dict[str, Any]:
        if call.params["job_id"] not in self._jobs:
            raise Refusal(404, "no such job", "order")
        return self._jobs[call.params["job_id"]]

    def _batch_file(self, call: Call) -> BatchFile:
        batch = self._batch_files.get(call.params["batch_id"])
        if batch is None or batch.job_id != call.params["job_id"]:
            raise Refusal(404, "no such batch-file under this job", "order")
        return batch

    def _identifier(self) -> str:
        """Like the page's examples: the time to the second and three characters."""
        taken = self._jobs.keys() | self._batch_files.keys()
        second = datetime.fromtimestamp(self.clock.now(), UTC).strftime("%y%m%d%H%M%S")
        while (identifier := second + secrets.token_hex(2)[:3]) in taken:
            pass
        return identifier

    def _millis(self) -> str:
        return str(int(self.clock.now() * 1000))


def _payload(call: Call) -> dict[str, Any]:
    try:
        given = json.loads(call.body.read().decode("utf-8"))
    except ValueError as error:
        raise Refusal(400, f"the payload is not JSON: {error}", "payload") from None
    if not isinstance(given, dict):
        raise Refusal(400, "the payload is not an object", "payload")
    return given


def _check_optional(given: dict[str, Any], allowed: tuple[str, ...] = ()) -> None:
    known = {*allowed, "output_format", "notification_URL", "notification_method"}
    if unknown := set(given) - known:
        raise Refusal(400, f"unknown attributes: {sorted(unknown)}", "payload")
    if given.get("output_format", "JSON") != "JSON":
        raise Refusal(400, "output_format: only JSON is supported", "payload")
    url, method = given.get("notification_URL"), given.get("notification_method")
    if (url is None) != (method is None) or method not in (None, "GET", "POST"):
        raise Refusal(400, "notification_URL needs a notification_method of GET or POST", "payload")
    if url is not None and not _is_listening_url(unquote(url)):
        raise Refusal(400, "notification_URL should use the https protocol", "payload")


def _is_listening_url(url: str) -> bool:
    """https, or http on this machine, where nothing else can be had."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost"))
