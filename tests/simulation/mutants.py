"""Prove that the tests can fail: defects are put into a copy of the project, and some test must catch each.

    python -m tests.simulation.mutants [--only WORD]      what `make mutants` does

Prints a table; exits 1 if a defect survives, or no longer fits the source it is put into.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
COPIED = ("functions", "layers", "local", "tests", "pyproject.toml", "template.yaml", "samconfig.toml", "events")
LIBRARY = "layers/batchdrop/batchdrop/"
KERNEL = "layers/batchdrop/targets/kernel.py"
ASL = "functions/workflow/job.asl.yaml"
FAULTS, ROWS = "tests/simulation/test_faults.py", "tests/simulation/test_rows.py"
HTTP_TESTS = ("tests/unit/test_http_client.py", "tests/unit/test_http_verdict.py", "tests/unit/test_http_given_urls.py")
RECORDS = ("tests/unit/records",)
ACCOUNTS = "tests/simulation/test_accounts.py"
SPANS = "tests/simulation/test_spans.py"
FINISH = "tests/simulation/test_finish.py"
CANCELED = "tests/simulation/test_canceled.py"
SLOTS = "tests/unit/core/test_slots.py"
SIMULATION = (ROWS, FAULTS)


@dataclass(frozen=True, slots=True)
class Mutant:
    """A defect: in `file`, `old` becomes `new`, in so many `places`. `tests` are those that should notice."""

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...] = SIMULATION
    places: int = 1


MUTANTS = (
    # the protocol
    Mutant(
        "a dead worker's intent taken for nothing sent",
        LIBRARY + "submission.py",
        "if batch.is_unanswered:  # and",
        "if batch.status is BatchState.DOUBTFUL:  # and",
    ),
    Mutant(
        "intent deleted when the call fails",
        LIBRARY + "submission.py",
        "if step.kind is StepKind.REPEATABLE:\n                self._write(batch, message",
        "if True:\n                self._write(batch, intent=False, message",
    ),
    Mutant(
        "a first batch that may have been begun taken for a new one",
        LIBRARY + "submit_job.py",
        "if batch.n == 1 and self.job.begun:",
        "if False:",
    ),
    Mutant(
        "a first batch recorded only once it is submitted",
        LIBRARY + "submission.py",
        '        changes: dict[str, Any] = {**_intent(step), "receipt": batch.receipt}\n',
        '        changes: dict[str, Any] = {**_intent(step), "receipt": batch.receipt}\n'
        '        if getattr(self, "unrecorded", False):\n            return replace(batch, **changes)\n',
    ),
    Mutant(
        "intent not recorded before the step",
        LIBRARY + "submission.py",
        "            if not recorded:\n",
        "            if False:\n",
    ),
    Mutant(
        "attempt not counted before it is made",
        LIBRARY + "submission.py",
        '"attempt": batch.attempt + 1',
        '"attempt": batch.attempt',
    ),
    Mutant(
        "quiet period not waited for",
        LIBRARY + "submission.py",
        "return batch.doubt_at + int(",
        "return batch.doubt_at + 0 * int(",
    ),
    Mutant(
        "undecidable taken for not there",
        LIBRARY + "submission.py",
        'if self.route.on_doubt == "resubmit" and self._may_send(batch):\n'
        "            return self._again(batch, step, flagged=True)",
        "if True:\n            return self._again(batch, step, flagged=False)",
    ),
    Mutant(
        "resubmission not flagged",
        LIBRARY + "submission.py",
        "return self._again(batch, step, flagged=True)",
        "return self._again(batch, step, flagged=batch.flagged)",
    ),
    Mutant(
        "orphan forgotten",
        LIBRARY + "submission.py",
        '"orphans": [*batch.orphans, batch.receipt]',
        '"orphans": batch.orphans',
    ),
    Mutant(
        "tries to prepare not counted",
        LIBRARY + "submit_job.py",
        "if not self.is_first:",
        "if self.job.prepare_tries:",
        (ROWS,),
    ),
    Mutant(
        "a drop that may not be read tried until the deadline",
        LIBRARY + "submission.py",
        "if count < MOST_REFUSALS:",
        "if True:",
        (ROWS,),
    ),
    Mutant(
        "the vendor's id not logged",
        LIBRARY + "submission.py",
        "        if made:\n            self.world.log.info(",
        "        if not made:\n            self.world.log.info(",
        (ROWS,),
    ),
    Mutant(
        "Retry-After ignored",
        LIBRARY + "submission.py",
        'raise Rest(getattr(error, "after", None)) from None\n        except StartAgain',
        "raise Rest(0) from None\n        except StartAgain",
    ),
    # the ledger
    Mutant(
        "no owner check on a batch's writes",
        LIBRARY + "ledger.py",
        '{"owner": Equals(batch.owner), "attempt": Equals(batch.attempt)}',
        '{"attempt": Equals(batch.attempt)}',
    ),
    Mutant(
        "lease taken from a living worker",
        LIBRARY + "ledger.py",
        '{"lease_until": AbsentOrBelow(self.now()), "closed_at": Absent()}',
        '{"closed_at": Absent()}',
    ),
    Mutant(
        "lease shorter than the function",
        LIBRARY + "arrive.py",
        "invocation.time_left() + world.settings.lease_margin",
        "60",
    ),
    Mutant(
        "own write not known again",
        LIBRARY + "ledger.py",
        "if _is_done(failed.item, changes, owner):",
        "if False:",
    ),
    Mutant(
        "own claim not known again",
        LIBRARY + "ledger.py",
        "ours = bool(job.owner) and found.owner == job.owner",
        "ours = False",
    ),
    Mutant(
        "terminal state not sticky",
        LIBRARY + "ledger.py",
        'expect: dict[str, Expect] = {"state": Equals(str(batch.state))}\n        changes = {"state": str(state)',
        'expect: dict[str, Expect] = {"n": Equals(batch.n)}\n        changes = {"state": str(state)',
        (*SIMULATION, "tests/unit/core/test_ledger.py"),
    ),
    Mutant(
        "job closed twice",
        LIBRARY + "ledger.py",
        '_ENDING: dict[str, Expect] = {"closed_at": Absent()}',
        '_ENDING: dict[str, Expect] = {"created_at": AbsentOrBelow(1 << 60)}',
        (*SIMULATION, "tests/unit/core/test_ledger.py"),
    ),
    Mutant(
        "conditional write made unconditional",
        LIBRARY + "aws/dynamodb.py",
        'ConditionExpression="attribute_not_exists(pk)"',
        'ConditionExpression="attribute_exists(pk) OR attribute_not_exists(pk)"',
        ("tests/unit/aws/test_dynamodb.py",),
    ),
    # spans
    Mutant(
        "a worker does not look at the job again once it has the span's lease",
        LIBRARY + "submit_span.py",
        "job = self.world.ledger.job(self.job.job_id)  # as",
        "job: Job | None = self.job  # as",
        (SPANS,),
    ),
    Mutant(
        "a worker does not see that the job was stopped meanwhile",
        LIBRARY + "submit_span.py",
        "if job is None or job.is_closed or job.packaged_at or job.stops:",
        "if job is None:",
        (SPANS,),
    ),
    Mutant(
        "a job finished while spans of it are submitted",
        LIBRARY + "finish.py",
        "if spans.held:",
        "if False:",
        (SPANS,),
    ),
    Mutant(
        "the lease of a span taken from a living worker",
        LIBRARY + "ledger.py",
        'self._span(span, lease, {"lease_until": AbsentOrBelow(self.now())})',
        'self._span(span, lease, {"job_id": Equals(span.job_id)})',
        (SPANS, FAULTS),
    ),
    Mutant(
        "a span packaged beyond its end",
        LIBRARY + "parcels.py",
        "yield from self.packager.batches(start, self.ends)",
        "yield from self.packager.batches(start)",
        (SPANS,),
    ),
    Mutant(
        "what is left of all spans but the first forgotten",
        LIBRARY + "unsent.py",
        "for span in self.job.spans for piece",
        "for span in self.job.spans[:1] for piece",
        (SPANS,),
    ),
    Mutant(
        "the reason why a span gave up not told",
        LIBRARY + "poll.py",
        '{"failure": spans.failure} if spans.failure else {}',
        "{}",
        (SPANS,),
    ),
    Mutant(
        "a span not gone through again for an operator",
        LIBRARY + "operate.py",
        "            if span.packaged_at:\n",
        "            if False:\n",
        (SPANS,),
    ),
    Mutant(
        "more spans at a time than the route says",
        LIBRARY + "poll.py",
        "room = self.route.side_by_side.workers - len(spans.held)",
        "room = self.route.side_by_side.workers + 1",
        (SPANS,),
    ),
    # canceled
    Mutant(
        "what is in doubt of a canceled job not looked up",
        LIBRARY + "poll.py",
        "if not (in_doubt and can_be_told):",
        "if True:",
        (CANCELED,),
    ),
    Mutant(
        "a batch of a canceled job sent again",
        LIBRARY + "submission.py",
        "return not self.job.cancel_at or batch.decided_after == self.job.cancel_at",
        "return True",
        (CANCELED,),
    ),
    Mutant(
        "any batch that was sent again taken for one decided on since the cancel",
        LIBRARY + "submission.py",
        "batch.decided_after == self.job.cancel_at",
        "(batch.flagged and self.job.sends_decided_only)",
        (CANCELED,),
    ),
    Mutant(
        "a cancel not heeded while batches are sent again",
        LIBRARY + "submission.py",
        "            self._unless_stopped()\n            with as_decisions():",
        "            with as_decisions():",
        (CANCELED,),
    ),
    Mutant(
        "a cancel not heeded while batches are looked up",
        LIBRARY + "submission.py",
        "        if not self.job.stops:\n            self._unless_canceled()",
        "",
        (CANCELED,),
    ),
    Mutant(
        "a look-up without an answer keeps others from being made",
        LIBRARY + "submission.py",
        "            raise NoAnswer(batch) from None",
        "            raise Rest from None",
        (CANCELED,),
    ),
    Mutant(
        "a Retry-After forgotten while a canceled job is looked up",
        LIBRARY + "poll.py",
        'told |= {"ask_after": ',
        'told |= {"ask_from": ',
        (CANCELED,),
    ),
    Mutant(
        "a canceled job asked about at the pace of its look-ups",
        LIBRARY + "poll.py",
        "is_early = now <",
        "is_early = 0 and now <",
        (CANCELED,),
    ),
    Mutant(
        "a call repeated for a canceled job to find out about it",
        LIBRARY + "submission.py",
        "self.session.only_asks = not self._may_send(batch)",
        "self.session.only_asks = False",
        (CANCELED,),
    ),
    Mutant(
        "a canceled job ended while it is looked up",
        LIBRARY + "finish.py",
        "looks_up = not self.job.packaged_at",
        "looks_up = False",
        (CANCELED,),
    ),
    # arrival
    Mutant(
        "execution not started at the claim",
        LIBRARY + "arrive.py",
        "    if not job.is_closed:\n        world.workflow.start(job.execution, job.job_id)\n    if ours:",
        "    if ours:",
    ),
    Mutant(
        "every event a job of its own",
        LIBRARY + "drop.py",
        "return job_id(self.bucket, self.key, self.version_id)",
        'return job_id(self.bucket, self.key, self.version_id + __import__("uuid").uuid4().hex)',
        (*SIMULATION, "tests/unit/core/test_drop.py"),
    ),
    # several jobs
    Mutant(
        "an older full load sent after a newer",
        LIBRARY + "order.py",
        "return Turn.OVER",
        "return Turn.OURS",
        (ACCOUNTS,),
    ),
    Mutant(
        "a full load does not wait for the one before it",
        LIBRARY + "order.py",
        "before.packaged_at or before.is_closed else Turn.WAIT",
        "before else Turn.WAIT",
        (ACCOUNTS,),
    ),
    Mutant(
        "limit of jobs under way not kept",
        LIBRARY + "slots.py",
        "if len(holders) + sum(due <= soon for _, due in ahead) < limit:",
        "if True:",
        (ACCOUNTS,),
    ),
    Mutant(
        "who waits for a place served in any order",
        LIBRARY + "slots.py",
        "sum(due <= soon for _, due in ahead)",
        "0",
        (SLOTS, ACCOUNTS),
    ),
    Mutant(
        "a place kept for who never comes back",
        LIBRARY + "slots.py",
        "if due >= now - LATE_MS]",
        "]",
        (SLOTS,),
    ),
    Mutant(
        "deltas sent in any order",
        LIBRARY + "order.py",
        'in ("full", "delta")',
        'in ("full",)',
        (ACCOUNTS,),
    ),
    Mutant(
        "place of a dead holder not given back",
        LIBRARY + "slots.py",
        "return job is None or not job.is_closed",
        "return True",
        (ACCOUNTS,),
    ),
    Mutant(
        "a circuit opened longer by every call under way",
        LIBRARY + "circuit.py",
        '2.0 ** min(cast(int, item.get("trials", 0)), 8)',
        '2.0 ** min(cast(int, item["failures"]) - OPENS_AT, 8)',
        (ACCOUNTS,),
    ),
    Mutant("circuit never opens", LIBRARY + "circuit.py", "if now < until:", "if False:", (ACCOUNTS,)),
    # waiting
    Mutant(
        "hint written without the handshake",
        ASL,
        " AND (attribute_not_exists(hint_at) OR hint_at < :asked)",
        "",
        (ROWS, "tests/workflow"),
        places=4,  # the states that wait for a callback differ in their time-out alone
    ),
    Mutant(
        "a wait for a callback without a time-out",
        ASL,
        '      "TimeoutSeconds": 60,\n      "Output": "{% $states.input %}",\n      "Catch": [',
        '      "Output": "{% $states.input %}",\n      "Catch": [',
        (ROWS, "tests/workflow"),
    ),
    Mutant(
        "submission retried by the workflow",
        ASL,
        '\n          "ErrorEquals": ["Lambda.TooManyRequestsException"],',
        '\n          "ErrorEquals": ["States.ALL"],',
        ("tests/workflow",),
    ),
    Mutant(
        "submission of a span retried by the workflow",
        ASL,
        '\n                "ErrorEquals": ["Lambda.TooManyRequestsException"],',
        '\n                "ErrorEquals": ["States.ALL"],',
        ("tests/workflow",),
    ),
    Mutant(
        "callback believed",
        LIBRARY + "poll.py",
        "status = self.route.vendor.ask(session, batch)",
        'status = Status(VendorState.SUCCEEDED, "COMPLETED") if self.job.hint_at '
        "else self.route.vendor.ask(session, batch)",
    ),
    Mutant(
        "forged callback let in",
        LIBRARY + "capability.py",
        'genuine = hmac.compare_digest(_mac(key or "none", job_id, int(expires), key_id), mac)',
        "genuine = True",
        (ROWS, "tests/unit/core/test_capability.py"),
    ),
    Mutant(
        "callbacks not limited",
        LIBRARY + "ledger.py",
        '{"hint_at": AbsentOrBelow(self.now() - window_ms), "closed_at": Absent()}',
        '{"closed_at": Absent()}',
    ),
    Mutant(
        "unknown status taken for success",
        LIBRARY + "destinations/base.py",
        "return Status(state or VendorState.RUNNING, text, known=state is not None)",
        "return Status(state or VendorState.SUCCEEDED, text, known=state is not None)",
        ("tests/unit/destinations",),
    ),
    Mutant(
        "deadline not kept",
        LIBRARY + "poll.py",
        "if now >= self.job.deadline_at:",
        "if False:",
    ),
    Mutant(
        "a vendor's 404 believed at once",
        LIBRARY + "poll.py",
        "if error.status in (404, 410) and age > READ_LAG:",
        "if error.status in (404, 410):",
    ),
    # the second net
    Mutant(
        "stranded jobs not looked for",
        LIBRARY + "sweep.py",
        "return age >= world.settings.sweep_age and",
        "return False and",
    ),
    Mutant(
        "lost drops not looked for",
        LIBRARY + "sweep.py",
        "return is_lost and claim_lost(",
        "return False and claim_lost(",
    ),
    Mutant(
        "one bad drop ends the sweep",
        LIBRARY + "sweep.py",
        'except Exception as error:  # whatever it was, the next sweep tries again\n        world.log.exception("drop',
        'except KeyboardInterrupt as error:\n        world.log.exception("drop',
        (ROWS,),
    ),
    Mutant(
        "an execution without a job goes round for ever",
        "functions/poll/app.py",
        'str(given.get("job_id", ""))',
        'str(event["job_id"])',
        (ROWS,),
    ),
    # the end
    Mutant(
        "lease kept by a finish that failed",
        LIBRARY + "finish.py",
        "world.ledger.release(taken, invocation.owner, {})\n        raise",
        "pass\n        raise",
        (ROWS,),
    ),
    Mutant(
        "the unsent rest begun again by each invocation",
        LIBRARY + "unsent.py",
        "piece = kept.get(number)",
        "piece = None",
        (FINISH,),
    ),
    Mutant(
        "the rejects file begun again by each invocation",
        LIBRARY + "rejects_file.py",
        "return found if found.parts == fresh.parts else fresh",
        "return fresh",
        (FINISH,),
    ),
    Mutant(
        "a secret gone bad not taken for what may be mended",
        LIBRARY + "finish.py",
        "ProvablyNotSent, AuthExpired, SecretError)",
        "ProvablyNotSent, AuthExpired)",
        (FINISH,),
    ),
    Mutant(
        "report written while the drop may not be read",
        LIBRARY + "finish.py",
        "and not is_late:\n            raise error",
        "and not is_late:\n            return",
        (ROWS,),
    ),
    Mutant(
        "report written over",
        LIBRARY + "report/publish.py",
        'content_type="application/json", new=True',
        'content_type="application/json"',
    ),
    Mutant(
        "refusals matched by position",
        "layers/batchdrop/kernel/refusals.zig",
        "and std.mem.eql(u8, self.text(self.entries.items[self.next].id), id)",
        "and self.text(self.entries.items[self.next].id).len > 0",
        (ROWS, "tests/unit/core/test_matching.py"),
    ),
    Mutant(
        "sent but unanswered taken for never sent",
        LIBRARY + "account.py",
        "return not batch.may_be_sent",
        "return True",
        (*SIMULATION, "tests/unit/core/test_account.py"),
    ),
    # the wire
    Mutant(
        "requests repeated by the HTTP client",
        LIBRARY + "transport.py",
        "super().__init__(max_retries=0)",
        'super().__init__(max_retries=__import__("urllib3").Retry(total=3, status_forcelist=[500, 502, 503, 504]))',
        HTTP_TESTS,
    ),
    Mutant(
        "a redirect taken for success",
        LIBRARY + "verdict.py",
        "if 200 <= status < 300:",
        "if 200 <= status < 400:",
        HTTP_TESTS,
    ),
    Mutant(
        "a server error taken for a refusal",
        LIBRARY + "verdict.py",
        "if 300 <= status < 500 and status != 408:",
        "if 300 <= status:",
        HTTP_TESTS,
    ),
    # records
    Mutant(
        "lines ended by carriage returns",
        "layers/batchdrop/kernel/json.zig",
        "const end = std.mem.indexOfScalarPos(u8, self.in, self.start, '\\n') orelse {",
        "const end = std.mem.indexOfScalarPos(u8, self.in, self.start, '\\r') orelse {",
        RECORDS,
    ),
    Mutant(
        "numbers through floats",
        LIBRARY + "records/cells.py",
        "    return msgspec.Raw(cell)\n",
        "    return msgspec.Raw(repr(float(cell)).encode())\n",
        RECORDS,
    ),
)


def find(mutant: Mutant) -> tuple[bool, str, float]:
    """Whether a test noticed, which one, and after how many seconds."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutant-") as place:
        root = Path(place)
        _copy(root)
        file = root / mutant.file
        text = file.read_text()
        if (places := text.count(mutant.old)) != mutant.places:
            return False, f"fits {places} places in the source, not {mutant.places}", 0.0
        file.write_text(text.replace(mutant.old, mutant.new))
        if file.suffix == ".zig":
            subprocess.run([sys.executable, KERNEL, LIBRARY + "records/libkernel.so"], cwd=root, check=True)
        for tests in mutant.tests:
            caught = _caught(root, tests)
            if caught:
                return True, caught, time.monotonic() - began
    return False, "SURVIVED", time.monotonic() - began


