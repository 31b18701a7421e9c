"""The emulator as it is started here: what MiniStack alone gets wrong, and that it is closed to strangers."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from local import deployment, emulator
from local.embedded import SharedLayer, honour_ranges_of_versions, read_limits_as_numbers


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    found = emulator.free_port()
    process = emulator.start(tmp_path_factory.mktemp("home"), found)
    yield found
    process.stop()


def put(s3: Any) -> dict[str, str]:
    s3.create_bucket(Bucket="ranges", CreateBucketConfiguration={"LocationConstraint": emulator.REGION})
    s3.put_bucket_versioning(Bucket="ranges", VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket="ranges", Key="k", Body=b"0123456789")["VersionId"]
    return {"Bucket": "ranges", "Key": "k", "VersionId": version}


def test_a_range_of_a_version_is_that_range(port: int) -> None:
    s3 = deployment.client("s3", port)
    version = put(s3)
    found = s3.get_object(**version, Range="bytes=3-5")
    assert (found["Body"].read(), found["ContentRange"]) == (b"345", "bytes 3-5/10")
    assert s3.get_object(**version)["Body"].read() == b"0123456789"
    with pytest.raises(ClientError, match="InvalidRange"):
        s3.get_object(**version, Range="bytes=10-")


def test_wrong_credentials_are_refused(port: int) -> None:
    endpoint = f"http://127.0.0.1:{port}"
    stranger = boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id="stranger", aws_secret_access_key="x", aws_session_token=None
    )
    with pytest.raises(ClientError):
        stranger.list_buckets()


def test_without_a_range_the_answer_is_left_alone() -> None:
    answer = (200, {"ETag": "x"}, b"0123")
    assert honour_ranges_of_versions(lambda *_: answer, lambda *_: None)("b", "k", {}, {"versionId": ["v"]}) == answer


def test_a_limit_kept_as_text_is_read_as_a_number() -> None:
    def limit(mapping: dict[str, Any]) -> int:
        found = mapping["ScalingConfig"].get("MaximumConcurrency", 5)
        assert isinstance(found, int)
        return found

    assert read_limits_as_numbers(limit)({"ScalingConfig": {"MaximumConcurrency": "10"}}) == 10
    assert read_limits_as_numbers(limit)({}) == 5


def test_workers_share_what_a_layer_holds_but_not_their_code(tmp_path: Path) -> None:
    for worker in ("one", "two"):
        for name in ("layer_0", "code"):
            (tmp_path / worker / name).mkdir(parents=True)
            with zipfile.ZipFile(tmp_path / worker / f"{name}.zip", "w") as made:
                made.writestr("python/a.py", name)
            with SharedLayer(tmp_path / worker / f"{name}.zip") as packed:
                packed.extractall(tmp_path / worker / name)
    one, two = tmp_path / "one", tmp_path / "two"
    assert (one / "layer_0/python/a.py").read_text() == "layer_0"
    assert (one / "layer_0/python/a.py").samefile(two / "layer_0/python/a.py")
    assert not (one / "code/python/a.py").samefile(two / "code/python/a.py")
