"""What the contract tests of the destinations stand on: a real session with the real HTTP client, the real shelf and a
route read by the real validator, before a strict simulator of the vendor."""

from __future__ import annotations

import hashlib
import io
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace

from batchdrop.destinations.base import Destination, Session, Step
from batchdrop.errors import ObjectGone
from batchdrop.http import Client
from batchdrop.job import Batch, Job
from batchdrop.matching import Tally, rows_of_batch
from batchdrop.parcels import input_spec
from batchdrop.places import folder
from batchdrop.ports import ObjectRef, Upload
from batchdrop.records.inspect import inspect
from batchdrop.records.packager import Packager
from batchdrop.records.payload import Payload
from batchdrop.records.rejects import RejectsWriter
from batchdrop.records.spec import OutputSpec
from batchdrop.refusals import Refusals
from batchdrop.route import Route, read_route
from batchdrop.session import BucketShelf
from batchdrop.words import BatchState
from local.simulators.clock import ManualClock
from local.simulators.server import Simulator

LOCAL = ("127.0.0.1",)
BUCKET = "results"
JOB = "job-0123456789"
FIXTURES = Path(__file__).parents[2] / "fixtures" / "vendors"


def sample(name: str) -> bytes:
    """A payload of a vendor's page, verbatim."""
    return (FIXTURES / name).read_bytes()


class Objects:
    """Object storage in memory; its signed URLs can really be fetched."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.signed: list[tuple[str, int]] = []
        self._server = _Server(self)

    def open(self, ref: ObjectRef, start: int = 0, end: int | None = None) -> BinaryIO:
        if ref.key not in self.stored:
            raise ObjectGone("no such object")
        return io.BytesIO(self.stored[ref.key][start:end])

    def head(self, ref: ObjectRef) -> ObjectRef:
        return replace(ref, size=len(self.stored[ref.key]))

    def list(self, bucket: str, prefix: str) -> Iterable[ObjectRef]:
        return [ObjectRef(bucket, key, size=len(data)) for key, data in self.stored.items() if key.startswith(prefix)]

    def versions(self, bucket: str, prefix: str, *, after: str = "") -> Iterable[ObjectRef]:
        return self.list(bucket, prefix)

    def put(
        self, bucket: str, key: str, body: bytes | bytearray | BinaryIO, *, content_type: str = "", new: bool = False
    ) -> None:
        self.stored[key] = bytes(body) if isinstance(body, bytes | bytearray) else body.read()

    def put_stream(self, bucket: str, key: str, chunks: Iterator[bytes], *, content_type: str = "") -> int:
        self.stored[key] = b"".join(chunks)
        return len(self.stored[key])

    def begin(self, bucket: str, key: str, *, content_type: str = "") -> Upload:
        raise NotImplementedError

    def add(self, upload: Upload, number: int, block: bytes) -> str:
        raise NotImplementedError

    def complete(self, upload: Upload, marks: Sequence[str]) -> None:
        raise NotImplementedError

    def delete(self, bucket: str, key: str) -> None:
        self.stored.pop(key, None)

    def signed_url(self, bucket: str, key: str, seconds: int) -> str:
        self.signed.append((key, seconds))
        return f"http://127.0.0.1:{self._server.server_address[1]}/{key}?X-Amz-Expires={seconds}&X-Amz-Signature=canary"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def within(self, part: str) -> tuple[str, ...]:
        """What lies below this part of the keys, e.g. `batches/`."""
        return tuple(key.partition(part)[2] for key in self.stored if part in key)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        super().__init__(("127.0.0.1", 0), _Serve)
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()


class _Serve(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        data = self.server.objects.stored.get(urlsplit(self.path).path.removeprefix("/"))
        self.send_response(403 if data is None else 200)
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, *_: Any) -> None:
        pass


class Chance:
    """Tokens that are all different, and the same in every run."""

    def __init__(self) -> None:
        self._n = itertools.count(1)

    def token(self) -> str:
        return f"00000000-0000-4000-8000-{next(self._n):012d}"

    def uniform(self, low: float, high: float) -> float:
        return low


class Memory:
    def __init__(self) -> None:
        self._facts: dict[str, str] = {}

    def recall(self, name: str) -> str:
        return self._facts.get(name, "")

    def remember(self, name: str, value: str) -> None:
        self._facts[name] = value


def payload_of(data: bytes) -> Payload:
    return Payload(len(data), hashlib.sha256(data).hexdigest(), bytearray(data), None)


@dataclass
class Desk:
    """A job of one route at its vendor, as the submission, the poll and the finish deal with it."""

    sim: Simulator[Any]
    clock: ManualClock
    route: Route
    session: Session
    objects: Objects
    secrets: dict[str, str]
    fresh: list[bool] = field(default_factory=list)
    batches: list[Batch] = field(default_factory=list)

    @property
    def vendor(self) -> Destination:
        return self.route.vendor

    def prepare(self) -> dict[str, str]:
        self.session.job.receipt = self.vendor.prepare(self.session)
        return self.session.job.receipt

    def begin(self, n: int = 1, **changes: Any) -> Batch:
        """A batch as the ledger has it before its first step."""
        now = int(self.clock.now() * 1000)
        batch = Batch(JOB, n, "owner", BatchState.SUBMITTING, 1, packaged_at=now)
        batch = replace(batch, **{"records": 3, **changes})
        self.batches.append(batch)
        self.session.siblings = self.batches
        return batch

    def step(self, name: str) -> Step:
        return next(step for step in self.vendor.steps() if step.name == name)

    def submit(self, data: bytes, n: int = 1, **changes: Any) -> Batch:
        """Every step of one batch, in order."""
        batch = self.begin(n, **changes)
        self.session.payload, self.session.transient = payload_of(data), {}
        for step in self.vendor.steps():
            batch.receipt = {**batch.receipt, **step.run(self.session, batch)}
        batch.state, batch.submitted_at = BatchState.SUBMITTED, int(self.clock.now() * 1000)
        return batch

    def work(self, seconds: float = 100) -> None:
        """The vendor does its work."""
        self.clock.advance(seconds)
        self.sim.state()
        if settle := getattr(self.sim, "settle", None):
            settle()

    def last(self, endpoint: str) -> Any:
        return self.sim.calls(endpoint)[-1]

    def package(self, name: str, data: bytes) -> tuple[Packager, list[Any]]:
        """A drop cut into batches by the real engine, with what the destination demands."""
        output = self.vendor.output(self.route.account)
        spec = input_spec(self.route, output)
        source = Drop(name, data)
        inspection = inspect(source, spec)
        self.session.job.inspection = inspection.to_json()
        target = OutputSpec(output.format, output.max_bytes, output.max_records, output.csv_quoting)  # type: ignore[arg-type]
        packager = Packager(source, spec, target, inspection)
        return packager, list(packager.batches())


@dataclass(frozen=True)
class Drop:
    """A dropped file as the record readers want it."""

    name: str
    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def open(self, start: int = 0, end: int | None = None) -> BinaryIO:
        return io.BytesIO(self.data[start:end])


def refused_lines(desk: Desk, packager: Packager, packed: Any, batch: Batch) -> tuple[list[tuple[int, str]], Tally]:
    """Source line and vendor's code of each refused record of a batch, as the finish finds them."""
    tally, found = Tally(), desk.session.job.inspection
    refusals = Refusals(desk.vendor.collect(desk.session, batch).rejects)
    rows = rows_of_batch(
        packager.replay(packed.start, packed.end),
        refusals,
        RejectsWriter.for_format(found["format"], found["header"]),
        tally,
        None,
    )
    assert len(list(rows)) == tally.matched
    return [(row["line"], row["code"]) for row in tally.sample], tally


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_750_000_000.0)


