"""What AWS, or the way to it, refused: in words that say what to do."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from local.trouble import Trouble

_CREDENTIALS = {
    "ExpiredToken": "your AWS session is over: sign in again (aws sso login)",
    "ExpiredTokenException": "your AWS session is over: sign in again (aws sso login)",
    "InvalidClientTokenId": "AWS does not know these credentials: check AWS_PROFILE and AWS_ACCESS_KEY_ID",
    "UnrecognizedClientException": "AWS does not know these credentials: check AWS_PROFILE and AWS_ACCESS_KEY_ID",
    "InvalidAccessKeyId": "AWS does not know these credentials: check AWS_PROFILE and AWS_ACCESS_KEY_ID",
    "SignatureDoesNotMatch": "AWS refused the signature: check the secret key, and this machine's clock",
}
_DENIED = ("AccessDenied", "AccessDeniedException", "UnauthorizedOperation")


def told(error: BaseException) -> str | None:
    """What ends the command is told so; None for what is a fault of ours."""
    from batchdrop.errors import BatchdropError

    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    if isinstance(error, Trouble | BatchdropError):
        return str(error)
    return explain(error) if isinstance(error, Exception) else None


def explain(error: Exception) -> str | None:
    """The message for an error of botocore's or of a file's; None for what is a fault of ours."""
    if isinstance(error, OSError) and error.strerror and not isinstance(error, ConnectionError):
        return f"{error.filename}: {error.strerror}" if error.filename else f"the output: {error.strerror}"
    if not type(error).__module__.startswith("botocore"):
        return None
    from botocore import exceptions as aws

    if isinstance(error, aws.ClientError):
        return _refused(error.operation_name, error.response["Error"])
    if isinstance(error, aws.NoCredentialsError | aws.PartialCredentialsError | aws.TokenRetrievalError):
        return "there are no AWS credentials: set AWS_PROFILE, or sign in (aws sso login, aws configure)"
    if isinstance(error, aws.NoRegionError):
        return "no AWS region is set: set AWS_REGION to the one the stack is in"
    if isinstance(error, aws.ProfileNotFound):
        return f"{error}: check AWS_PROFILE"
    if isinstance(error, aws.ConnectionError | aws.HTTPClientError):
        return _unreachable(error)
    return f"AWS could not be asked: {error}"


def _refused(operation: str, said: Mapping[str, Any]) -> str:
    code, message = str(said.get("Code", "")), str(said.get("Message", ""))
    if code in _CREDENTIALS:
        return _CREDENTIALS[code]
    if code in _DENIED:
        return f"these AWS credentials may not do this ({operation}): {message}"
    return f"AWS refused {operation}: {message or code}"


def _unreachable(error: Exception) -> str:
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        return (
            f"nothing answers at {endpoint}: start the local stack (batchdrop up --detach), "
            "or unset AWS_ENDPOINT_URL to use AWS"
        )
    return f"AWS cannot be reached: {error}"
