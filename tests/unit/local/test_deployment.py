from __future__ import annotations

import shutil
import subprocess
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

from local import deployment
from local.home import REPO
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


def test_make_clean_leaves_only_what_is_not_ignored(tmp_path: Path) -> None:
    ignored = [line.rstrip("/").replace("*", "x") for line in (REPO / ".gitignore").read_text().split()]
    ignored.remove(".venvx")
    for name in (*ignored, ".venv", ".venv-gates", "tests/__pycache__", "layers/batchdrop/batchdrop/records"):
        (tmp_path / name).mkdir(parents=True)
    library = "layers/batchdrop/batchdrop/records/libkernel.so"
    for name in (library, f"{library}.made-of", "mine.csv"):
        (tmp_path / name).write_text("x")
    (tmp_path / "libkernel.sox").rmdir()
    shutil.copy(REPO / "Makefile", tmp_path)
    subprocess.run(["make", "clean"], cwd=tmp_path, check=True, capture_output=True)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["Makefile", "mine.csv"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["Makefile", "layers", "mine.csv", "tests"]


def test_what_the_compiler_keeps_lies_in_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZIG_GLOBAL_CACHE_DIR", raising=False)
    place = REPO / "layers" / "batchdrop"
    spec = spec_from_file_location("kernel_script", place / "targets" / "kernel.py")
    assert spec
    assert spec.loader
    kernel = module_from_spec(spec)
    spec.loader.exec_module(kernel)
    assert kernel.kept_by_the_compiler(place / "batchdrop" / "libkernel.so") == REPO / ".aws-sam" / "zig"
    commands: list[list[str]] = []

    def compile_nothing(command: list[str], **_: object) -> None:
        commands.append(command)
        Path(next(word for word in command if word.startswith("-femit")).partition("=")[2]).touch()

    monkeypatch.setattr(kernel.subprocess, "run", compile_nothing)
    kernel.main(tmp_path / "libkernel.so", "arm64")
    assert [command[command.index("--global-cache-dir") + 1] for command in commands] == [
        str(REPO / ".aws-sam" / "zig")
    ] * 2

    monkeypatch.setattr(kernel, "SOURCES", tmp_path / "a" / "b" / "c" / "kernel")  # as `sam build` copies it
    library = tmp_path / ".aws-sam" / "cache" / "x" / "libkernel.so"
    assert kernel.kept_by_the_compiler(library) == tmp_path / ".aws-sam" / "zig"
    assert kernel.kept_by_the_compiler(tmp_path / "libkernel.so") is None
