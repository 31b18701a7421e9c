"""A circuit per vendor account: after failures in a row nobody calls for a while, then one job tries.

A job whose circuit is open waits, it does not fail. Written only on failure and on the first success after one, so a
vendor in good health costs one read a submission. The count is not exact where workers die, and need not be.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

from msgspec import Struct

from batchdrop.errors import Ambiguous, AuthExpired, ConditionFailed, ProvablyNotSent, RateLimited
from batchdrop.ledger import Ledger
from batchdrop.ports import Absent, Equals, Http, Item, Key, Request, Response

OPENS_AT = 5  # failed submissions in a row
REFUSED_KEY = 3  # failures that refused credentials count for: two open the circuit before the account is locked
FIRST_PAUSE, LONGEST_PAUSE = 60.0, 900.0  # seconds a circuit stays open; doubled with each failed trial
TRIAL = 120.0  # seconds the one job that tries has for itself


class Metered(Struct):
    """`Http` that remembers how its last call went: `failures` 0 is well, None is not called at all."""

    http: Http
    failures: int | None = None

    def send(self, request: Request) -> Response:
        try:
            answer = self.http.send(request)
        except (ProvablyNotSent, Ambiguous, RateLimited) as error:
            self.failures = 1
            raise error from None
        except AuthExpired as error:
            self.failures = REFUSED_KEY
            raise error from None
        except Exception:
            self.failures = 0  # refused, for reasons of its own: the vendor is there
            raise
        self.failures = 0
        return answer

    def download(self, request: Request) -> Iterator[bytes]:
        return self.http.download(request)


class Circuit(Struct):
    """The circuit of one account, as one invocation sees it."""

    ledger: Ledger
    account: str
    item: Item | None = None
    is_trial: bool = False  # this invocation calls although the circuit is open

    def closed_in(self) -> float:
        """Seconds until this job may call; 0: now. The first to ask after the pause is the one that tries."""
        self.item = item = self.ledger.table.get(self._key)
        if item is None or cast(int, item["failures"]) < OPENS_AT:
            return 0.0
        now, until = self.ledger.now(), _open_until(item)
        if now < until:
            return (until - now) / 1000 + 1
        as_it_was = Equals(until) if "open_until" in item else Absent()
        try:
            trial = {"open_until": now + int(TRIAL * 1000)}
            self.item = self.ledger.table.update(self._key, trial, expect={"open_until": as_it_was})
        except ConditionFailed:
            return TRIAL
        self.is_trial = True
        return 0.0

    def tell(self, failures: int | None) -> bool:
        """Write down how this invocation's last call went; whether that opened the circuit, or kept it open."""
        if failures is None or (not failures and not (self.item and self.item["failures"])):
            return False
        if not failures:
            self.ledger.table.update(self._key, self.ledger.dated({"failures": 0, "open_until": 0, "trials": 0}))
            return False
        counted = {"trials": 1} if self.is_trial else {"failures": failures}
        item = self.ledger.table.update(self._key, self.ledger.dated({}), add=counted)
        if cast(int, item["failures"]) < OPENS_AT:
            return False
        if not self.is_trial and self.ledger.now() < _open_until(item):
            return False  # opened meanwhile: calls that were under way then say nothing new
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(cast(int, item.get("trials", 0)), 8))
        self.ledger.table.update(self._key, {"open_until": self.ledger.now() + int(pause * 1000)})
        return True

    @property
    def _key(self) -> Key:
        return Key(f"account#{self.account}", "circuit")


def _open_until(item: Item) -> int:
    return cast(int, item.get("open_until", 0))
