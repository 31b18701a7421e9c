"""A destination of the tests: one POST takes a batch and starts its import, as the least helpful vendor would have it.

Three personalities: with a look-up of what arrived; without one, doubt held; without one, doubt resubmitted (the
route's `on_doubt`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar, Literal

from batchdrop import route
from batchdrop.destinations import REGISTRY
from batchdrop.destinations.base import (
    Canceled,
    Collected,
    Found,
    NotThere,
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
    status_of,
)
from batchdrop.fields import Field
from batchdrop.job import Batch
from batchdrop.ports import Request

_STATES = {"running": VendorState.RUNNING, "done": VendorState.SUCCEEDED, "canceled": VendorState.CANCELED}


class OneShot:
    """Destination `oneshot`."""

    name: ClassVar[str] = "oneshot"
    secret: ClassVar[tuple[str, ...]] = ("api_key",)
    sets: ClassVar[Literal["never", "allowed", "required"]] = "never"
    callbacks: ClassVar[bool] = True
    names_rejects: ClassVar[bool] = True
    reports_failures: ClassVar[bool] = False
    receipt_name: ClassVar[str] = "id"
    side_by_side: ClassVar[bool] = True  # each batch has a tag of its own
    account: ClassVar[Mapping[str, Field]] = {
        "base_url": Field("text", "address"),
        "lookup": Field("boolean", "whether the vendor can be asked what arrived", True),
        "max_bytes": Field("integer", "size of a batch", 1000),
        "notification_method": Field("text", "callbacks", "POST", choices=("POST", "none")),
        "type": Field("text", "full, delta, or of neither kind", "none", choices=("full", "delta", "none")),
    }

    def check(self, route: Mapping[str, object]) -> list[tuple[str, str]]:
        return []

    def output(self, account: Mapping[str, object]) -> Output:
        return Output("ndjson", int(str(account["max_bytes"])))

    def prepare(self, session: Session) -> Receipt:
        return {}

    def steps(self) -> tuple[Step, ...]:
        return (Step("import", StepKind.COMMIT, self._import, self._look_up),)

    def _import(self, session: Session, batch: Batch) -> Receipt:
        assert session.payload is not None
        with session.payload.open() as body:
            data = body.read()
        answer = session.call(lambda fresh: self._request(session, "POST", f"/import/{_tag(session, batch)}", data))
        return {"id": id_field(answer, json_object(answer), "id")}

    def _look_up(self, session: Session, batch: Batch) -> Reconciled:
        if not session.account["lookup"]:
            return Undecided("this vendor cannot be asked")
        answer = session.call(lambda fresh: self._request(session, "GET", f"/arrived/{_tag(session, batch)}"))
        found = str(json_object(answer)["id"])
        return Found({"id": found}) if found else NotThere()

    def ask(self, session: Session, batch: Batch) -> Status:
        return status_of(self._status(session, batch).get("status"), _STATES)

    def collect(self, session: Session, batch: Batch) -> Collected:
        answer: Any = self._status(session, batch)
        return Collected([Reject(str(r["id"]), "bad", str(r["why"])) for r in answer["rejects"]])

    def cancel(self, session: Session, batch: Batch) -> Canceled:
        return Canceled.NOT_POSSIBLE

    def _status(self, session: Session, batch: Batch) -> dict[str, object]:
        path = f"/status/{batch.receipt['id']}"
        return json_object(session.call(lambda fresh: self._request(session, "GET", path)))

    def _request(self, session: Session, method: str, path: str, body: bytes | None = None) -> Request:
        headers = {"X-Key": session.secret(False)["api_key"], "X-Notify": session.notification_url}
        return Request(method, session.base_url + path, headers, body, len(body) if body else None)


def _tag(session: Session, batch: Batch) -> str:
    return f"{session.job.job_id}-{batch.n}"


@contextmanager
def registered() -> Iterator[None]:
    """Let routes name `oneshot` for a while."""
    choices = route.COMMON["destination"]
    REGISTRY["oneshot"] = "tests.simulation.oneshot:OneShot"
    route.COMMON["destination"] = Field("text", "the vendor", choices=tuple(REGISTRY))
    try:
        yield
    finally:
        del REGISTRY["oneshot"]
        route.COMMON["destination"] = choices


class OneShotVendor:
    """The other side of it: imports whatever it is sent, each time anew. Keeps what it took."""

    def __init__(self, seconds: float = 100.0) -> None:
        self.seconds = seconds  # an import takes so long
        self.imports: list[dict[str, Any]] = []
        self.never = False
        self.lag = 0.0  # seconds until a status is known

    def answer(self, method: str, path: str, headers: Mapping[str, str], body: bytes, now: float) -> tuple[int, Any]:
        """Status and JSON of one request."""
        _, verb, what = path.split("/", 2)
        if verb == "import":
            lines = [json.loads(line) for line in body.split(b"\n") if line]
            taken = {"id": f"i{len(self.imports) + 1}", "tag": what, "at": now, "records": lines}
            self.imports.append(taken | {"notify": headers.get("X-Notify", "")})
            return 202, {"id": taken["id"]}
        if verb == "arrived":
            found = [i["id"] for i in self.imports if i["tag"] == what]
            return 200, {"id": found[-1] if found else ""}
        found = [i for i in self.imports if i["id"] == what]
        if not found or now - found[0]["at"] < self.lag:
            return 404, {"error": "unknown"}
        done = not self.never and now - found[0]["at"] >= self.seconds
        rejects = [{"id": r["id"], "why": "refused"} for r in found[0]["records"] if r.get("name") == "bad"]
        return 200, {"status": "done" if done else "running", "rejects": rejects if done else []}
