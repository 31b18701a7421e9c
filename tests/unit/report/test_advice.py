"""What a report tells its reader to do next."""

from __future__ import annotations

import re
from itertools import product

import pytest

from batchdrop.again import Again
from batchdrop.records import model
from batchdrop.report.advice import what_next
from batchdrop.words import JobOutcome
from tests.unit.report import samples


def advice(outcome: str, **given: object) -> str:
    return "\n".join(what_next(samples.report(outcome, **given)))


def test_where_all_went_well_but_for_a_warning_the_warning_is_to_be_read() -> None:
    assert what_next(samples.report()) == ["Nothing to do."]
    assert what_next(samples.report(warnings=["one column"]))[0].startswith("Read the warnings")


def test_a_completed_job_needs_nothing() -> None:
    assert what_next(samples.report()) == ["Nothing to do."]


@pytest.mark.parametrize("outcome", list(JobOutcome))
def test_there_is_always_something_to_say(outcome: JobOutcome) -> None:
    assert all(what_next({"outcome": outcome}))
    assert what_next({})


def test_refused_records_are_mended_and_dropped_again() -> None:
    said = advice("completed_with_rejects", counts=samples.counts(accepted=8, invalid=1, rejected=1))
    assert "Mend the 2 records refused: `batchdrop rejects 5b1f0c9a27de4413 -o mend-5b1f0c9a.csv` fetches them" in said
    assert "`batchdrop drop mend-5b1f0c9a.csv --route products`" in said


def test_the_mended_files_of_a_job_and_of_its_remnants_have_different_names() -> None:
    """`rejects` overwrites no file, and that of the first job is there still."""
    names = {
        re.search(r"-o (\S+)`", advice("failed", job_id=job, counts=samples.counts(accepted=1, invalid=1)))[1]  # type: ignore[index]
        for job in ("aaaaaaaa01", "bbbbbbbb02")
    }
    assert names == {"mend-aaaaaaaa.csv", "mend-bbbbbbbb.csv"}


GAVE_WAY = {"outcome": "invalid", "code": "replaced", "message": model.TOOK_ITS_PLACE, "count": 3}


def test_records_that_gave_way_to_later_ones_are_told_and_are_not_to_be_mended() -> None:
    counts = samples.counts(accepted=8, invalid=4, rejected=1)
    said = advice("completed_with_rejects", counts=counts, reject_reasons=samples.reasons(counts, GAVE_WAY))
    assert "Mend the 2 records refused" in said
    assert "3 records gave way to later ones with the same id: they are not in the rejects file." in said
    only = samples.report("completed_with_rejects", counts=samples.counts(accepted=8, invalid=3), rejects=[GAVE_WAY])
    assert what_next({**only, "reject_reasons": [GAVE_WAY]})[0] == "Nothing to mend."
    counts = samples.counts(accepted=8, invalid=3, unprocessed=2)
    unsent = advice("failed", counts=counts, reject_reasons=samples.reasons(counts, GAVE_WAY))
    assert "--only-rejected` sends only what was not accepted." in unsent
    assert "Mend" not in unsent


def test_of_a_report_of_before_it_is_said_that_its_rejects_file_has_them() -> None:
    before = {**GAVE_WAY, "message": "replaced by the record with the same id at line 9"}
    said = advice("completed_with_rejects", counts=samples.counts(accepted=8, invalid=3), reject_reasons=[before])
    assert "in the rejects file they are marked `replaced`, and so not sent where it is dropped" in said


def test_the_members_of_a_set_are_not_to_be_mended_for_records_that_gave_way() -> None:
    counts = samples.counts(accepted=8, invalid=3)
    report = samples.report("completed_with_rejects", counts=counts, reject_reasons=[GAVE_WAY])
    assert "Mend" not in "\n".join(what_next(report, "whole"))
    assert "Drop" not in "\n".join(what_next(report, "part"))


def test_refused_ndjson_stays_ndjson() -> None:
    said = advice("completed_with_rejects", counts=samples.counts(rejected=1), rejects_file="rejects.ndjson")
    assert "-o mend-5b1f0c9a.ndjson" in said


def test_a_held_job_names_the_batch_and_the_three_ways_out() -> None:
    said = "\n".join(what_next(samples.held()))
    assert "whether it received batch 2" in said
    for way in ("--adopt RECEIPT", "--resubmit", "--abandon"):
        assert f"`batchdrop resolve 5b1f0c9a27de4413 {way}`" in said
    assert "imported twice" in said


