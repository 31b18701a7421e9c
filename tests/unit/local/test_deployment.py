from __future__ import annotations

import sys
from pathlib import Path

import pytest

from local import deployment
from local.trouble import Trouble


def test_parameters_join_the_fixed_ones_with_those_of_this_machine() -> None:
    found = deployment.parameters(4567)
    assert found["PythonRuntime"] == f"python3.{sys.version_info.minor}"
    assert found["Architecture"] in ("arm64", "x86_64")
    assert found["AllowInsecureHosts"] == "127.0.0.1,localhost"
    assert found["NotificationEndpoint"] == "http://127.0.0.1:4567/_aws/execute-api/{api}/$default"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "functions").mkdir()
    (tmp_path / "functions" / "app.py").write_text("one")
    (tmp_path / "template.yaml").write_text("template")
    (tmp_path / "samconfig.toml").write_text("")
    monkeypatch.setattr(deployment, "REPO", tmp_path)
    return tmp_path


def test_a_changed_source_or_parameter_changes_the_fingerprint(repository: Path) -> None:
    first = deployment.fingerprint({"LogLevel": "INFO"})
    assert deployment.fingerprint({"LogLevel": "INFO"}) == first
    assert deployment.fingerprint({"LogLevel": "DEBUG"}) != first
    (repository / "functions" / "app.py").write_text("two")
    assert deployment.fingerprint({"LogLevel": "INFO"}) != first


def test_compiled_files_do_not_change_the_fingerprint(repository: Path) -> None:
    first = deployment.fingerprint({})
    (repository / "functions" / "__pycache__").mkdir()
    (repository / "functions" / "__pycache__" / "app.pyc").write_bytes(b"x")
    assert deployment.fingerprint({}) == first


def test_a_missing_sam_is_told_with_the_command_that_installs_it(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(Trouble, match="run: make setup"):
        deployment.build(tmp_path, {})


def test_a_failed_sam_ends_with_its_last_lines_and_the_place_of_the_log(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sam = tmp_path / "sam"
    sam.write_text("#!/bin/sh\necho first\necho Error: no such runtime\nexit 1\n")
    sam.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(Trouble) as trouble:
        deployment.build(tmp_path, {})
    assert "Error: no such runtime" in str(trouble.value)
    assert str(tmp_path / "sam-build.log") in str(trouble.value)
