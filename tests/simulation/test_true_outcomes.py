"""What a report says became of a drop is what became of it: neither doubt where there is none, nor the reverse."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from batchdrop.errors import Ambiguous, SecretError
from batchdrop.ports import Request
from batchdrop.report.advice import what_next
from tests.simulation.run import Simulation
from tests.simulation.scenario import scenario
from tests.simulation.test_rows import ended, oneshot, strict


@dataclass(frozen=True, slots=True)
class Answering:
    """The way to the vendor, with something done before each request."""

    inner: Any
    first: Callable[[Request], None]

    def send(self, request: Request) -> Any:
        self.first(request)
        return self.inner.send(request)

    def download(self, request: Request) -> Any:
        return self.inner.download(request)


def before_each(simulation: Simulation, first: Callable[[Request], None]) -> None:
    simulation.world.http = Answering(simulation.world.http, first)


# --- before anything was sent ---


@pytest.mark.parametrize("name", ["sherpa", "hold", "datagroup", "mediarithmics", "ometria", "haplo"])
def test_an_unusable_secret_fails_the_job_and_nothing_of_it_is_in_doubt(name: str) -> None:
    with Simulation(scenario(name)) as simulation:
        field = next(iter(simulation.secrets["vendor-main"]))
        simulation.secrets["vendor-main"][field] += " "
        report = ended(simulation)
        assert (report["outcome"], report["failure"]["reason"]) == ("failed", "secret")
        assert f'secret "vendor-main": field "{field}"' in report["reason"]
        assert report["counts"]["unprocessed"] == report["counts"]["records"] > 0
        assert "the vendor accepted none of it" in what_next(report)[0]
        assert not [o for _, o, _ in simulation.gate.trace.calls if o.startswith("http")]


def test_a_secret_that_is_spoiled_between_two_batches_leaves_the_second_unsent() -> None:
    with Simulation(scenario("hold")) as simulation:

        def spoil(request: Request) -> None:
            if "/import/" in request.url:
                simulation.secrets["vendor-main"]["api_key"] = ""
                simulation.later(60.0, lambda: simulation.secrets["vendor-main"].update(api_key="oneshot-api-key"))

        before_each(simulation, spoil)
        report = ended(simulation)
        assert (report["outcome"], report["failure"]["reason"]) == ("failed", "secret")
        assert report["counts"]["unconfirmed"] == 0
        assert report["counts"]["unprocessed"] == report["batches"][1]["records"]
        assert oneshot(simulation).commits == 1


def test_a_step_that_may_be_repeated_leaves_no_doubt_however_it_fails() -> None:
    """The Data Group's upload commits; the call before it is answered with 500 until the deadline."""
    with Simulation(scenario("datagroup")) as simulation:

        def fail(request: Request) -> None:
            if request.url.endswith("/batch-file"):
                raise Ambiguous("POST batch-file: answered 500", status=500)

        before_each(simulation, fail)
        report = ended(simulation)
        assert report["outcome"] == "timed_out"
        assert report["counts"]["unprocessed"] == report["counts"]["records"] > 0
        assert strict(simulation).calls("upload") == []


# --- what may have been sent in an attempt before ---


def test_a_batch_sent_again_in_vain_is_still_in_doubt_as_its_first_attempt_may_have_arrived() -> None:
    with Simulation(scenario("resubmit")) as simulation:
        taken: list[str] = []

        def lose(request: Request) -> None:
            if "/import/" in request.url and taken:
                raise SecretError("the secret is gone")
            if "/import/" in request.url:
                taken.append(request.url)
                raise Ambiguous("no answer")

        before_each(simulation, lose)
        report = ended(simulation)
        assert report["outcome"] == "held"
        assert report["failure"]["reason"] == "secret"
        assert report["batches"][0]["counts"]["unconfirmed"] == report["batches"][0]["records"]
        assert "batch 1" in what_next(report)[0]
