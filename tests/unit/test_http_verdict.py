"""The one table of errors, and how long a vendor may make us wait."""

from __future__ import annotations

import pytest

from batchdrop.errors import Ambiguous, AuthExpired, ProvablyNotSent, RateLimited, Rejected, VendorError
from batchdrop.verdict import classify, parse_retry_after

NOW = 1_700_000_000.0  # Tue, 14 Nov 2023 22:13:20 GMT
SIX_HOURS = 21_600.0


@pytest.mark.acceptance("D4", "D5")
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (200, None),
        (201, None),
        (204, None),
        (301, Rejected),
        (302, Rejected),
        (307, Rejected),
        (400, Rejected),
        (401, AuthExpired),
        (403, Rejected),
        (404, Rejected),
        (408, Ambiguous),
        (409, Rejected),
        (413, Rejected),
        (422, Rejected),
        (429, RateLimited),
        (500, Ambiguous),
        (502, Ambiguous),
        (503, Ambiguous),
        (504, Ambiguous),
        (101, Ambiguous),
        (999, Ambiguous),
    ],
)
def test_each_status_has_one_meaning(status: int, kind: type[VendorError] | None) -> None:
    assert classify(status) is kind


@pytest.mark.acceptance("D4")
def test_without_an_answer_it_matters_whether_anything_was_sent() -> None:
    assert classify(0, started=False) is ProvablyNotSent
    assert classify(0, started=True) is Ambiguous


@pytest.mark.acceptance("E3")
def test_a_503_that_says_when_to_come_back_is_a_rate_limit() -> None:
    assert classify(503, retry_after=0.0) is RateLimited
    assert classify(500, retry_after=5.0) is Ambiguous


@pytest.mark.acceptance("E3")
@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        (" 7 ", 7.0),
        ("0", 0.0),
        ("1.5", 1.5),
        ("1000000000", SIX_HOURS),
        ("9" * 5000, SIX_HOURS),
        ("Tue, 14 Nov 2023 22:14:20 GMT", 60.0),
        ("Tuesday, 14-Nov-23 22:14:20 GMT", 60.0),
        ("Tue Nov 14 22:14:20 2023", 60.0),
        ("Tue, 14 Nov 2023 22:00:00 GMT", 0.0),
        ("Fri, 14 Nov 2093 22:14:20 GMT", SIX_HOURS),
        ("-5", None),
        ("soon", None),
        ("١٢", None),
        ("1e3", None),
        ("inf", None),
        ("nan", None),
        ("Tue, 99 Nov 2023 22:14:20 GMT", None),
        ("Tue, 14 Nov 99999 22:14:20 GMT", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_obeyed_up_to_six_hours_and_ignored_when_it_is_nonsense(
    value: str | None, seconds: float | None
) -> None:
    assert parse_retry_after(value, NOW) == seconds
