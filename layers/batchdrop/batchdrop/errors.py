"""Errors the library raises on purpose. Their texts are safe to show: no secret, signed URL or record value."""

from __future__ import annotations


class BatchdropError(Exception):
    """Base of every error raised on purpose."""


class RouteError(BatchdropError):
    """A route is missing or wrong. `field` is the dotted name of the first offending field, `problems` all of them."""

    def __init__(self, message: str, field: str = "") -> None:
        super().__init__(f"{field}: {message}" if field else message)
        self.field = field
        self.problems: list[tuple[str, str]] = [(field, message)]

    @classmethod
    def of(cls, problems: list[tuple[str, str]]) -> RouteError:
        """One error for several problems, each `(field, message)`."""
        error = cls("; ".join(f"{field}: {message}" for field, message in problems))
        error.field, error.problems = problems[0][0], problems
        return error


class SecretError(BatchdropError):
    """A secret is missing or malformed; names the secret and the field, never a value."""


class DropRefused(BatchdropError):
    """The whole drop cannot be used: nothing of it is sent.

    `reason` is a short machine-readable word (`empty`, `encoding`, `truncated`, …);
    `line` is the 1-based source line and `offset` the byte offset, where known.
    `read` is how many bytes of text, and records in them, were read before.
    """

    def __init__(self, reason: str, message: str, *, line: int | None = None, offset: int | None = None) -> None:
        super().__init__(message)
        self.reason = reason
        self.line = line
        self.offset = offset
        self.read = (0, 0)


class ConditionFailed(BatchdropError):
    """A conditional write found something else; `item` is what stood there (None: nothing)."""

    def __init__(self, item: dict[str, object] | None) -> None:
        super().__init__("the item is not in the expected state")
        self.item = item


class WriteConflict(BatchdropError):
    """Somebody else writes the same new object at this very moment: who of them does is known in a while."""


class ObjectGone(BatchdropError):
    """The object, or the pinned version of it, is no longer in the bucket."""


class ObjectRefused(BatchdropError):
    """The storage refuses to give the object: permission to read it (or even to learn of it) is missing, or it is
    archived."""

    reason = "unreadable"  # of a job that ends for it


# --- What a call to a vendor can end in, other than well. One table, in `verdict.py`, decides which. ---


class VendorError(BatchdropError):
    """Base of the five ways a vendor call fails. `status` is the HTTP status, 0 where there was none."""

    def __init__(self, message: str, *, status: int = 0, body: bytes = b"") -> None:
        super().__init__(message)
        self.status = status
        self.body = body  # capped by the client; never logged as it is


class ProvablyNotSent(VendorError):
    """The vendor cannot have acted on it: name not resolved, connection refused, TLS failed, nothing written."""


class Rejected(VendorError):
    """The vendor read it and said no (400, 403, 404, 409, 413, 422, …): repeating will not help."""


class RateLimited(VendorError):
    """Refused for now (429, or 503 with Retry-After); `after` is in seconds, None where the vendor gave none."""

    def __init__(self, message: str, *, after: float | None = None, status: int = 429, body: bytes = b"") -> None:
        super().__init__(message, status=status, body=body)
        self.after = after


class AuthExpired(VendorError):
    """The credentials were refused (401): refresh them once, then give up."""


class Ambiguous(VendorError):
    """It may or may not have been acted upon: time-out, reset, 5xx, an answer that cannot be read."""


class StartAgain(VendorError):
    """Provably not accepted, and what an earlier step made is of no more use (an expired upload URL, say)."""
