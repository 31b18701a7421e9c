"""MiniStack with two of its faults mended, so that what runs here behaves as on AWS: `python -m local.embedded`.

Seen in MiniStack 1.5.33, the locked version; `tests/unit/local/test_embedded.py` shows when a fix is no longer needed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Answer = tuple[int, dict[str, str], bytes]


def honour_ranges_of_versions(
    get_object: Callable[..., Answer], parse_range: Callable[..., tuple[int, int] | None]
) -> Callable[..., Answer]:
    """A GET that names a version ignores its Range and answers with the whole object. S3 honours it."""

    def get(bucket: str, key: str, headers: Mapping[str, str], query: Mapping[str, Any] | None = None) -> Answer:
        wanted = headers.get("range", "")
        if not (wanted and query and query.get("versionId")):
            return get_object(bucket, key, headers, query)
        # A checksum of the whole object does not go with a part of it.
        plain = {k: v for k, v in headers.items() if k not in ("range", "x-amz-checksum-mode")}
        status, found, body = get_object(bucket, key, plain, query)
        if status != 200:
            return status, found, body
        place = parse_range(wanted, len(body))
        if place is None:
            return 416, {"Content-Range": f"bytes */{len(body)}"}, b"<Error><Code>InvalidRange</Code></Error>"
        start, end = place
        part = body[start : end + 1]
        about = {"Content-Length": str(len(part)), "Content-Range": f"bytes {start}-{end}/{len(body)}"}
        return 206, {**found, **about}, part

    return get


def read_limits_as_numbers(concurrency: Callable[..., int]) -> Callable[..., int]:
    """A queue's `MaximumConcurrency` that comes from a template parameter stays text, and polling ends in an error."""

    def read(mapping: dict[str, Any], *rest: Any) -> int:
        scaling = {k: int(v) for k, v in (mapping.get("ScalingConfig") or {}).items()}
        return concurrency({**mapping, "ScalingConfig": scaling}, *rest)

    return read


def main() -> None:
    """Run MiniStack until it is told to end."""
    from ministack.app import main as run
    from ministack.services import lambda_svc, s3

    s3._get_object = honour_ranges_of_versions(s3._get_object, s3._parse_range)
    lambda_svc._sqs_esm_concurrency = read_limits_as_numbers(lambda_svc._sqs_esm_concurrency)
    run()


if __name__ == "__main__":
    main()
