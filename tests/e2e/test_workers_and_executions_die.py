"""A worker is killed in the middle, an execution is stopped: each job still ends in one report."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psutil
import pytest

from local.simulators.datagroup import DataGroupSimulator
from tests.e2e.rig import PAUSE, Rig

FILE = "id,zip\n1,01234\n2,00001\n"


def submit_workers(rig: Rig) -> Iterator[psutil.Process]:
    """The processes in which the embedded AWS runs the submit function."""
    wanted = rig.stack.outputs["SubmitFunctionName"]
    for process in psutil.Process(rig.stack.emulator.pid).children(recursive=True):
        try:
            if process.environ().get("AWS_LAMBDA_FUNCTION_NAME") == wanted:
                yield process
        except psutil.Error:
            continue


def until_called(vendor: DataGroupSimulator, endpoint: str, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not vendor.calls(endpoint):
        assert time.monotonic() < end, f"{endpoint} was not called"
        time.sleep(PAUSE)


@pytest.mark.acceptance("D1", "D2", "D8")
def test_a_worker_killed_in_the_middle_of_a_submission_loses_and_repeats_nothing(rig: Rig) -> None:
    """One dies before the vendor has the batch, one after: the first is sent, the second is found there."""
    with DataGroupSimulator() as before, DataGroupSimulator() as after:
        before.fault("slow", "create_batch_file", value=20)
        after.fault("slow", "upload", value=20)
        rig.route("killed-before", before)
        rig.route("killed-after", after)
        jobs = [rig.drop("killed-before", "a.csv", FILE), rig.drop("killed-after", "a.csv", FILE)]
        until_called(before, "create_batch_file")
        until_called(after, "upload")
        workers = list(submit_workers(rig))
        assert workers
        for worker in workers:
            worker.kill()
        first, second = rig.reports(jobs, 75)
        for job, report, vendor in zip(jobs, (first, second), (before, after), strict=True):
            assert (report["outcome"], report["counts"]["accepted"]) == ("completed", 2)
            assert list(vendor.commits_by_sha.values()) == [1]
            assert rig.versions(job, "report.json") == 1
            assert vendor.violations == []
        assert first["batches"][0]["attempts"] == 2
        assert any("adopted" in warning for warning in second["warnings"])


@pytest.mark.acceptance("E8")
def test_a_job_whose_execution_is_stopped_gets_another_and_ends_in_a_report(rig: Rig) -> None:
    with DataGroupSimulator(seconds_per_state=2, notify="never") as vendor:
        rig.route("stopped", vendor)
        job = rig.drop("stopped", "a.csv", FILE)
        until_called(vendor, "upload")
        rig.client("stepfunctions").stop_execution(executionArn=rig.arn(job), error="Test", cause="stopped by a test")
        report = rig.report(job, 40)
        assert (report["outcome"], report["counts"]["accepted"]) == ("completed", 2)
        assert rig.execution(job)["status"] == "ABORTED"
        assert rig.execution(job, run=2)["status"] == "SUCCEEDED"
        assert list(vendor.commits_by_sha.values()) == [1]


@pytest.mark.acceptance("E8")
def test_the_sweep_finds_nothing_to_do_where_all_is_well(rig: Rig) -> None:
    """The schedule's own call: it lists drops and open jobs with the function's own permissions."""
    answer = rig.client("lambda").invoke(FunctionName=rig.stack.outputs["SweepFunctionName"], Payload=b"{}")
    assert "FunctionError" not in answer, answer["Payload"].read()
