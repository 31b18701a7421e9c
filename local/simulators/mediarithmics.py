"""mediarithmics, document imports and their executions.

From the vendor's page: paths, the bare token in `Authorization`, the import's fields and which type goes with which
format, `Content-Type` as the import's `mime_type`, the shape of both execution answers. From public sources: the
list of executions, the action `CANCEL`, the error file by its URI, the other status words, 100 MB a file. Assumed:
the error file's format (an option), status codes of refusals, that a record with a true `$fail` fails.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from local.simulators.clock import stage
from local.simulators.records import Commit
from local.simulators.server import Endpoint, Options, Refusal, Simulator
from local.simulators.wire import Body, Call, Reply

IMPORTS = "/v1/datamarts/{datamart_id}/document_imports"
EXECUTIONS = IMPORTS + "/{import_id}/executions"
MAX_BODY = 100_000_000
NDJSON, CSV = "APPLICATION_X_NDJSON", "TEXT_CSV"
CONTENT_TYPES = {NDJSON: "application/x-ndjson", CSV: "text/csv"}
ONLY_NDJSON = (
    "USER_ACTIVITY",
    "USER_PROFILE",
    "USER_IDENTIFIERS_ASSOCIATION_DECLARATIONS",
    "USER_IDENTIFIERS_DISSOCIATION_DECLARATIONS",
    "USER_IDENTIFIERS_DELETION",
)
MIME_TYPES = {**dict.fromkeys(ONLY_NDJSON, (NDJSON,)), "USER_SEGMENT": (NDJSON, CSV)}
FIELDS = ("document_type", "mime_type", "encoding", "name")
ERROR_FILES = ("records", "lines", "numbered")


@dataclass(slots=True)
class MediarithmicsOptions(Options):
    """Credentials and what the page leaves open."""

    api_token: str = "api:mediarithmics-token"
    datamart_id: str = "1502"
    fail_marker: str = "$fail"
    error_file: str = "records"  # or `lines`: the failing input as it was; or `numbered`: its line numbers
    ids_as_numbers: bool = False


@dataclass(slots=True)
class Execution:
    id: str
    import_id: str
    at: float
    commit: Commit
    failures: dict[int, str]  # by input line
    never: bool = False
    failed: str = ""
    retryable: bool = False
    canceled: bool = False


class MediarithmicsSimulator(Simulator[MediarithmicsOptions]):
    """A vendor with one-shot submissions that can be looked up in a list."""

    vendor = "mediarithmics"
    options_type = MediarithmicsOptions
    endpoints: ClassVar[tuple[Endpoint, ...]] = (
        Endpoint("create_import", "POST", IMPORTS),
        Endpoint("list_imports", "GET", IMPORTS),
        Endpoint("get_import", "GET", IMPORTS + "/{import_id}"),
        Endpoint("create_execution", "POST", EXECUTIONS),
        Endpoint("list_executions", "GET", EXECUTIONS),
        Endpoint("execution", "GET", EXECUTIONS + "/{execution_id}"),
        Endpoint("action", "POST", EXECUTIONS + "/{execution_id}/action"),
        Endpoint("data_file", "GET", "/v1/data_file/data"),
    )
    extra_faults: ClassVar[Mapping[str, str]] = {
        "list_refused": "the list of executions is refused with 403",
        "pending_with_result": "a finished execution says PENDING beside its filled result, as in the page's sample",
        "retryable": "the next execution fails with is_retryable true",
        "miscount": "the result's total_success is wrong; value: by how many",
    }

    def clear(self) -> None:
        self._imports: dict[str, dict[str, Any]] = {}
        self._executions: dict[str, Execution] = {}

    def error(self, status: int, message: str) -> Reply:
        return Reply.json({"status": "error", "error": message, "error_id": f"sim-{len(self.requests)}"}, status)

    def check(self, call: Call, endpoint: Endpoint) -> None:
        if self.faults.take(endpoint.name, "expired_token"):
            raise Refusal(401, "the token has expired")
        if call.header("Authorization") != self.options.api_token:
            raise Refusal(401, "missing or wrong token", "credentials")
        if call.params.get("datamart_id", self.options.datamart_id) != self.options.datamart_id:
            raise Refusal(403, "no such datamart", "datamart")
        if endpoint.name in ("create_import", "action") and call.content_type != "application/json":
            raise Refusal(400, "Content-Type is not application/json", "content_type")
        if endpoint.method == "GET" and call.body.size:
            raise Refusal(400, "a GET has no body", "payload")

    # --- document imports ---

    def on_create_import(self, call: Call) -> Reply:
        given = _payload(call)
        missing, unknown = set(FIELDS) - set(given), set(given) - {*FIELDS, "priority"}
        if missing or unknown:
            raise Refusal(400, f"missing: {sorted(missing)}; unknown: {sorted(unknown)}", "payload")
        if given["mime_type"] not in MIME_TYPES.get(given["document_type"], ()):
            raise Refusal(400, f"{given['document_type']} does not come as {given['mime_type']}", "payload")
        if given["encoding"] != "utf-8" or not given["name"]:
            raise Refusal(400, "encoding is utf-8 and name is not empty", "payload")
        if given.get("priority", "MEDIUM") not in ("LOW", "MEDIUM", "HIGH"):
            raise Refusal(400, "priority is LOW, MEDIUM or HIGH", "payload")
        import_id = self.make("document_import", str(20517 + len(self._imports)))
        made = {"id": import_id, "datafarm_key": "DF_EU_2026_01", "datamart_id": self.options.datamart_id}
        self._imports[import_id] = {**made, "priority": "MEDIUM", **given}
        return self._ok(self._imports[import_id])

    def on_list_imports(self, call: Call) -> Reply:
        return self._page(call, list(self._imports.values()))

    def on_get_import(self, call: Call) -> Reply:
        return self._ok(self._import(call))

    # --- executions ---

    def on_create_execution(self, call: Call) -> Reply:
        of = self._import(call)
        if call.content_type != CONTENT_TYPES[of["mime_type"]]:
            raise Refusal(400, f"Content-Type does not match {of['mime_type']}", "content_type")
        if not 0 < call.body.size <= MAX_BODY:
            raise Refusal(400, f"{call.body.size} bytes; from 1 to {MAX_BODY} are taken", "size")
        failures, count = self._look_over(call, of["mime_type"])
        identifier, now, body = str(8_000_001 + len(self._executions)), self.clock.now(), call.body.keep()
        commit = Commit(identifier, now, body.sha256, body.size, count, {"import_id": of["id"]}, [body])
        self.commits.append(commit)
        execution = Execution(identifier, of["id"], now, commit, failures)
        self._order(execution)
        self._executions[identifier] = execution
        return self._ok(self._shown(execution, created=True))

    def _order(self, execution: Execution) -> None:
        """The fate that queued faults have in store for it."""
        execution.never = self.faults.take("create_execution", "never") is not None
        if failed := self.faults.take("create_execution", "failed", "retryable"):
            execution.failed, execution.retryable = str(failed.value or "FAILED"), failed.kind == "retryable"

    def on_list_executions(self, call: Call) -> Reply:
        if self.faults.take("list_executions", "list_refused"):
            raise Refusal(403, "not allowed")
        import_id = self._import(call)["id"]
        newest_first = [x for x in reversed(self._executions.values()) if x.import_id == import_id]
        return self._page(call, [self._shown(execution) for execution in newest_first])

    def on_execution(self, call: Call) -> Reply:
        shown = self._shown(self._execution(call))
        said = self.faults.take("execution", "unknown_state", "wrong_spelling", "pending_with_result")
        if said is not None:
            spellings = {"SUCCEEDED": "SUCCESS"}
            word = {"unknown_state": "HIBERNATING", "pending_with_result": "PENDING"}.get(said.kind)
            shown["status"] = str(said.value or word or spellings.get(shown["status"], shown["status"].lower()))
        return self._ok(shown)

    def on_action(self, call: Call) -> Reply:
        execution = self._execution(call)
        if _payload(call) != {"action": "CANCEL"}:
            raise Refusal(400, "the only action is CANCEL", "payload")
        if self._status(execution) != "PENDING":
            raise Refusal(400, "the execution is no longer pending")
        execution.canceled = True
        self.commits.remove(execution.commit)
        return self._ok(self._shown(execution))

    def on_data_file(self, call: Call) -> Reply:
        if self.faults.take("data_file", "expired_url"):
            raise Refusal(403, "the file has expired")
        for execution in self._executions.values():
            if call.query.get("uri") == _uri(execution, "input"):
                return Reply(body=execution.commit.bodies[0].read(), content_type="application/octet-stream")
            if call.query.get("uri") == _uri(execution, "error"):
                return Reply(body=self._error_file(execution), content_type="application/octet-stream")
        raise Refusal(404, "no such file", "order")

    # --- the records ---

    def _look_over(self, call: Call, mime_type: str) -> tuple[dict[int, str], int]:
        """The failing records by line, and how many records there are."""
        failures, count = {}, 0
        try:
            for number, record in _records(call.body, mime_type):
                count += 1
                if not isinstance(record, dict):
                    self.violate(call.number, "create_execution", "payload", f"line {number} is not a JSON object")
                    failures[number] = "not a JSON object"
                elif record.get(self.options.fail_marker) in (True, "true"):
                    failures[number] = "the record asked to fail"
        except UnicodeDecodeError as error:
            raise Refusal(400, f"not UTF-8: {error}", "payload") from None
        return failures, count

    def _error_file(self, execution: Execution) -> bytes:
        lines = execution.commit.bodies[0].read().split(b"\n")
        mime_type = self._imports[execution.import_id]["mime_type"]
        out = []
        for number, record in _records(execution.commit.bodies[0], mime_type):
            message = execution.failures.get(number)
            if message is None:
                continue
            if self.options.error_file == "lines":
                out.append(lines[number - 1])
            elif self.options.error_file == "numbered":
                out.append(json.dumps({"line": number, "error": message}).encode())
            else:
                out.append(json.dumps({"error": message, "record": record}, ensure_ascii=False).encode())
        return b"".join(line + b"\n" for line in out)

    # --- answers ---

    def _status(self, execution: Execution) -> str:
        if execution.canceled:
            return "CANCELED"
        last = 1 if execution.never else 2
        reached = stage(self.clock.now() - execution.at, self.options.seconds_per_state, last)
        return ("PENDING", "RUNNING", execution.failed or "SUCCEEDED")[reached]

    def _shown(self, execution: Execution, *, created: bool = False) -> dict[str, Any]:
        """The execution in the form of the page's samples: nearly all null at first."""
        status = "PENDING" if created else self._status(execution)
        done = status not in ("PENDING", "RUNNING", "CANCELED")
        shown: dict[str, Any] = {
            "parameters": None if status == "PENDING" else self._parameters(execution),
            "result": self._result(execution) if done and not execution.failed else None,
            "error": {"message": "the import failed"} if done and execution.failed else None,
            "id": int(execution.id) if self.options.ids_as_numbers else execution.id,
            "status": status,
            "creation_date": int(execution.at * 1000),
            "start_date": None,
            "duration": None,
            "organisation_id": "1581",
            "user_id": None,
            "cancel_status": None,
            "debug": None,
            "is_retryable": done and execution.retryable,
            "permalink_uri": "xxxxxx",
            "num_tasks": 1 if done else None,
            "completed_tasks": 1 if done else None,
            "erroneous_tasks": 0 if done else None,
            "retry_count": 0,
            "job_type": "DOCUMENT_IMPORT",
            "import_mode": "MANUAL_FILE",
            "import_type": None,
        }
        return shown | self._times(execution) if done else shown

    def _times(self, execution: Execution) -> dict[str, int]:
        step = self.options.seconds_per_state
        start, duration = int((execution.at + step) * 1000), int(step * 1000)
        return {"start_date": start, "duration": duration, "end_date": start + duration}

    def _parameters(self, execution: Execution) -> dict[str, Any]:
        of = self._imports[execution.import_id]
        return {
            "datamart_id": int(of["datamart_id"]),
            "document_import_id": int(of["id"]),
            "mime_type": of["mime_type"],
            "document_type": of["document_type"],
            "input_file_name": f"{execution.id}.input",
            "file_uri": _uri(execution, "input"),
            "number_of_lines": execution.commit.records,
            "segment_id": None,
        }

    def _result(self, execution: Execution) -> dict[str, Any]:
        failed = len(execution.failures)
        wrong = self.faults.take("execution", "miscount")
        return {
            "total_success": execution.commit.records - failed + (int(wrong.value or 1) if wrong else 0),
            "total_failure": failed,
            "input_file_name": f"{execution.id}.input",
            "input_file_uri": _uri(execution, "input"),
            "error_file_uri": _uri(execution, "error"),
            "possible_issue_on_identifiers": False,
            "top_identifiers": {},
        }

    def _ok(self, data: Any) -> Reply:
        return Reply.json({"status": "ok", "data": data})

    def _page(self, call: Call, items: list[Any]) -> Reply:
        first, most = int(call.query.get("first_result", "0")), int(call.query.get("max_results", "50"))
        page = items[first : first + most]
        wrapper = {"count": len(page), "first_result": first, "max_results": most, "total": len(items)}
        return Reply.json({"status": "ok", "data": page, **wrapper})

    def _import(self, call: Call) -> dict[str, Any]:
        found = self._imports.get(call.params["import_id"])
        if found is None:
            raise Refusal(404, "no such document import", "order")
        return found

    def _execution(self, call: Call) -> Execution:
        found = self._executions.get(call.params["execution_id"])
        if found is None or found.import_id != call.params["import_id"]:
            raise Refusal(404, "no such execution of this document import", "order")
        return found

    # --- the rest ---

    def describe(self) -> dict[str, Any]:
        return {"executions": {x.id: self._status(x) for x in self._executions.values()}}

    def records_of(self, commit: Commit) -> list[Any]:
        mime_type = self._imports[commit.detail["import_id"]]["mime_type"]
        return [record for _, record in _records(commit.bodies[0], mime_type)]

    def example(self) -> dict[str, Any]:
        return {
            "url": self.url,
            "route": {
                "destination": "mediarithmics",
                "account": {
                    "base_url": self.url,
                    "datamart_id": self.options.datamart_id,
                    "document_type": "USER_ACTIVITY",
                    "mime_type": NDJSON,
                },
                "secret": "mediarithmics-main",
                "input": {"format": "auto", "id": ["$user_account_id", "$ts"]},
                "deadline": "1h",
                "poll": {"first": "2s", "factor": 1.5, "max": "5s"},
            },
            "secret": {"api_token": self.options.api_token},
        }


def _uri(execution: Execution, which: str) -> str:
    return f"mics://data_file/tenants/1581/imports/{execution.import_id}/{execution.id}.{which}"


def _records(body: Body, mime_type: str) -> Iterator[tuple[int, Any]]:
    """Input line and record; None for a line that is not JSON. Raises `UnicodeDecodeError`."""
    text = body.read().decode("utf-8")
    if mime_type == CSV:
        reader = csv.DictReader(io.StringIO(text, newline=""))
        for row in reader:
            yield reader.line_num, row
        return
    for number, line in enumerate(text.removesuffix("\n").split("\n"), 1):
        try:
            yield number, json.loads(line)
        except ValueError:
            yield number, None


def _payload(call: Call) -> dict[str, Any]:
    try:
        given = json.loads(call.body.read().decode("utf-8"))
    except ValueError as error:
        raise Refusal(400, f"the body is not JSON: {error}", "payload") from None
    if not isinstance(given, dict):
        raise Refusal(400, "the body is not an object", "payload")
    return given
