"""One boto3 session, one client a service, made when first used."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import boto3


@cache
def _session() -> boto3.Session:
    import boto3

    return boto3.Session()


@cache
def client(service: str) -> Any:
    """A client with bounded time-outs; its own retries are safe, as every write that matters is conditional."""
    from botocore.config import Config

    # Signed URLs by version 4: the older one, still the SDK's choice here and there, is refused for encrypted objects.
    signing: Any = {"signature_version": "s3v4"} if service == "s3" else {}
    retries: Any = {"mode": "standard", "total_max_attempts": 4}
    config = Config(connect_timeout=5, read_timeout=60, retries=retries, **signing)
    return _session().client(service, config=config)  # type: ignore[call-overload]
