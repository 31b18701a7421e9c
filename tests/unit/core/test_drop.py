"""What S3, SQS and EventBridge say, and the drops it means."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest

from batchdrop.drop import Drop, arrivals, folder_of, job_id, later, sqs_messages

EVENTS = Path(__file__).resolve().parents[3] / "events"


def notification(key: str, name: str = "ObjectCreated:Put", **changes: Any) -> dict[str, Any]:
    """S3's own notification: keys are URL-encoded, a space as `+`."""
    found = {"key": quote_plus(key, safe="/"), "size": 5, "versionId": "v1", "sequencer": "0A", **changes}
    return {"Records": [{"eventName": name, "s3": {"bucket": {"name": "drops"}, "object": found}}]}


def bridged(key: object, name: str = "Object Created", **changes: Any) -> dict[str, Any]:
    """The same through EventBridge: keys as they are."""
    found = {"key": key, "size": 5, "version-id": "v1", "sequencer": "0A", **changes}
    return {"source": "aws.s3", "detail-type": name, "detail": {"bucket": {"name": "drops"}, "object": found}}


KEYS = [
    "drops/r/plain.csv",
    "drops/r/a b+c%20d.csv",
    "drops/r/é–ü 100%.csv",
    "drops/r//twice//slashed.csv",
    "drops/r/" + "k" * 1016,
    "drops/r/q?&=#;.csv",
]


@pytest.mark.acceptance("A5")
@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_decoded_once_and_only_where_it_was_encoded(key: str) -> None:
    for message in (notification(key), bridged(key), json.dumps(notification(key)), json.dumps(bridged(key)).encode()):
        assert arrivals(message).drops == [Drop("drops", key, "v1", 5, "0A")]


@pytest.mark.acceptance("A6")
@pytest.mark.parametrize(
    ("message", "why"),
    [
        ({"Service": "Amazon S3", "Event": "s3:TestEvent", "Bucket": "drops"}, "s3:TestEvent"),
        (notification("drops/r/a.csv", "ObjectRemoved:DeleteMarkerCreated"), "ObjectRemoved"),
        (notification("drops/r/a.csv", "ObjectTagging:Put"), "ObjectTagging"),
        (bridged("drops/r/a.csv", "Object Tags Added"), "Object Tags Added"),
        (bridged("drops/r/a.csv", "Object Deleted"), "Object Deleted"),
        (notification("drops/r/sub/"), "folder marker"),
        (notification("drops/r/a.csv", versionId=None), "without a version id"),
        (notification("elsewhere/a.csv"), "outside drops/<route>/"),
        (notification("drops/a.csv"), "outside drops/<route>/"),
        ({"Records": [{"eventName": "ObjectCreated:Put"}]}, "without bucket or key"),
        (bridged(7), "outside drops/<route>/"),
        ({"Records": [None, 7]}, "an event without a name"),
        ({"source": "aws.s3", "detail": None}, "an event without a name"),
        ({"hello": "world"}, "no S3 event in it"),
        ("{", "not a JSON object"),
        (b"\xff\xfe", "not a JSON object"),
        ("[]", "not a JSON object"),
        (None, "not a JSON object"),
    ],
)  # fmt: skip
def test_what_is_no_drop_is_left_aside_with_its_reason(message: object, why: str) -> None:
    found = arrivals(message)
    assert found.drops == []
    assert found.ignored
    assert all(why in reason for reason in found.ignored)


def test_one_bad_record_does_not_hide_the_good_ones_beside_it() -> None:
    message = notification("drops/r/good.csv")
    message["Records"].insert(0, {"eventName": "ObjectCreated:Put"})
    found = arrivals(message)
    assert [drop.key for drop in found.drops] == ["drops/r/good.csv"]
    assert len(found.ignored) == 1


def test_the_example_events_hold_what_they_are_named_for() -> None:
    ((_, body),) = sqs_messages(json.loads((EVENTS / "submit_drop.json").read_text()))
    (drop,) = arrivals(body).drops
    assert (drop.route, drop.key) == ("people", "drops/people/people list (1).csv")
    for _, body in sqs_messages(json.loads((EVENTS / "submit_malformed.json").read_text())):
        assert arrivals(body).drops == []


@pytest.mark.acceptance("A11", "D12")
def test_a_jobs_id_depends_on_the_object_version_alone_and_fits_an_executions_name() -> None:
    one = job_id("drops", "drops/r/é.csv", "v1")
    assert one == "31c18bea766da02e818080749dad316a"  # another id would be another job for every drop in flight
    assert one == Drop("drops", "drops/r/é.csv", "v1", size=9, sequencer="FF").job_id
    others = {
        job_id("drops", "drops/r/é.csv", "v2"),
        job_id("drops2", "drops/r/é.csv", "v1"),
        job_id("d", "rops", "v1"),
    }
    assert one not in others
    assert set(one) <= set("0123456789abcdef")


@pytest.mark.acceptance("A3")
@pytest.mark.parametrize(
    ("one", "other", "is_later"),
    [
        ("0055AED6DCD90281E5", "0055AED6DCD90281E4", True),
        ("0055AED6DCD90281E4", "0055AED6DCD90281E5", False),
        ("0055AED6DCD90281E4", "0055AED6DCD90281E4", False),
        ("1", "0FFF", True),
        ("0A", "0A00", False),
        ("0a", "0A0", False),
        ("0A01", "0A", True),
    ],
)
def test_sequencers_compare_as_s3_says_the_shorter_padded_with_zeros(one: str, other: str, is_later: bool) -> None:
    assert later(one, other) is is_later


def test_a_set_is_known_by_its_marker() -> None:
    marker = Drop("drops", "drops/r/june/_READY", "v1")
    assert marker.is_marker
    assert folder_of(marker.key) == "drops/r/june/"
    assert not Drop("drops", "drops/r/june/NOT_READY", "v1").is_marker


@pytest.mark.parametrize("event", [{}, {"Records": None}, {"Records": [3]}, {"Records": "x"}])
def test_an_event_without_messages_has_none(event: dict[str, Any]) -> None:
    assert list(sqs_messages(event)) == []
