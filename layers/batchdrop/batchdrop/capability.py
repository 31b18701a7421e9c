"""Notification URLs: a capability per job. Whoever holds one can make us look at that job once more, nothing else.

Token: `<job id>.<expiry, s since the epoch>.<key id>.<mac>`; mac = HMAC-SHA256 over version, job, expiry and key id.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Mapping

SECRET = "notification-keys"  # the stack's own: its name is no other secret's
_TOKEN = re.compile(r"([0-9a-f]{32})\.([0-9]{1,12})\.([A-Za-z0-9_-]{1,32})\.([A-Za-z0-9_-]{32})")
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,32}")
MAX_LENGTH = 128


def _mac(key: str, job_id: str, expires: int, key_id: str) -> str:
    text = f"v1|{job_id}|{expires}|{key_id}".encode()
    digest = hmac.new(key.encode(), text, hashlib.sha256).digest()[:24]  # 192 bits
    return base64.urlsafe_b64encode(digest).decode()


def are_usable(keys: Mapping[str, object]) -> bool:
    """Whether tokens can be made: `current` is the id of a key, which is text."""
    key_id = keys.get("current")
    return isinstance(key_id, str) and bool(_KEY_ID.fullmatch(key_id)) and bool(_key(keys, key_id))


def _key(keys: Mapping[str, object], key_id: str) -> str:
    """The key of this id; empty where there is none."""
    key = keys.get(key_id) if key_id != "current" else None
    return key if isinstance(key, str) else ""


def issue(keys: Mapping[str, object], job_id: str, expires: int) -> str:
    """A token for this job, made with the current key. `keys` holds `current`, the id of a key, and the keys by id."""
    key_id = str(keys["current"])
    return f"{job_id}.{expires}.{key_id}.{_mac(_key(keys, key_id), job_id, expires, key_id)}"


def verify(keys: Mapping[str, object], token: str, now: float) -> str | None:
    """The job id a genuine, unexpired token is for; None for anything else. Any key still kept is good."""
    match = _TOKEN.fullmatch(token) if len(token) <= MAX_LENGTH else None
    if match is None:
        return None
    job_id, expires, key_id, mac = match.groups()
    key = _key(keys, key_id)
    genuine = hmac.compare_digest(_mac(key or "none", job_id, int(expires), key_id), mac)
    return job_id if genuine and key and now < int(expires) else None
