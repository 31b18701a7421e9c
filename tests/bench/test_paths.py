"""The benchmark's own paths on small files: every value right, batches under their limit, memory flat."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import check
from tests.bench.data import Files, make
from tests.bench.measure import run
from tests.bench.paths import PATHS, ours

LIMIT = 400_000


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    found = make(tmp_path_factory.mktemp("files"), 1.0)
    run(ours("ranges", found, tmp_path_factory.mktemp("out")), tmp_path_factory.mktemp("out"), LIMIT)
    return found


@pytest.mark.parametrize("key", [path.key for path in PATHS])
def test_every_value_arrives_in_batches_under_the_limit(key: str, files: Files, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(ours(key, files, out), out, LIMIT)
    assert check.fault(key, files, out, LIMIT) == ""


def test_memory_does_not_grow_with_the_file(files: Files, tmp_path: Path) -> None:
    larger = make(tmp_path / "files", 8.0)
    out = tmp_path / "out"
    small, large = (run(ours("csv-ndjson", each, out), out, LIMIT)[2] for each in (files, larger))
    assert large - small < 12_000, "KB of peak memory for seven more megabytes"
