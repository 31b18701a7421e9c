"""`duplicates: last_wins`: what gave way to a later record is never sent after it, whichever way it comes again."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any
from unittest.mock import patch

import pytest

from batchdrop import operate
from tests.simulation.run import HOUR, Simulation
from tests.simulation.scenario import Scenario, as_json, cut, scenario
from tests.simulation.test_rows import ended, oneshot
from tests.simulation.test_spans import rejects_of

ROWS = [("u1", "old"), ("u2", "x"), ("u1", "older"), ("u3", "bad"), ("u1", "new")]
FORMS = {
    "people.csv": "id,name\n" + "".join(f"{id_},{name}\n" for id_, name in ROWS),
    "people.ndjson": "".join(json.dumps({"id": id_, "name": name}) + "\n" for id_, name in ROWS),
    "people.json": json.dumps([{"id": id_, "name": name} for id_, name in ROWS], indent=1),
}
COUNTS = {"records": 5, "accepted": 2, "invalid": 2, "rejected": 1, "unprocessed": 0, "unconfirmed": 0}
ONE_GONE = "1 record gave way to a later one with the same id: it is not in the rejects file."
GONE = "2 records gave way to later ones with the same id: they are not in the rejects file."


def dropped(name: str, text: str, records: int, *, spread: bool = False) -> Scenario:
    base = replace(scenario("lookup"), files={name: text.encode()}, records=records)
    chosen = replace(base, route={**base.route, "input": {"format": "auto", "id": "id", "duplicates": "last_wins"}})
    return cut(chosen, "lookup", 20) if spread else chosen


def names(simulation: Simulation) -> list[str]:
    return sorted(record["name"] for each in oneshot(simulation).vendor.imports for record in each["records"])


def again(simulation: Simulation) -> None:
    operate.rerun(simulation.world, simulation.jobs()[0].job_id, only_rejected=True)
    simulation.kernel.run(simulation.kernel.now + 3 * HOUR)


@pytest.mark.acceptance("B11")
@pytest.mark.parametrize("spread", [False, True])
@pytest.mark.parametrize("name", FORMS)
def test_what_gave_way_is_counted_and_told_but_not_among_what_is_to_be_dropped_again(name: str, spread: bool) -> None:
    with Simulation(dropped(name, FORMS[name], 5, spread=spread)) as simulation:
        report = ended(simulation)
        assert (simulation.job.spread > 1) is spread
        assert report["counts"] == COUNTS
        told = {(each["code"], each["outcome"]): each["count"] for each in report["reject_reasons"]}
        assert told["replaced", "invalid"] == 2
        assert len([each for each in report["rejects"] if each["code"] == "replaced" and each["line"]]) == 2
        rows = [row for row in rejects_of(simulation) if b"u" in row and b"batchdrop_code" not in row.split(b",")]
        assert [b"bad" in row for row in rows] == [True]
        assert report["what_next"][0].startswith("Mend the 1 record refused")
        assert any(step.startswith(GONE) for step in report["what_next"])
        again(simulation)
        assert set(names(simulation)) == {"bad", "new", "x"}


def test_of_accounts_that_a_version_before_closed_it_is_said_that_their_lines_are_in_the_file() -> None:
    chosen = dropped("people.csv", "id,name\nu1,old\nu2,bad\nu1,new\n", 3)
    with Simulation(chosen) as simulation, patch("batchdrop.matching.one_reason", lambda reason: reason):
        report = ended(simulation)
        assert [row[:6] for row in rejects_of(simulation)[1:]] == [b"u1,old", b"u2,bad"]
        assert report["what_next"][0].startswith("Mend the 1 record refused")
        where = "in the rejects file it is marked `replaced`, and so not sent where it is dropped."
        assert any(where in step for step in report["what_next"])
        assert "not in the rejects file" not in "".join(report["what_next"])


def test_where_nothing_else_was_refused_there_is_nothing_to_mend_nor_to_drop_again() -> None:
    with Simulation(dropped("people.csv", "id,name\nu1,old\nu2,x\nu1,new\n", 3)) as simulation:
        report = ended(simulation)
        assert (report["outcome"], report["counts"]["invalid"]) == ("completed_with_rejects", 1)
        assert len(rejects_of(simulation)) == 1  # the header
        assert report["what_next"] == [
            "Nothing to mend.",
            f"{ONE_GONE} There is nothing to be done about it.",
        ]
        with pytest.raises(operate.CannotOperate, match=r"nothing to drop again .* 1 record gave way"):
            again(simulation)
        assert names(simulation) == ["new", "x"]


@pytest.mark.parametrize("spread", [False, True])
def test_of_a_job_of_which_nothing_was_sent_only_the_last_ones_are_sent_later(spread: bool) -> None:
    with Simulation(dropped("people.csv", FORMS["people.csv"], 5, spread=spread)) as simulation:
        secret = dict(simulation.secrets["vendor-main"])
        simulation.secrets["vendor-main"].clear()
        report = ended(simulation)
        simulation.secrets["vendor-main"].update(secret)
        assert (report["counts"]["unprocessed"], report["counts"]["invalid"]) == (3, 2)
        again(simulation)
        assert names(simulation) == ["bad", "new", "x"]


# As rejects files were before: lines of records that gave way stood in them, too.
OURS = "batchdrop_line,batchdrop_outcome,batchdrop_code,batchdrop_message"


def line(name: str, **ours: Any) -> str:
    told = {f"batchdrop_{key}": value for key, value in ours.items()}
    return json.dumps({"id": name, "name": name, "batchdrop_line": 2, **told}) + "\n"


OLDER = {
    "mend.csv": f"id,name,{OURS}\n"
    "a,a,2,invalid,replaced,by a later one\n"  # as it came
    "b,b,3,invalid,,mended\n"
    "c,c,4,rejected,replaced,the vendor's own word\n"
    "d,d,5,invalid,wrong_type,mended\n",
    "fewer.csv": "id,name,batchdrop_code\na,a,replaced\nb,b,\nc,c,E1\nd,d,wrong_type\n",
    "twice.ndjson": line("a", outcome="invalid", code="replaced").replace('"name"', '"name": "z", "name"')
    + "".join(map(line, "bcd")),
    "mend.ndjson": line("a", outcome="invalid", code="replaced")
    + line("b", outcome="invalid")
    + line("c", outcome="rejected", code="replaced")
    + line("d", outcome="invalid", code="wrong_type"),
}


@pytest.mark.parametrize("name", OLDER)
def test_a_line_of_an_older_rejects_file_that_gave_way_is_sent_only_once_its_code_is_removed(name: str) -> None:
    with Simulation(dropped(name, OLDER[name], 4)) as simulation:
        report = ended(simulation)
        assert names(simulation) == ["b", "c", "d"]
        assert [(each["id"], each["code"]) for each in report["rejects"]] == [("a", "replaced")]
        assert "empty its batchdrop_code" in report["rejects"][0]["message"]
        assert "Nothing to mend." in report["what_next"]


def test_nobody_tells_by_the_cells_of_a_row_that_has_lost_some_what_gave_way() -> None:
    """A neighbour's cell may have the word."""
    rows = f"id,a,b,{OURS}\n7,invalid,replaced,5,wrong_type,m\n8,x,y,5,invalid,,m\n"
    with Simulation(dropped("mend.csv", rows, 2)) as simulation:
        report = ended(simulation)
        assert [(each["id"], each["code"]) for each in report["rejects"]] == [("7", "row_too_short")]
        assert len(rejects_of(simulation)) == 2  # the header is one


def test_in_a_set_too_what_gave_way_is_told_and_not_to_be_sent_again() -> None:
    products = as_json([{"id": "p1", "n": "old"}, {"id": "p2", "n": "x"}, {"id": "p1", "n": "new"}])
    base = scenario("ometria")
    chosen = replace(base, files={**base.files, "products.json": products})
    with Simulation(replace(chosen, route={"input": {"id": "id", "duplicates": "last_wins"}})) as simulation:
        report = ended(simulation)
        assert report["counts"]["invalid"] == 1
        assert report["rejects"][0]["message"] == "products.json: replaced by the record with the same id at line 1"
        assert rejects_of(simulation) == []
        assert report["what_next"][0] == "Nothing to mend."
