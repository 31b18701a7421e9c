"""How far a job has come, as figures and as people see it."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console, RenderableType

from batchdrop.job import Batch, Job
from local import describe, live
from local.progress import Progress, progress_of
from local.tables import table
from tests.unit.local.conftest import NOW, Run, Shop

LATER = 9_999_999_999_999


def job(**more: Any) -> Job:
    known: dict[str, Any] = {"inspection": {"expanded_bytes": 1000}, "size": 400, **more}
    return Job("0123456789abcdef" * 2, "people", "b", "drops/people/a.csv", "v", NOW, NOW + 10**7, **known)


def batch(n: int, state: str, offset: int, **more: Any) -> Batch:
    end = {"offset": offset, "line": 1, "ordinal": 1}
    known: dict[str, Any] = {"records": 1, "end": end, "packaged_at": NOW + n * 1000, **more}
    return Batch("0123456789abcdef" * 2, n, "o", state, 1, **known)


def test_a_job_that_is_still_being_read_has_packaged_nothing() -> None:
    assert progress_of(job(inspection={}), [], NOW) == Progress(400, 0, 0, 0, 0, 0)


def test_while_batches_are_made_the_rate_tells_how_long_the_rest_takes() -> None:
    batches = [
        batch(1, "succeeded", 200, collected_at=NOW),
        batch(2, "succeeded", 300),
        batch(3, "submitted", 400),
        batch(4, "submitting", 500),
    ]
    assert progress_of(job(), batches, NOW + 5000) == Progress(
        total=1000, packaged=500, sent=3, at_vendor=1, done=2, collected=1, rate=100.0, left=5.0
    )


def test_once_all_is_sent_the_batches_done_tell_how_long_the_others_take() -> None:
    batches = [
        batch(1, "succeeded", 500, submitted_at=NOW),
        batch(2, "submitted", 1000, submitted_at=NOW, last=True),
    ]
    found = progress_of(job(packaged_at=NOW), batches, NOW + 8000)
    assert (found.percent, found.left) == (100, 8.0)
    assert progress_of(job(packaged_at=NOW), [batches[1]], NOW).left is None


def test_once_the_vendor_is_done_the_results_read_tell_how_long_the_others_take() -> None:
    batches = [
        batch(1, "succeeded", 500, submitted_at=NOW, done_at=NOW + 1000, collected_at=NOW + 4000),
        batch(2, "succeeded", 800, submitted_at=NOW, done_at=NOW + 2000),
        batch(3, "succeeded", 1000, submitted_at=NOW, done_at=NOW + 2000, last=True),
    ]
    assert progress_of(job(packaged_at=NOW), batches, NOW + 5000).left == 4.0
    ended = progress_of(job(packaged_at=NOW, outcome="completed", closed_at=NOW + 9000), batches, NOW + 9000)
    assert ended.left is None


@pytest.mark.parametrize("second", [{"state": "submitted", "submitted_at": NOW}, {"state": "succeeded"}])
@pytest.mark.parametrize("packaged_at", [0, NOW + 3000])
def test_while_a_job_is_canceled_nothing_is_estimated(second: dict[str, Any], packaged_at: int) -> None:
    first = batch(1, "succeeded", 250, collected_at=NOW + 5000, done_at=NOW + 4000, submitted_at=NOW)
    batches = [first, batch(2, offset=500, **second)]
    assert progress_of(job(packaged_at=packaged_at), batches, NOW + 6000).left is not None
    canceled = job(packaged_at=packaged_at, cancel_at=NOW + 5000)
    found = progress_of(canceled, batches, NOW + 6000)
    assert (found.rate, found.left) == (None, None)
    assert live.sentence(live.Seen(canceled, batches, found)).endswith("1 collected")


def test_a_batch_of_invalid_records_alone_is_packaged_but_never_sent() -> None:
    batches = [
        batch(1, "succeeded", 400, records=0, invalid=3, done_at=NOW + 1, collected_at=NOW + 2),
        batch(2, "submitted", 1000, submitted_at=NOW, last=True),
    ]
    found = progress_of(job(packaged_at=NOW), batches, NOW + 8000)
    assert (found.packaged, found.sent, found.at_vendor, found.done, found.collected) == (1000, 1, 1, 0, 0)


def test_of_a_drop_that_is_cut_each_span_counts_as_far_as_it_is_packaged() -> None:
    def place(offset: int) -> dict[str, int]:
        return {"offset": offset, "line": 1, "ordinal": 1}

    first = [
        batch(100_001, "submitted", 300, span=1, start=place(100), packaged_at=NOW + 1000),
        batch(100_002, "submitted", 500, span=1, start=place(300), packaged_at=NOW + 3000, last=True),
        batch(200_001, "submitted", 600, span=2, start=place(500), packaged_at=NOW + 2000),
    ]
    found = progress_of(job(spread=2), first, NOW + 3000)
    assert (found.packaged, found.rate) == (500, 150.0)
    assert found.left == pytest.approx(500 / 150)
    rest = batch(200_002, "submitted", 1000, span=2, start=place(600), last=True, packaged_at=NOW + 5000)
    assert progress_of(job(spread=2), [*first, rest], NOW + 5000).packaged == 1000


def test_of_a_set_the_files_that_go_on_count_as_far_as_they_are_packaged() -> None:
    members = [{"name": "a.csv", "size": 100}, {"name": "b.csv", "size": 300}]
    end = {"batches": 1, "at": {"b.csv": {"offset": 50, "line": 1, "ordinal": 1}}}
    found = progress_of(job(inspection={}, members=members), [batch(1, "submitted", 0, end=end)], NOW)
    assert (found.packaged, found.total) == (150, 400)


def seen(state: str = "submitted", **more: Any) -> live.Seen:
    one, batches = job(**more), [batch(1, state, 250, word="PROCESSING", receipt={"batch_id": "b-7"})]
    return live.Seen(one, batches, progress_of(one, batches, NOW + 1000))


def drawn(*jobs: live.Seen, alone: bool = False, width: int = 100, room: int = 100) -> str:
    return on_paper(live.picture(list(jobs), alone=alone, room=room), width)


def on_paper(picture: RenderableType, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, highlight=False)
    console.print(picture)
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert isinstance(text, str)
    return text


def test_a_terminal_shows_a_line_a_job_that_fits_it() -> None:
    ended = seen("succeeded", outcome="completed_with_rejects", closed_at=NOW + 61_000, counts={"records": 2})
    heading, first, second = drawn(seen(), ended).splitlines()
    assert tuple(heading.split()) == live.COLUMNS
    assert first.split() == [
        "01234567", "people", "submitting", "1.0", "kB", "25%", "1", "1", "0", "0", "250", "B/s", "3.0", "s",
    ]  # fmt: skip
    assert second.split()[-3:] == ["took", "1", "min"]


def test_a_job_watched_alone_is_shown_with_its_batches() -> None:
    assert "PROCESSING" in drawn(seen(), alone=True)
    assert "batch_id=b-7" in drawn(seen(), alone=True)


def test_in_a_pipe_a_line_is_printed_when_the_state_changes_and_else_only_now_and_then(
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines = live.Lines(as_json=False)
    for one in (seen(), seen(), seen("succeeded"), seen(packaged_at=NOW + 1000)):
        lines.tell([one])
    printed = capsys.readouterr().out.splitlines()
    assert [line.split()[2] for line in printed] == ["submitting,", "waiting,"]
    assert "25% of 1.0 kB packaged, 1 batch sent: 1 at the vendor, 0 done, 0 collected, 250 B/s" in printed[0]
    assert "about 3.0 s left" in printed[0]
    assert "B/s" not in printed[1]


def test_as_json_a_line_holds_the_figures(run: Run, shop: Shop) -> None:
    shop.job(outcome="completed", inspection={"expanded_bytes": 12}, packaged_at=NOW)
    shop.batch(state="succeeded", collected_at=NOW, end={"offset": 12, "line": 2, "ordinal": 1}, last=True)
    found = json.loads(run("watch", "j1", "--json").out)
    assert found["state"] == "completed"
    assert found["progress"] == {
        "total": 12, "packaged": 12, "sent": 1, "at_vendor": 0, "done": 1, "collected": 1,
        "rate": None, "left": None, "percent": 100,
    }  # fmt: skip


def test_what_drops_and_vendors_say_is_never_taken_for_markup() -> None:
    hostile = seen()
    hostile.batches[0].word = "[red]x[/]"
    assert "[red]x[/]" in drawn(hostile, alone=True)


def test_what_a_terminal_would_obey_is_written_out_instead() -> None:
    hostile = seen()
    hostile.batches[0].word = "\x1b[2Jgone\x9b1A\u202etxt.exe\nnext"
    text = drawn(hostile, alone=True)
    assert "⟨U+001B⟩[2Jgone⟨U+009B⟩1A⟨U+202E⟩txt.exe next" in text
    assert not set(text) & {"\x1b", "\x9b", "\u202e"}


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_on_a_narrow_terminal_columns_are_left_out_but_no_cell_is_cut(width: int) -> None:
    ended = seen("succeeded", outcome="completed_with_rejects", closed_at=NOW + 61_000, counts={"records": 2})
    text = drawn(seen(), ended, width=width)
    assert max(map(len, text.splitlines())) <= width
    assert len(text.splitlines()) == 3
    for word in ("01234567", "completed_with_rejects", "25%", "took 1 min", "vendor"):
        assert word in text
    assert ("1.0 kB" in text) == (width >= 100)


def test_a_narrow_list_of_jobs_tells_what_was_not_accepted_rather_than_sizes() -> None:
    counts = {"records": 1000, "accepted": 997, "invalid": 1, "rejected": 2}
    one = job(outcome="completed_with_rejects", closed_at=NOW, counts=counts)
    for width in (80, 100, 140):
        text = on_paper(table(describe.BRIEF, [describe.brief(one)], describe.BRIEF_SPARE), width)
        heading, found = text.splitlines()[-2:]
        assert "3" in found.split()
        assert ("not accepted" in heading, "size" in heading) == (True, width >= 100)


def test_words_are_not_broken_where_there_is_room_for_them() -> None:
    message = "there is such an element in the table already"
    row = ("12", "item00010", "rejected", "EntityAlreadyExistsException", message)
    columns = ("line", "id", "outcome", "code", "message")
    for width in (70, 80, 100, 120):
        text = on_paper(table(columns, [row]), width)
        assert max(map(len, text.splitlines())) <= width
        assert set(" ".join(row).split()) <= set(text.split()), text
    narrow = on_paper(table(columns, [row]), 50)  # no room: broken, but not cut off
    assert "EntityAlre" in narrow
    assert max(map(len, narrow.splitlines())) <= 50


def test_of_many_jobs_or_batches_those_still_open_are_shown_as_far_as_there_is_room() -> None:
    ended = [seen("succeeded", outcome="completed", closed_at=NOW) for _ in range(30)]
    lines = drawn(*ended, seen(), room=12).splitlines()
    assert len(lines) == 12
    assert "submitting" in lines[1]
    assert lines[-1].split() == ["and", "21", "more", "jobs"]
    many = seen()
    many.batches[1:] = [batch(n, "succeeded", 250) for n in range(2, 40)]
    lines = drawn(many, alone=True, room=20).splitlines()
    assert lines[4].split()[0] == "1"
    assert lines[-1].split() == ["and", "25", "more", "batches"]


@pytest.mark.parametrize(
    ("more", "state"),
    [({"inspection": {}}, "reading"), ({}, "submitting"), ({"not_before": LATER}, "resting"),
     ({"not_before": LATER, "lease_until": LATER}, "submitting"), ({"not_before": 1}, "submitting"),
     ({"not_before": 1, "inspection": {}}, "reading"), ({"not_before": LATER, "lease_until": 1}, "resting"),
     ({"packaged_at": NOW}, "waiting"), ({"cancel_at": NOW}, "canceling")],
)  # fmt: skip
def test_an_open_job_says_what_it_is_at(more: dict[str, Any], state: str) -> None:
    assert describe.state(job(**more)) == state
    assert state in describe.STATES
    assert (describe.detail(job(**more), [])["rests_until"] is not None) == (state == "resting")
