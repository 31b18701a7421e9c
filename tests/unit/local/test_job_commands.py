from __future__ import annotations

import errno
import io
import json
import re
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import pytest
from rich.console import Console

from batchdrop import order
from batchdrop.places import iso
from batchdrop.records import model
from batchdrop.report.html import render as page_of
from batchdrop.words import Counts
from tests.unit.local.conftest import NOW, Run, Shop
from tests.unit.report import samples

WHOLE = "0123456789abcdef" * 2


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        ("completed", 0),
        ("handed_over", 0),
        ("completed_with_rejects", 4),
        ("failed", 1),
        ("canceled", 1),
        ("timed_out", 1),
        ("held", 1),
    ],
)
def test_wait_exits_by_the_outcome(run: Run, shop: Shop, outcome: str, code: int) -> None:
    shop.job(outcome=outcome)
    done = run("wait", "j1", "--timeout", 5)
    assert (done.code, done.out) == (code, f"{outcome}\n")


def test_wait_gives_up_with_124_when_the_time_is_up(run: Run, shop: Shop) -> None:
    shop.job()
    done = run("wait", "j1", "--timeout", 0, "--json")
    assert done.code == 124
    assert done.json["state"] == "reading"
    assert "has not ended after 0 s" in done.err


def test_waiting_in_vain_for_a_job_that_never_was_says_so(run: Run, shop: Shop) -> None:
    done = run("wait", WHOLE, "--timeout", 0)
    assert (done.code, done.out) == (124, "unknown\n")
    assert f"there is no job {WHOLE} after 0 s; batchdrop jobs lists them" in done.err