def test_of_several_batches_in_doubt_each_is_decided_on_by_its_number() -> None:
    unsure = samples.batch(3, "submitting", unconfirmed=5)
    unsent = samples.batch(4, "submitting", unprocessed=5)
    batches = [samples.batch(1, "held", unconfirmed=5), samples.batch(2, "doubtful", unconfirmed=5), unsure, unsent]
    said = advice("held", batches=batches)
    assert "whether it received batches 1, 2, 3, then decide on each, one by one:" in said
    for way in ("--adopt RECEIPT", "--resubmit", "--abandon"):
        assert f"`batchdrop resolve 5b1f0c9a27de4413 --batch N {way}`" in said
    assert "ends held again" in said


def test_a_load_in_order_is_sent_again_only_as_long_as_no_newer_one_is_loaded() -> None:
    said = "\n".join(what_next(samples.held(), in_order=True))
    assert "--resubmit`, as long as no newer version of this file is loaded. If it did after all" in said


@pytest.mark.parametrize("reason", ["", "superseded", "out_of_order"])
def test_a_held_load_that_a_newer_one_has_overtaken_is_not_advised_to_be_sent_again(reason: str) -> None:
    message = "a newer version of this file is loaded by job abc; to load this one after all, drop it again"
    report = samples.held() | {"failure": {"reason": reason, "message": message} if reason else None}
    said = "\n".join(what_next(report, in_order=True, newer="" if reason else "abc"))
    assert f"It did not: it is not sent again, as {message}." in said
    assert "--resubmit" not in said
    assert all(way in said for way in ("--adopt RECEIPT", "--abandon"))


def test_a_file_refused_as_a_whole_is_dropped_again_not_mended_record_by_record() -> None:
    said = "\n".join(what_next(samples.refused()))
    assert "drop the file again" in said
    assert "`batchdrop check FILE --route products`" in said
    assert "batchdrop rejects" not in said


def test_a_set_refused_as_a_whole_is_spoken_of_as_a_set() -> None:
    drop = {"bucket": "drops", "key": "drops/shop/monday/_READY"}
    said = "\n".join(what_next(samples.refused() | {"drop": drop}))
    assert "drop the set again: the vendor accepted none of it" in said
    assert "`batchdrop check DIRECTORY --route products` tries a set" in said
    counts = samples.counts(accepted=5, unprocessed=5)
    assert "Do not drop the whole set again" in advice("failed", counts=counts, drop=drop)
    assert "the whole file again" in "\n".join(what_next(samples.report("completed", counts=counts), "whole"))


def test_a_failed_job_that_sent_something_is_not_to_be_dropped_again_whole() -> None:
    said = advice("failed", counts=samples.counts(accepted=5, unprocessed=5))
    assert "Do not drop the whole file again" in said
    assert "5 records were never sent. `batchdrop rerun 5b1f0c9a27de4413 --only-rejected`" in said


def test_where_records_were_refused_and_others_never_sent_one_file_has_both() -> None:
    given = samples.counts(accepted=5, invalid=1, rejected=1, unprocessed=1200)
    lines = what_next(samples.report("failed", counts=given))
    assert (
        "`batchdrop rejects 5b1f0c9a27de4413 -o mend-5b1f0c9a.csv` fetches all 1,202 records that were not accepted: "
        "2 refused, to be mended, and 1,200 that were never sent." in lines
    )
    assert (
        "Drop that file once: `batchdrop drop mend-5b1f0c9a.csv --route products`. Do not also `rerun`: that would "
        "send them a second time." in lines
    )
    assert "--only-rejected" not in "".join(lines)


@pytest.mark.parametrize("outcome", list(JobOutcome))
def test_no_report_offers_two_ways_to_send_the_same_records(outcome: JobOutcome) -> None:
    names = ("accepted", "invalid", "rejected", "unprocessed", "unconfirmed")
    for found in product((0, 3), repeat=len(names)):
        counts = samples.counts(**dict(zip(names, found, strict=True)))
        said = "\n".join(what_next(samples.report(outcome, counts=counts, rejects=[{"code": "row_too_short"}])))
        ways = [way for way in ("drop the file again", "`batchdrop drop mend", "`batchdrop rerun") if way in said]
        assert len(ways) <= (outcome != "held"), (counts, said)
        if counts["invalid"]:  # it may be a row with too few cells: `rerun --only-rejected` would refuse
            assert "`batchdrop rerun" not in said


