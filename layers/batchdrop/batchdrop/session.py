"""A job's session with its vendor: credentials, callback URL, memory and shelf; and what its answers may do to us."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import BinaryIO

from msgspec import Struct

from batchdrop import capability
from batchdrop.destinations.base import Payload, Session
from batchdrop.errors import Ambiguous, ObjectRefused, SecretError, VendorError
from batchdrop.job import Batch, Job
from batchdrop.places import folder
from batchdrop.ports import ObjectRef, Objects
from batchdrop.route import Route
from batchdrop.world import OutOfTime, World

_AFTER_DEADLINE = 24 * 3600  # seconds a callback URL outlives its job's deadline


class LedgerMemory(Struct, frozen=True):
    """Facts of one vendor account, kept in the ledger."""

    world: World
    account: str

    def recall(self, name: str) -> str:
        item = self.world.ledger.recall(f"account#{self.account}", f"memo#{name}")
        return str(item["value"]) if item else ""

    def remember(self, name: str, value: str) -> None:
        self.world.ledger.remember(f"account#{self.account}", f"memo#{name}", {"value": value})


class BucketShelf(Struct, frozen=True):
    """A job's own folder in the results bucket."""

    objects: Objects
    bucket: str
    folder: str

    def stage(self, name: str, payload: Payload, seconds: int) -> str:
        self.keep(name, payload)
        return self.objects.signed_url(self.bucket, f"{self.folder}batches/{name}", seconds)

    def keep(self, name: str, payload: Payload) -> None:
        with payload.open() as body:
            self.objects.put(self.bucket, f"{self.folder}batches/{name}", body)

    def withdraw(self, name: str) -> None:
        self.objects.delete(self.bucket, f"{self.folder}batches/{name}")

    def store(self, name: str, chunks: Iterator[bytes]) -> str:
        self.objects.put_stream(self.bucket, f"{self.folder}results/{name}", chunks)
        return f"results/{name}"

    def read(self, name: str) -> BinaryIO:
        return self.objects.open(ObjectRef(self.bucket, self.folder + name))


def open_session(world: World, job: Job, route: Route) -> Session:
    """A session for one invocation; raises `SecretError` only once a secret is asked for."""
    return Session(
        job=job,
        account=route.account,
        http=world.http,
        secret=_secret(world, route),
        clock=world.clock,
        rng=world.rng,
        memory=LedgerMemory(world, route.account_key),
        shelf=BucketShelf(world.objects, world.settings.results_bucket, folder(job)),
        notification_url=_notification_url(world, job, route),
    )


@contextmanager
def heeding(world: World, batch: Batch) -> Iterator[None]:
    """Deal with a vendor's answer about a batch; one over which our own code fails is as good as unreadable.

    For it would fail in the same way each time: the job would get no report, its other batches would not be asked for.
    """
    try:
        yield
    except (VendorError, SecretError, ObjectRefused, OutOfTime):
        raise
    except Exception as error:
        world.log.exception("a vendor's answer could not be dealt with", job_id=batch.job_id, batch=batch.n)
        raise Ambiguous(f"{type(error).__name__} in dealing with the vendor's answer") from error


def _secret(world: World, route: Route) -> Callable[[bool], Mapping[str, str]]:
    def get(fresh: bool) -> Mapping[str, str]:
        found = world.secrets.get(route.secret, fresh=fresh)
        wrong = next((name for name in route.vendor.secret if not _is_usable(found.get(name))), "")
        if wrong and not fresh:
            return get(True)  # it may have been mended since it was read
        if wrong:
            why = "is missing, empty, no text, or has spaces around it"
            raise SecretError(f'secret "{route.secret}": field "{wrong}" {why}')
        return {name: value for name, value in found.items() if isinstance(value, str)}  # others are none of ours

    return get


def _is_usable(value: object) -> bool:
    return isinstance(value, str) and bool(value) and value == value.strip()


def _notification_url(world: World, job: Job, route: Route) -> str:
    base = world.settings.notification_url
    if not (base and route.vendor.callbacks) or job.packaged_at:  # all is submitted: nobody is to be told it any more
        return ""
    keys = _callback_keys(world)
    if keys is None:  # polling ends the job without callbacks, too
        world.metrics.count("CallbackKeysUnusable")
        world.log.warning("the callback keys are unusable", job_id=job.job_id, secret=capability.SECRET)
        return ""
    expires = job.deadline_at // 1000 + _AFTER_DEADLINE
    return f"{base.rstrip('/')}/notifications/{capability.issue(keys, job.job_id, expires)}"


def _callback_keys(world: World) -> Mapping[str, object] | None:
    """The keys as they are now, where those read before are of no use; None where neither are usable."""
    for fresh in (False, True):
        with suppress(SecretError):
            keys = world.secrets.get(capability.SECRET, fresh=fresh)
            if capability.are_usable(keys):
                return keys
    return None