def test_wait_waits_for_a_job_that_is_not_claimed_yet(run: Run, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def claim_it(_: float) -> None:
        shop.job(WHOLE, outcome="completed")

    monkeypatch.setattr("local.verbs.jobs.time.sleep", claim_it)
    assert run("wait", WHOLE, "--timeout", 60).code == 0


def test_watch_waits_for_a_job_that_is_not_claimed_yet(run: Run, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("local.live.time.sleep", lambda _: shop.job(WHOLE, outcome="completed"))
    assert run("watch", WHOLE).code == 0


def test_the_beginning_of_an_id_will_do_where_it_is_of_one_job(run: Run, shop: Shop) -> None:
    shop.job("aa11", outcome="completed")
    shop.job("aa22", outcome="failed")
    assert run("show", "aa2", "--json").json["job_id"] == "aa22"
    assert run("wait", "aa1").code == 0
    done = run("show", "aa")
    assert done.code == 1
    assert '"aa" is the beginning of 2 jobs' in done.err
    assert "aa11… (people)" in done.err


@pytest.mark.parametrize("words", [["cancel"], ["resolve", "--abandon"], ["rerun"]])
def test_a_job_is_changed_by_a_beginning_only_where_no_older_one_can_have_it(
    run: Run, shop: Shop, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setattr("local.jobid.LATEST", 2)
    shop.job("aa11", outcome="completed")
    shop.job("bb11", outcome="completed")
    done = run(*words, "aa1")
    assert done.code == 1
    assert "only the latest 2 jobs were looked at" in done.err
    assert "if job aa11 (people) is meant, give its whole id" in done.err
    assert "only the latest" not in run(*words, "aa11").err
    assert run("show", "aa1", "--json").json["job_id"] == "aa11"
    monkeypatch.setattr("local.jobid.LATEST", 3)
    assert "only the latest" not in run(*words, "aa1").err


def test_jobs_are_listed_newest_first(run: Run, shop: Shop) -> None:
    shop.job("old", outcome="completed", counts=Counts(accepted=2, invalid=1))
    lines = run("jobs").out.splitlines()
    assert lines[0].startswith("job\troute\tstate")
    assert lines[1].split("\t")[:6] == ["old", "people", "completed", "3", "2", "1 invalid"]
    assert run("jobs", "--json").json["jobs"][0]["counts"]["records"] == 3
    name = f"{'shop-' * 40}20260101/_READY"
    shop.job("set", key=f"drops/people/{name}")
    assert any(name in line.split("\t") for line in run("jobs").out.splitlines())


def test_of_more_open_jobs_than_are_asked_for_the_newest_are_listed(run: Run, shop: Shop) -> None:
    for n in range(3):
        shop.job(f"j{n}", created_at=NOW + n)
    assert [job["job_id"] for job in run("jobs", "--open", "-n", 2, "--json").json["jobs"]] == ["j2", "j1"]


def test_a_job_is_shown_with_its_batches(run: Run, shop: Shop) -> None:
    shop.job()
    shop.batch(receipt={"batch_id": "b-7"}, word="PROCESSING")
    found = run("show", "j1", "--json").json
    assert found["state"] == "reading"
    assert found["batches"][0]["receipt"] == {"batch_id": "b-7"}
    assert "batch_id=b-7" in run("show", "j1").out


def test_an_unknown_job_is_told_without_a_traceback(run: Run, shop: Shop) -> None:
    done = run("show", "nope")
    assert done.code == 1
    assert 'there is no job "nope"' in done.err
    assert "Traceback" not in done.err


def test_watching_an_ended_job_prints_it_and_exits_like_wait(run: Run, shop: Shop) -> None:
    shop.job(outcome="completed_with_rejects")
    shop.batch(state="succeeded")
    done = run("watch", "j1")
    assert done.code == 4
    assert done.out == (
        "j1 people completed_with_rejects, 1 batch sent: 0 at the vendor, 1 done, 0 collected, "
        "2 records: 2 accepted, took 5.0 s\n"
    )


REPORT = {
    "outcome": "completed_with_rejects",
    "reason": "some records were not accepted",
    "drop": {"bucket": "shop-drops", "key": "drops/people/a.csv"},
    "counts": {"records": 3, "accepted": 2, "invalid": 1, "rejected": 0, "unprocessed": 0, "unconfirmed": 0},
    "warnings": [],
    "rejects": [{"line": 3, "id": "7", "outcome": "invalid", "code": "row_too_long", "message": "the row has 3 cells"}],
    "rejects_file": "rejects.csv",
}


def test_a_report_is_printed_for_people_and_whole_as_json(run: Run, shop: Shop) -> None:
    job = shop.job(outcome="completed_with_rejects")
    shop.put_result(job, "report.json", json.dumps(REPORT))
    assert run("report", "j1", "--json").json == REPORT
    text = run("report", "j1").out
    assert "records:  3 records: 2 accepted, 1 invalid" in text
    assert "3\t7\tinvalid\trow_too_long\tthe row has 3 cells" in text


def reject(n: int, outcome: str = "rejected") -> dict[str, object]:
    return {"line": n + 1, "id": f"r{n}", "outcome": outcome, "code": "E", "message": "no"}


def test_a_report_in_a_pipe_has_all_rejects_it_holds_and_says_how_many_more_there_are(run: Run, shop: Shop) -> None:
    counts = Counts(accepted=5, invalid=842_239).as_dict()
    reasons = [{"outcome": "invalid", "code": "E", "message": "no", "count": 842_239}]
    told = {
        "job_id": "1234567890",
        "counts": counts,
        "rejects": list(map(reject, range(100))),
        "reject_reasons": reasons,
    }
    shop.put_result(shop.job(outcome="completed_with_rejects"), "report.json", json.dumps(REPORT | told))
    out = run("report", "j1").out
    assert out.count("\trejected\tE\tno\n") == 100
    assert "and 842,139 more: `batchdrop rejects 12345678 -o -` has all refused or unsent ones that are named\n" in out
    assert "count\toutcome\tcode\tmessage\n842239\tinvalid\tE\tno\n" in out


def test_a_report_on_a_terminal_shows_ten_rejects_and_says_how_many_more_there_are(
    run: Run, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.StringIO()
    monkeypatch.setattr("local.show.out", Console(file=shown, force_terminal=True, width=120, highlight=False))
    rejects = [*map(reject, range(8)), *(reject(n, "unconfirmed") for n in range(8, 20))]
    told = {"job_id": "j1", "counts": Counts(rejected=8, unconfirmed=12).as_dict(), "rejects": rejects}
    shop.put_result(shop.job(outcome="completed_with_rejects"), "report.json", json.dumps(REPORT | told))
    assert "and 10 more: `batchdrop rejects j1 -o -`" in run("report", "j1").out
    assert "r9" in shown.getvalue()
    assert "r10" not in shown.getvalue()


def test_the_receipts_by_which_the_vendor_is_to_be_asked_are_shown_below_the_advice(run: Run, shop: Shop) -> None:
    batches = [
        {
            "n": 1,
            "state": "handed_over",
            "counts": Counts(unconfirmed=3).as_dict(),
            "receipt": {"batch": "b-7", "u": "8"},
        },
        {"n": 2, "state": "succeeded", "counts": Counts(accepted=3).as_dict(), "receipt": {"batch": "b-8"}},
        {"n": 3, "state": "submitting", "counts": Counts(unprocessed=3).as_dict(), "receipt": {}},
    ]
    advised = ["Look in the vendor's own console; the receipts below name the batches there."]
    told = {"outcome": "handed_over", "rejects": [], "batches": batches, "what_next": advised}
    shop.put_result(shop.job(outcome="handed_over"), "report.json", json.dumps(REPORT | told))
    out = run("report", "j1").out
    assert out.endswith(f"next: {advised[0]}\n\nbatch\tstate\tunconfirmed\treceipt\n1\thanded_over\t3\tbatch=b-7 u=8\n")


def test_a_report_about_one_record_says_record(run: Run, shop: Shop) -> None:
    counts = Counts(accepted=1).as_dict()
    shop.put_result(shop.job(outcome="completed"), "report.json", json.dumps(REPORT | {"counts": counts}))
    assert "records:  1 record: 1 accepted\n" in run("report", "j1").out


LOAD = {
    "destination": "ometria",
    "account": {"domain_key": "shop", "location_key": "eu", "type": "full"},
    "secret": "s",
}


@pytest.mark.parametrize(
    ("config", "is_named"), [(LOAD, False), (LOAD | {"account": {}}, True)], ids=["valid", "a route that no longer is"]
)
def test_the_report_of_a_held_load_does_not_say_to_send_it_again_once_a_newer_one_is_loaded(
    run: Run, shop: Shop, config: dict[str, object], is_named: bool
) -> None:
    job = shop.job(outcome="held", config=config, sequencer="01")
    advised = ["It did not: `batchdrop resolve j1 --resubmit`, as long as no newer version of this file is loaded."]
    told = REPORT | {"job_id": "j1", "outcome": "held", "what_next": advised}
    shop.put_result(job, "report.json", json.dumps(told))
    assert f"next: {advised[0]}" in run("report", "j1").out
    shop.ledger.table.put_new(order._key(job), {"job_id": "j2", "version_id": "v2", "sequencer": "02"})
    said = run("report", "j1").out
    assert ("--resubmit" in said) == is_named
    assert ("a newer version of this file is loaded by job j2" in said) != is_named
    assert ("--abandon" in said) != is_named


@pytest.mark.parametrize("words", [["report"], ["rejects", "-o", "-"]])
def test_of_results_that_have_expired_it_is_told_how_long_they_are_kept(run: Run, shop: Shop, words: list[str]) -> None:
    shop.job(outcome="completed")
    done = run(*words, "j1")
    assert done.code == 1
    assert "report.json of job j1 is no longer there: reports and rejects are kept for ResultsRetentionDays" in done.err


def test_a_job_that_has_not_ended_has_no_report_yet(run: Run, shop: Shop) -> None:
    shop.job()
    done = run("report", "j1")
    assert done.code == 1
    assert "has not ended yet: batchdrop wait j1" in done.err


def with_rejects(shop: Shop, email: str) -> None:
    """A job of which one record was not accepted."""
    job = shop.job(outcome="completed_with_rejects")
    shop.put_result(job, "report.json", json.dumps(REPORT))
    shop.put_result(job, "rejects.csv", f"email,batchdrop_line\n{email},3\n")


def test_rejects_are_fetched_byte_for_byte(run: Run, shop: Shop, tmp_path: Path) -> None:
    with_rejects(shop, "é@example.org")
    assert run("rejects", "j1", "-o", tmp_path / "mend.csv").code == 0
    assert "is there already" in run("rejects", "j1", "-o", tmp_path / "mend.csv").err
    assert (tmp_path / "mend.csv").read_text() == "email,batchdrop_line\né@example.org,3\n"


def test_rejects_go_to_standard_output_only_where_that_is_all_that_is_asked_for(
    run: Run, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_rejects(shop, "a@example.org")
    done = run("rejects", "j1", "-o", "-", "--json")
    assert done.code == 2
    assert "with --json, -o must name a file" in done.err
    assert "batchdrop_line" not in done.out
    monkeypatch.chdir(tmp_path)
    assert run("rejects", "j1", "-o", "./-").code == 0
    assert (tmp_path / "-").read_text().startswith("email,")


def test_rejects_that_cannot_be_written_whole_are_not_left_in_part(
    run: Run, shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_rejects(shop, "a@example.org")

    def disk_full(_: object, file: BinaryIO) -> None:
        file.write(b"email")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("local.verbs.reports.shutil.copyfileobj", disk_full)
    done = run("rejects", "j1", "-o", tmp_path / "mend.csv")
    assert done.code == 1
    assert "No space left on device" in done.err
    assert not (tmp_path / "mend.csv").exists()


def test_where_all_were_accepted_the_empty_rejects_file_is_told_as_such(run: Run, shop: Shop, tmp_path: Path) -> None:
    job = shop.job(outcome="completed")
    shop.put_result(job, "report.json", json.dumps({**REPORT, "rejects": []}))
    shop.put_result(job, "rejects.csv", "email,batchdrop_line\n")
    assert "no record is in it, since all were accepted" in run("rejects", "j1", "-o", tmp_path / "mend.csv").err


GAVE_WAY = {"outcome": "invalid", "code": "replaced", "message": model.TOOK_ITS_PLACE, "count": 2}


@pytest.mark.parametrize("is_alone", [True, False])
def test_that_records_gave_way_and_are_not_in_the_file_is_told_with_it(
    run: Run, shop: Shop, tmp_path: Path, is_alone: bool
) -> None:
    job = shop.job(outcome="completed_with_rejects", counts=Counts(accepted=2, invalid=3))
    rejects = [GAVE_WAY] if is_alone else [GAVE_WAY, *REPORT["rejects"]]
    shop.put_result(job, "report.json", json.dumps({**REPORT, "rejects": rejects, "reject_reasons": [GAVE_WAY]}))
    shop.put_result(job, "rejects.csv", "email,batchdrop_line\n")
    told = " ".join(run("rejects", "j1", "-o", tmp_path / "mend.csv").err.split())
    assert "2 records gave way to later ones with the same id: they are not in the rejects file." in told
    assert ("there is nothing to mend in it" in told) is is_alone
    assert ("mend the records" in told) is not is_alone


def test_of_a_file_that_was_refused_whole_there_is_no_record_to_mend(run: Run, shop: Shop, tmp_path: Path) -> None:
    job = shop.job(outcome="failed", counts=Counts(invalid=2))
    shop.put_result(job, "report.json", json.dumps({**REPORT, "rejects": []}))
    shop.put_result(job, "rejects.csv", "email,batchdrop_line\n")
    told = run("rejects", "j1", "-o", tmp_path / "mend.csv").err
    assert "no record is in it; batchdrop report j1 says why, and what to do" in told


def test_without_a_browser_the_page_is_named_all_the_same(
    run: Run, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = shop.job(outcome="completed_with_rejects")
    shop.put_result(job, "report.json", json.dumps(REPORT))
    shop.put_result(job, "report.html", "<p>page</p>")
    monkeypatch.setattr("local.verbs.reports.webbrowser.open", lambda _: False)
    done = run("report", "j1", "--open")
    assert done.code == 0
    page = Path(done.err.split("page: ")[1].splitlines()[0])
    assert page.read_text() == "<p>page</p>"
    assert "open the page yourself" in done.err


def test_no_link_of_a_page_that_is_opened_is_dead(run: Run, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    told = samples.with_rejects() | {"results": ["results/batch-00001-errors.csv", "results/gone.csv"]}
    name, large = str(told["rejects_file"]), "results/batch-00001-errors.csv"
    job = shop.job(outcome="completed_with_rejects")
    shop.put_result(job, "report.json", json.dumps(told))
    shop.put_result(job, "report.html", page_of(told).decode())
    shop.put_result(job, name, "a row\n")
    shop.put_result(job, large, "x" * 101_000)
    monkeypatch.setattr("local.verbs.reports._LARGEST", 100_000)
    monkeypatch.setattr("local.verbs.reports.webbrowser.open", lambda _: True)
    done = run("report", "j1", "--open")
    assert (
        f"{large} was not fetched, and is linked to no more: it is large, and at s3://shop-results/jobs/people/"
        in done.err
    )
    assert "results/gone.csv was not fetched, and is linked to no more: it is no longer there" in done.err
    page = Path(done.err.split("page: ")[1].splitlines()[0])
    links = [link for link in re.findall(r'href="([^"]*)"', page.read_text()) if not link.startswith("#")]
    assert links.count(f"./{name}") == 2
    assert set(links) == {"./report.json", f"./{name}"}
    assert all((page.parent / link).exists() for link in links)
    assert f"<span>{large}</span>" in page.read_text().replace("<bdi>", "").replace("</bdi>", "")

    monkeypatch.setattr("local.verbs.reports._LARGEST", 5)
    assert f"it is large; batchdrop rejects j1 -o {name} fetches it" in run("report", "j1", "--open").err


def test_an_open_job_can_be_canceled_and_an_ended_one_not(run: Run, shop: Shop) -> None:
    config = {"destination": "datagroup", "secret": "s", "poll": {"max": "90s"}}
    shop.job("open", config=config)
    shop.job("over", outcome="completed")
    now = shop.ledger.now()
    done = run("cancel", "open", "--json").json
    assert done["state"] == "canceling"
    told = datetime.fromisoformat(done["expected_by"]).timestamp() * 1000
    assert 80_000 < told - now < 100_000  # the route's longest wait
    assert "when the job is next looked at, expected by 20" in run("cancel", "open").err
    done = run("cancel", "over")
    assert done.code == 1
    assert "has ended already: completed" in done.err


@pytest.mark.parametrize("config", [{}, {"destination": "datagroup", "account": {"base_url": "http://x.example"}}])
def test_a_job_whose_route_is_no_longer_taken_is_canceled_by_its_deadline(
    run: Run, shop: Shop, config: dict[str, object]
) -> None:
    shop.job("open", config=config, deadline_at=NOW + 60_000)
    done = run("cancel", "open", "--json")
    assert done.code == 0, done.err
    assert (done.json["state"], done.json["expected_by"]) == ("canceling", iso(NOW + 60_000))


@pytest.mark.parametrize("words", [[], ["--resubmit", "--abandon"], ["--adopt", "x", "--resubmit"]])
def test_resolve_wants_exactly_one_decision(run: Run, shop: Shop, words: list[str]) -> None:
    done = run("resolve", "j1", *words)
    assert done.code == 2
    assert "choose one of" in done.err


def test_only_a_held_job_can_be_resolved(run: Run, shop: Shop) -> None:
    shop.job(outcome="completed")
    done = run("resolve", "j1", "--abandon")
    assert done.code == 1
    assert "not held but completed" in done.err


def test_one_of_several_batches_in_doubt_is_decided_on_by_its_number(run: Run, shop: Shop) -> None:
    config = {"destination": "datagroup", "secret": "s"}
    shop.put_result(shop.job(outcome="held", config=config), "report.json", '{"revision": 1}')
    for n in (1, 2):
        shop.batch(n=n, state="held", collected_at=5)
    done = run("resolve", "j1", "--adopt", "x")
    assert done.code == 1
    assert "name one with --batch N (1, 2)" in done.err
    assert run("resolve", "j1", "--batch", 2, "--adopt", "x", "--json").json["outcome"] is None
    assert [batch.state for batch in shop.ledger.batches("j1")] == ["held", "submitted"]


@pytest.mark.parametrize(
    "receipt",
    ['{"batch_id": null}', '{"batch_id": " "}', '{"batch_id": 1.5}', '{"batch_id": true}', '{"batch_id": ["a"]}',
     '{"batch_id": "a", "job_id": null}', '{"job_id": "a"}', "{}", "null", "true", "[1]", " ", "", "x" * 257,
     "a\nb", "..", '{"batch_id": "a", "job_id": "."}', "9" * 257, "9" * 5000],
)  # fmt: skip
def test_what_is_no_id_is_not_adopted(run: Run, shop: Shop, receipt: str) -> None:
    shop.put_result(
        shop.job(outcome="held", config={"destination": "datagroup", "secret": "s"}), "report.json", '{"revision": 1}'
    )
    shop.batch(state="held", collected_at=5)
    done = run("resolve", "j1", "--adopt", receipt)
    assert done.code == 1
    assert "a receipt to adopt is the vendor's batch_id" in done.err
    assert "text of 1 to 256 printable characters" in done.err
    assert [batch.state for batch in shop.ledger.batches("j1")] == ["held"]


@pytest.mark.parametrize(
    ("receipt", "adopted"),
    [(" 17 ", "17"), ("26112207431240e", "26112207431240e"), ("26112e10", "26112e10"), ('"a b"', "a b"),
     ("x" * 256, "x" * 256), ('{"batch_id": 17}', "17"), ('{"batch_id": "00017"}', "00017"), ("{x", "{x")],
)  # fmt: skip
def test_an_id_is_adopted_as_it_is_given(run: Run, shop: Shop, receipt: str, adopted: str) -> None:
    shop.put_result(
        shop.job(outcome="held", config={"destination": "datagroup", "secret": "s"}), "report.json", '{"revision": 1}'
    )
    shop.batch(state="held", collected_at=5)
    assert run("resolve", "j1", "--adopt", receipt).code == 0
    assert shop.ledger.batches("j1")[0].receipt == {"batch_id": adopted}


def test_a_job_that_runs_cannot_be_run_again(run: Run, shop: Shop) -> None:
    shop.job()
    done = run("rerun", "j1")
    assert done.code == 1
    assert "has not ended" in done.err


def test_without_a_local_stack_and_a_name_the_way_out_is_told(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("BATCHDROP_HOME", str(tmp_path))
    monkeypatch.delenv("BATCHDROP_STACK", raising=False)
    done = run("jobs")
    assert done.code == 1
    assert "batchdrop up --detach" in done.err
    assert "--stack" in done.err