@pytest.mark.parametrize(
    ("again", "said"),
    [
        ("whole", "Drop the whole set again: `batchdrop drop PATH --route products`."),
        ("part", "Drop a set of the same form that holds only these records: the others were sent already."),
    ],
)
def test_what_was_refused_of_a_set_is_mended_in_its_own_file(again: Again, said: str) -> None:
    """Its rejects file holds the records of several files, and texts where they had numbers."""
    for outcome, found in product(JobOutcome, ({"invalid": 1}, {"unprocessed": 2}, {"invalid": 1, "unprocessed": 2})):
        counts = samples.counts(accepted=4, **found)
        drop = {"key": "drops/products/monday/_READY"}
        lines = what_next(samples.report(outcome, counts=counts, rejects_file="rejects.ndjson", drop=drop), again)
        if outcome is not JobOutcome.HELD:
            assert said in lines
        assert ("Mend the 1 record refused in your own files." in lines) == (said in lines and "invalid" in found)
        ways = " ".join(lines).replace(said, "")
        assert not any(
            other in ways for other in ("mend.ndjson", "--only-rejected", "batchdrop drop", "`batchdrop rerun")
        )
        assert again == "part" or "Do not drop" not in ways


@pytest.mark.parametrize("refused", [{"invalid": 6}, {"rejected": 6}, {"invalid": 1, "unprocessed": 5}])
def test_records_refused_one_by_one_are_mended_though_none_was_accepted(refused: dict[str, int]) -> None:
    said = advice("failed", counts=samples.counts(**refused), rejects=[{"code": "row_too_short"}])
    assert "`batchdrop drop mend-5b1f0c9a.csv --route products`" in said
    assert "cause named above" not in said
    assert "drop the file again" not in said


def test_a_file_that_the_vendor_refused_as_a_whole_is_dropped_again_and_nothing_else() -> None:
    batches = [samples.batch(1, "failed", rejected=6)]
    said = advice("failed", counts=samples.counts(rejected=6), batches=batches, rejects=[{"code": "400"}])
    assert "Remove the cause named above, then drop the file again: the vendor accepted none of it" in said
    assert "batchdrop rejects" not in said


@pytest.mark.parametrize("reason", ["credentials", "secret", "refused"])
def test_records_that_were_only_never_sent_are_sent_once_the_cause_is_removed(reason: str) -> None:
    failure = {"reason": reason, "message": "m"}
    lines = what_next(samples.report("failed", counts=samples.counts(unprocessed=5), failure=failure, rejects=[{}]))
    assert lines[0] == "Remove the cause named above: the vendor accepted none of it."
    rerun = "`batchdrop rerun 5b1f0c9a27de4413 --only-rejected`"
    assert lines[1:] == [f"5 records were never sent. {rerun} sends only what was not accepted."]


def test_a_file_skipped_for_its_content_is_not_said_to_be_dropped_again() -> None:
    failure = {"reason": "duplicate_content", "message": "the same bytes were dropped before: abc"}
    said = advice("failed", counts=samples.counts(unprocessed=5), failure=failure, rejects=[{}])
    assert "`on_duplicate_content: skip` it would be skipped again" in said
    assert "set that to `process` in the route, then `batchdrop rerun 5b1f0c9a27de4413`" in said
    assert "drop the file again" not in said
    assert "--only-rejected" not in said


def test_where_a_set_came_to_nothing_none_of_it_was_sent_already() -> None:
    drop = {"key": "drops/products/monday/_READY"}
    lines = what_next(samples.report("failed", counts=samples.counts(invalid=5), rejects=[{}], drop=drop), "part")
    assert "Drop the whole set again: `batchdrop drop PATH --route products`." in lines
    assert "sent already" not in "".join(lines)


def test_a_job_kept_from_being_sent_until_its_deadline_needs_its_cause_removed() -> None:
    reason = "not done by its deadline; the last cause was: batch 1: PUT host/x: the connection was refused"
    said = advice("timed_out", reason=reason, counts=samples.counts(unprocessed=5), rejects=[{}])
    assert said.startswith("Remove the cause named above")
    assert "usually needs this long" not in said
    assert "usually needs this long" in advice("timed_out", reason="not done by its deadline")


def test_where_sending_again_is_harmless_the_advice_says_nothing_else() -> None:
    said = "\n".join(what_next(samples.held(), harmless=True))
    assert "or it cannot be found out: `batchdrop resolve 5b1f0c9a27de4413 --resubmit`" in said
    assert "refused, not imported twice" in said
    assert "are imported twice" not in said