@pytest.fixture
def objects() -> Iterator[Objects]:
    store = Objects()
    yield store
    store.close()


@pytest.fixture
def open_desk(clock: ManualClock, objects: Objects) -> Callable[..., Desk]:
    """`open_desk(sim, account={…}, input={…}, …)`: a desk for the simulator's example route with these changes."""

    def open_(
        sim: Simulator[Any],
        account: Mapping[str, object] | None = None,
        input: Mapping[str, object] | None = None,  # noqa: A002 - the route's own word
        **changes: object,
    ) -> Desk:
        example = sim.example()
        raw = {**example["route"], **changes}
        raw["account"] = {**raw["account"], **(account or {})}
        raw["input"] = raw["input"] if input is None else dict(input)
        route = read_route("test", raw, LOCAL)
        now = int(clock.now() * 1000)
        job = Job(JOB, "test", BUCKET, "drops/test/file", "v1", now, now + int(route.deadline * 1000), config=raw)
        secrets, fresh = dict(example["secret"]), []

        def secret(is_fresh: bool) -> Mapping[str, str]:
            fresh.append(is_fresh)
            return secrets

        session = Session(
            job=job,
            account=route.account,
            http=Client(allow_insecure=LOCAL),
            secret=secret,
            clock=clock,
            rng=Chance(),
            memory=Memory(),
            shelf=BucketShelf(objects, BUCKET, folder(job)),
        )
        return Desk(sim, clock, route, session, objects, secrets, fresh)

    return open_
