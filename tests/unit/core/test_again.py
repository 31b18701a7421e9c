"""How what was not accepted is sent again, of jobs of versions that did not keep it."""

from __future__ import annotations

import pytest

from batchdrop.again import again
from batchdrop.job import Job


@pytest.mark.parametrize(("destination", "kept"), [("haplo", "part"), ("ometria", "whole")])
def test_a_set_looked_into_before_an_update_is_not_sent_twice(destination: str, kept: str) -> None:
    job = Job("j", "r", "b", "k", "v", created_at=0, deadline_at=1, destination=destination, inspection={"entries": []})
    assert again(job) == kept
    job.inspection["again"] = "whole"
    assert again(job) == "whole"
