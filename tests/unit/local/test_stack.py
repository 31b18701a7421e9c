from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

import psutil
import pytest

from local import deployment, emulator, stack, vendors
from local.home import LocalStack, home
from local.processes import Process
from local.trouble import Trouble

ME = Process(os.getpid(), psutil.Process().create_time())


class FakeAws:
    """Stands for the emulator and SAM: counts what is done, fails when told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self.template = "one"
        self.failing = ""
        monkeypatch.setattr(emulator, "start", self.start)
        monkeypatch.setattr(emulator, "is_healthy", lambda _: True)
        monkeypatch.setattr(deployment, "fingerprint", lambda _: self.template)
        monkeypatch.setattr(deployment, "parameters", lambda _: {})
        monkeypatch.setattr(deployment, "build", lambda *_: self.do("build"))
        monkeypatch.setattr(deployment, "deploy", self.deploy)
        monkeypatch.setattr(vendors, "start", lambda _: (ME, {"sherpa": "http://127.0.0.1:1"}))
        monkeypatch.setattr(Process, "stop", lambda _: self.done.append("stop"))

    def start(self, home: Path, port: int) -> Process:
        self.do("start")
        return ME

    def deploy(self, *_: object) -> dict[str, str]:
        self.do("deploy")
        endpoint = {"NotificationUrl": "http://127.0.0.1/{api}/$default", "NotificationApiId": "a1"}
        return {"DropBucketName": "drops", "LedgerTable": "ledger", **endpoint}

    def do(self, what: str) -> None:
        self.done.append(what)
        if what == self.failing:
            raise Trouble(f"{what} failed")


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeAws:
    monkeypatch.setenv("BATCHDROP_HOME", str(tmp_path / "home"))
    return FakeAws(monkeypatch)


def quietly(_: str) -> None:
    return


def test_up_starts_builds_and_deploys(aws: FakeAws) -> None:
    found = stack.up(quietly)
    assert aws.done == ["start", "build", "deploy"]
    assert stack.running() == found


def test_a_second_up_leaves_an_unchanged_stack_as_it_is(aws: FakeAws) -> None:
    stack.up(quietly)
    aws.done.clear()
    stack.up(quietly)
    assert aws.done == []


def test_a_changed_template_is_deployed_again_into_the_running_emulator(aws: FakeAws) -> None:
    stack.up(quietly)
    aws.done.clear()
    aws.template = "two"
    stack.up(quietly)
    assert aws.done == ["build", "deploy"]


@pytest.mark.parametrize("step", ["build", "deploy"])
def test_a_first_deployment_that_fails_leaves_nothing_running(aws: FakeAws, step: str) -> None:
    aws.failing = step
    with pytest.raises(Trouble, match=f"{step} failed"):
        stack.up(quietly)
    assert aws.done[-1] == "stop"
    assert LocalStack.load() is None


def test_a_later_deployment_that_fails_leaves_the_stack_running_and_is_tried_again(aws: FakeAws) -> None:
    stack.up(quietly)
    aws.template, aws.failing = "two", "deploy"
    with pytest.raises(Trouble):
        stack.up(quietly)
    assert "stop" not in aws.done
    assert stack.running() is not None
    aws.failing = ""
    aws.done.clear()
    stack.up(quietly)
    assert aws.done == ["build", "deploy"]


def test_a_stack_whose_emulator_died_is_started_anew(aws: FakeAws, monkeypatch: pytest.MonkeyPatch) -> None:
    stack.up(quietly)
    monkeypatch.setattr(emulator, "is_healthy", lambda _: False)
    aws.done.clear()
    stack.up(quietly)
    assert aws.done == ["stop", "start", "build", "deploy"]


def test_another_port_than_the_running_ones_is_refused_with_the_way_out(aws: FakeAws) -> None:
    stack.up(quietly, port=4566)
    with pytest.raises(Trouble, match="already running on port 4566; stop it first"):
        stack.up(quietly, port=4567)


def test_simulators_can_be_added_to_a_running_stack(aws: FakeAws) -> None:
    stack.up(quietly)
    found = stack.up(quietly, simulators=True)
    assert found.destinations == {"sherpa": "http://127.0.0.1:1"}
    assert LocalStack.load() == found


def test_down_stops_everything_once(aws: FakeAws) -> None:
    stack.up(quietly, simulators=True)
    aws.done.clear()
    assert stack.down()
    assert aws.done == ["stop", "stop"]
    assert stack.running() is None
    assert not stack.down()


def test_who_has_to_wait_for_another_up_or_down_is_told_so(aws: FakeAws) -> None:
    home().mkdir(parents=True, exist_ok=True)
    told = []
    with (home() / "lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        def let_go(message: str) -> None:
            told.append(message)
            fcntl.flock(other, fcntl.LOCK_UN)

        stack.down(let_go)
    assert told == [f"waiting for another batchdrop up or down in {home()}"]


def test_the_variables_name_the_stacks_outputs(aws: FakeAws) -> None:
    found = stack.variables(stack.up(quietly, port=4566))
    assert found["AWS_ENDPOINT_URL"] == "http://127.0.0.1:4566"
    assert found["BATCHDROP_STACK"] == "batchdrop"
    assert found["BATCHDROP_DROP_BUCKET"] == "drops"
    assert found["BATCHDROP_LEDGER_TABLE"] == "ledger"
    assert found["BATCHDROP_NOTIFICATION_URL"] == "http://127.0.0.1/a1/$default"


def test_a_state_file_cut_off_in_the_middle_counts_as_none(aws: FakeAws) -> None:
    stack.up(quietly)
    file = Path(os.environ["BATCHDROP_HOME"]) / "stack.json"
    file.write_text(file.read_text()[:40])
    assert stack.running() is None


def test_a_port_in_use_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(Trouble, match=rf"port {port} is in use by another program.*batchdrop up --port \d+"):
            emulator.start(tmp_path, port)