def test_what_a_held_job_refused_is_left_to_the_report_after_the_decision() -> None:
    assert "batchdrop rejects" not in "\n".join(what_next(samples.held()))


def test_unconfirmed_records_are_to_be_asked_about_before_they_are_sent_again() -> None:
    said = advice("timed_out", counts=samples.counts(accepted=5, unconfirmed=1))
    assert "1 record was sent, but what became of it is not known. Ask the vendor" in said
    assert "`deadline`" in said


def test_what_was_handed_over_is_looked_up_at_the_vendor() -> None:
    assert "vendor's own console" in "\n".join(what_next(samples.handed_over()))


@pytest.mark.acceptance("A15")
def test_the_job_with_the_same_bytes_is_named() -> None:
    assert "Job `abc` had exactly the same bytes" in advice("completed", duplicate_content_of="abc")


def test_a_command_is_safe_to_paste_whatever_the_route_is_called() -> None:
    said = advice("failed", route="x; rm -rf ~", batches=[], counts=samples.counts(invalid=1))
    assert "--route 'x; rm -rf ~'" in said


GONE = "24 records were never sent and are not in the rejects file."


@pytest.mark.parametrize("outcome", ["canceled", "timed_out", "failed"])
def test_of_a_drop_that_is_gone_no_command_is_named_that_would_find_nothing(outcome: str) -> None:
    lines = what_next(samples.report(outcome, counts=samples.counts(accepted=6, unprocessed=24), reject_reasons=[]))
    assert f"{GONE} Compare your original with what the vendor has, and drop only what is missing there." in lines
    assert "`batchdrop re" not in "".join(lines)


def test_a_canceled_drop_of_which_nothing_was_accepted_or_named_may_be_dropped_again_as_a_whole() -> None:
    lines = what_next(samples.report("canceled", counts=samples.counts(unprocessed=24), reject_reasons=[]))
    way = "`batchdrop drop FILE --route products`"
    assert f"{GONE} None of your original was accepted: it may be dropped again as a whole, {way}." in lines
    some = samples.reasons(samples.counts(unprocessed=3))
    lines = what_next(samples.report("canceled", counts=samples.counts(unprocessed=27), reject_reasons=some))
    assert "as a whole" not in "".join(lines)
    assert lines[1].startswith("3 records were never sent. `batchdrop rerun")
    assert lines[2].startswith(f"{GONE} Compare")


def test_refusals_that_the_vendor_counts_and_does_not_name_are_not_said_to_be_fetched() -> None:
    ask = "Ask the vendor which, or compare your original with what it has."
    counts = samples.counts(accepted=8, rejected=3)
    lines = what_next(samples.report("completed_with_rejects", counts=counts, reject_reasons=[]))
    assert lines == [f"3 records were refused and are not in the rejects file. {ask}"]
    one = {"outcome": "rejected", "code": "c", "message": "m", "count": 2}
    lines = what_next(samples.report("completed_with_rejects", counts=counts, reject_reasons=[one]))
    assert lines[0].startswith("Mend the 2 records refused: `batchdrop rejects")
    assert lines[-1] == f"1 record was refused and is not in the rejects file. {ask}"


def test_where_not_all_reasons_are_listed_the_others_may_name_the_rest() -> None:
    twenty = [{"outcome": "rejected", "code": str(n), "message": "", "count": 1} for n in range(20)]
    counts = samples.counts(accepted=8, rejected=30)
    said = advice("completed_with_rejects", counts=counts, reject_reasons=twenty)
    assert "Mend the 30 records refused" in said
    assert "not in the rejects file" not in said


@pytest.mark.parametrize("outcome", ["failed", "timed_out", "canceled"])
@pytest.mark.parametrize("named", [True, False])
def test_of_a_set_of_which_nothing_arrived_the_whole_is_dropped_again(outcome: str, *, named: bool) -> None:
    drop, counts = {"key": "drops/products/monday/_READY"}, samples.counts(unprocessed=5)
    given: samples.Document = {} if named else {"reject_reasons": []}
    lines = what_next(samples.report(outcome, counts=counts, rejects=[{}] * named, drop=drop, **given), "part")
    assert "sent already" not in "".join(lines)
    assert ("rejects" in "".join(lines)) == (named and outcome != "failed")
    assert outcome == "failed" or lines[-1] == "Drop the whole set again: `batchdrop drop PATH --route products`."