def _copy(root: Path) -> None:
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, root / name, ignore=shutil.ignore_patterns("__pycache__", "fixtures.tmp"))
        elif source.exists():
            shutil.copy2(source, root / name)


def _caught(root: Path, tests: str) -> str:
    path = f"{root / 'layers' / 'batchdrop'}{os.pathsep}{root}"
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "--no-header", tests]
    done = subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=900)
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    if not failed and done.returncode not in (0, 5):
        return f"pytest ended with {done.returncode}"
    return failed[0].split(" - ")[0].rpartition("::")[2] if failed else ""


def _sound() -> bool:
    """Whether the quick tests pass on a copy without any defect: else what they catch proves nothing."""
    caught, by, _ = find(Mutant("none", "pyproject.toml", "[project]", "[project]", (ROWS, "tests/workflow", *RECORDS)))
    if caught:
        print(f"the tests fail without any defect: {by}")
    return not caught


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="those whose name contains this word")
    parser.add_argument("--jobs", type=int, default=max(1, (os.cpu_count() or 2) - 1), help="so many at a time")
    given = parser.parse_args(arguments)
    chosen = [mutant for mutant in MUTANTS if given.only in mutant.name]
    survivors = 0 if given.only or _sound() else 1
    with ThreadPoolExecutor(given.jobs) as pool:
        for mutant, (caught, by, seconds) in zip(chosen, pool.map(find, chosen), strict=True):
            survivors += not caught
            print(f"{'caught  ' if caught else 'SURVIVED'} {mutant.name:48} {seconds:4.0f} s  {by}", flush=True)
    print(f"\n{len(chosen)} defects, {survivors} not caught")
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
