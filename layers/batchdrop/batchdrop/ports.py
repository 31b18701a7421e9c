"""The effects the pure core needs, as protocols. Adapters are in `aws/` and `http.py`; the simulation has its own."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import BinaryIO, Protocol

from msgspec import Struct, field

Item = dict[str, object]


# --- conditions of a ledger write -------------------------------------------------------------------


class Absent(Struct, frozen=True):
    """The attribute does not exist."""


class Equals(Struct, frozen=True):
    """The attribute has exactly this value."""

    value: object


class AbsentOrBelow(Struct, frozen=True):
    """The attribute does not exist or is less than this number."""

    value: int


class OneOf(Struct, frozen=True):
    """The attribute has one of these values."""

    values: tuple[object, ...]


Expect = Absent | Equals | AbsentOrBelow | OneOf


class Key(Struct, frozen=True):
    """Where an item lies in the ledger table: partition and sort key."""

    pk: str
    sk: str


class Table(Protocol):
    """The ledger's storage: linearizable conditional writes on single items.

    Every method may raise any exception for trouble of the store itself (throttling, outage); a failed condition
    is always `ConditionFailed`, carrying the item as it stands.
    """

    def get(self, key: Key) -> Item | None: ...

    def put_new(self, key: Key, item: Item) -> None:
        """Write the item; `ConditionFailed` if there is one already."""

    def update(
        self,
        key: Key,
        set_: Mapping[str, object],
        *,
        remove: Sequence[str] = (),
        add: Mapping[str, int] | None = None,
        expect: Mapping[str, Expect] | None = None,
    ) -> Item:
        """Change top-level attributes if all of `expect` holds; returns the item after it. Never creates an item
        unless `expect` is empty."""

    def query(self, pk: str, sk_prefix: str = "") -> list[Item]:
        """All items of a partition, in sort-key order, strongly consistent."""

    def query_index(
        self, index: str, value: str, *, limit: int = 100, newest_first: bool = True, since: int = 0
    ) -> list[Item]:
        """Items of a secondary index (`open`: unfinished jobs; `listing`: all jobs by time), of those created since
        then; may lag."""

    def delete(self, key: Key) -> None: ...


# --- objects -----------------------------------------------------------------------------------------


class ObjectRef(Struct, frozen=True):
    """One version of one object."""

    bucket: str
    key: str
    version_id: str = ""
    size: int = 0
    modified: float = 0.0  # seconds since the epoch, where a listing told


class Upload(Struct, frozen=True):
    """An object that is being written in several goes."""

    bucket: str
    key: str
    id: str


class Objects(Protocol):
    """Object storage. Reads are of a pinned version; `ObjectGone` when it is not there, `ObjectRefused` when it is not
    for us to read."""

    def open(self, ref: ObjectRef, start: int = 0, end: int | None = None) -> BinaryIO:
        """A stream of the bytes `start..end` (end exclusive; None: to the end). Not seekable."""

    def head(self, ref: ObjectRef) -> ObjectRef:
        """The same reference with its size and version filled in."""

    def list(self, bucket: str, prefix: str) -> Iterable[ObjectRef]: ...

    def versions(self, bucket: str, prefix: str, *, after: str = "") -> Iterable[ObjectRef]:
        """All versions of all objects, those overwritten or deleted too, by key; only of keys after the given one."""

    def put(
        self,
        bucket: str,
        key: str,
        body: bytes | bytearray | BinaryIO,
        *,
        content_type: str = "",
        new: bool = False,
    ) -> None:
        """Write an object; with `new`, `ConditionFailed` if there is one already (If-None-Match), and `WriteConflict`
        while somebody else writes it."""

    def put_stream(self, bucket: str, key: str, chunks: Iterator[bytes], *, content_type: str = "") -> int:
        """Write an object of unknown length in parts at flat memory; aborts the upload on any error. Returns bytes."""

    def begin(self, bucket: str, key: str, *, content_type: str = "") -> Upload:
        """Begin an object that is written in several goes, if need be by several processes."""

    def add(self, upload: Upload, number: int, block: bytes) -> str:
        """Write its block of this number, from 1; all but the last have 5 MiB or more. Returns the block's mark.
        `ObjectGone` where the upload is no more."""

    def complete(self, upload: Upload, marks: Sequence[str]) -> None:
        """Make the object of the blocks with these marks. `ObjectGone` where the upload is no more."""

    def delete(self, bucket: str, key: str) -> None: ...

    def signed_url(self, bucket: str, key: str, seconds: int) -> str:
        """A URL from which anybody can fetch the object for so many seconds."""


# --- the rest ----------------------------------------------------------------------------------------


class Clock(Protocol):
    def now(self) -> float:
        """Seconds since the epoch, UTC."""


class Rng(Protocol):
    def token(self) -> str:
        """A fresh random identifier (UUID text)."""

    def uniform(self, low: float, high: float) -> float: ...


class Secrets(Protocol):
    """JSON secrets by short name (without the stack's prefix)."""

    def get(self, name: str, *, fresh: bool = False) -> Mapping[str, object]:
        """The secret's fields; `fresh` bypasses the cache. Raises `SecretError`."""


class Routes(Protocol):
    def get(self, name: str) -> Mapping[str, object]:
        """The route's raw configuration. Raises `RouteError` when there is none."""


class Workflow(Protocol):
    """The supervisor of jobs (Step Functions)."""

    def start(self, name: str, job_id: str) -> None:
        """Start the execution of this name; one that exists already is success."""

    def wake(self, token: str) -> bool:
        """Let the waiter with this task token go on; False if it no longer waits."""

    def is_running(self, name: str) -> bool: ...


class Events(Protocol):
    def publish(self, kind: str, detail: Mapping[str, object]) -> None:
        """Tell downstream systems, e.g. `Job Finished`."""


class Metrics(Protocol):
    def count(self, name: str, value: int = 1) -> None: ...


class Log(Protocol):
    def info(self, message: str, **fields: object) -> None: ...

    def warning(self, message: str, **fields: object) -> None: ...

    def exception(self, message: str, **fields: object) -> None:
        """Log the exception being handled: its type and where it arose, never its text."""


class Request(Struct, frozen=True):
    """One HTTP request to a vendor. `body` is bytes or a re-openable file; its length is always sent."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | BinaryIO | None = None
    length: int | None = None  # of `body` when it is a file
    timeout: float = 60.0  # total, seconds: name look-up to last byte of the answer
    max_bytes: int = 1_000_000  # of the answer
    given_by_vendor: bool = False  # a URL the vendor handed us: vetted more strictly, see http.py
    hosts: tuple[str, ...] = ()  # with given_by_vendor: the hosts it may name, `*.` as a wildcard label


class Response(Struct, frozen=True):
    status: int
    headers: Mapping[str, str]  # lower-case names
    body: bytes


class Http(Protocol):
    """The one HTTP client. 2xx is a Response; all else raises one of the five `VendorError`s."""

    def send(self, request: Request) -> Response: ...

    def download(self, request: Request) -> Iterator[bytes]:
        """The body of a GET in chunks, at flat memory; `Ambiguous` when it ends short, or runs over size or time."""
