"""The balance when all has ended: what was dropped, what the reports say, what the ledger and the vendors hold."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from batchdrop.job import Batch, Job
from batchdrop.words import BatchState
from local.simulators.records import Commit
from local.simulators.server import Simulator
from tests.e2e.crowd import Dropped, tags_in
from tests.e2e.rig import Rig

ENDS = {"completed", "completed_with_rejects", "handed_over", "failed", "held"}
HARMLESS = {"batch_file", "upload", "batch"}  # made for an attempt, and nothing by themselves
PREPARED = {"job", "document_import"}  # made for a job before its first batch


@dataclass(slots=True)
class Balance:
    """One look at everything. `wrong` says what does not add up."""

    rig: Rig
    vendors: Mapping[str, Simulator[Any]]
    drops: Sequence[Dropped]
    wrong: list[str] = field(default_factory=list)
    outcomes: Counter[str] = field(default_factory=Counter)
    records: Counter[str] = field(default_factory=Counter)
    totals: Counter[str] = field(default_factory=Counter)

    def strike(self) -> list[str]:
        """Compare everything with everything; returns what is wrong."""
        self._one_report_each()
        commits = {name: self._commits(name) for name in self.vendors}
        tries: Counter[str] = Counter()
        for drop in self.drops:
            job, batches = self.rig.ledger.job(drop.job), self.rig.ledger.batches(drop.job)
            if job is None or not job.is_closed:
                self.wrong.append(f"{drop.tag}: job {drop.job} has not ended")
                continue
            tries[f"attempts {drop.vendor}"] += sum(batch.attempt for batch in batches)
            tries[f"preparations {drop.vendor}"] += job.prepare_tries
            self._job(drop, job, batches, commits[drop.vendor].pop(drop.job, []))
        for name, vendor in self.vendors.items():
            self.wrong += [
                f"{name} holds {c.id} of job {job}, never dropped" for job in commits[name] for c in commits[name][job]
            ]
            self.wrong += [f"{name}: {violation}" for violation in vendor.violations]
            self._creates(name, vendor, tries)
        return self.wrong

    def _one_report_each(self) -> None:
        listed = self.rig.client("s3").get_paginator("list_object_versions")
        pages = listed.paginate(Bucket=self.rig.results, Prefix="jobs/")
        keys = [v["Key"].split("/") for page in pages for v in page.get("Versions", [])]
        reports = Counter(key[-2] for key in keys if key[-1] == "report.json")
        jobs = {drop.job for drop in self.drops}
        self.wrong += [f"{drop.tag}: {reports[drop.job]} reports" for drop in self.drops if reports[drop.job] != 1]
        self.wrong += [f"two drops made one job: {len(self.drops)} drops, {len(jobs)} jobs"] * (
            len(jobs) != len(self.drops)
        )
        self.totals["reports"] = sum(reports[job] for job in jobs)

    # --- one job ---

    def _job(self, drop: Dropped, job: Job, batches: list[Batch], commits: list[Commit]) -> None:
        report, counts = self.rig.report(drop.job), Counter(job.counts)
        self.outcomes[job.outcome] += 1
        self.records.update(counts)
        for wrong in (*self._account(drop, job, report), *self._vendor(drop, report, batches, commits)):
            self.wrong.append(f"{drop.tag} {job.job_id} ({job.outcome}): {wrong}")

    def _account(self, drop: Dropped, job: Job, report: dict[str, Any]) -> Iterator[str]:
        counts = report["counts"]
        if (report["job_id"], report["outcome"], counts) != (job.job_id, job.outcome, job.counts):
            yield "report and ledger differ"
        if job.outcome not in ENDS:
            yield f"it should have ended otherwise: {report['reason']}"
        if (
            sum(count for name, count in counts.items() if name != "records") != drop.records
            or counts["records"] != drop.records
        ):
            yield f"{drop.records} records dropped, but {counts}"
        if counts["invalid"] != drop.invalid:
            yield f"{drop.invalid} records were invalid, but {counts}"

    def _vendor(
        self, drop: Dropped, report: dict[str, Any], batches: list[Batch], commits: list[Commit]
    ) -> Iterator[str]:
        counts, vendor = report["counts"], self.vendors[drop.vendor]
        held = {name for commit in commits if commit.bodies for _, name in tags_in(vendor.records_of(commit))}
        attempts = sum(batch.attempt for batch in batches)
        self.totals["commits"] += len(commits)
        self.totals["attempts"] += attempts
        self.totals["told as possible duplicates"] += (told := "possible_duplicate" in str(report["warnings"]))
        if counts["accepted"] > len(held & drop.good):
            yield f"{counts['accepted']} accepted, but the vendor holds {sorted(held)}"
        if held and counts["unprocessed"]:
            yield f"{counts['unprocessed']} unprocessed, but the vendor holds {sorted(held)}"
        if any(name.endswith("-90") for name in held):
            yield "an invalid record was sent"
        if len(commits) > attempts:
            yield f"{len(commits)} submissions, {attempts} attempts recorded"
        if len(commits) > 1 and not told:
            yield f"submitted {len(commits)} times, and the report does not say so"
        known = {value for b in batches for receipt in (b.receipt, *b.orphans) for value in receipt.values()}
        in_doubt = told or any(batch.status is BatchState.HELD for batch in batches)
        for commit in commits:
            if not {commit.id, commit.detail.get("receipt")} & known and not in_doubt:
                yield f"submission {commit.id} is not in the ledger"

    # --- one vendor ---

    def _commits(self, name: str) -> dict[str, list[Commit]]:
        """The vendor's submissions by job."""
        jobs, found = {drop.tag: drop.job for drop in self.drops}, defaultdict(list)
        for commit in self.vendors[name].commits:
            if "file" in commit.detail:  # Sherpa may never have fetched it: known by where it lay
                job = commit.detail["file"].split("/batches/")[0].rpartition("/")[2]
            else:
                tags = {tag for tag, _ in tags_in(self.vendors[name].records_of(commit))}
                job = jobs.get(tags.pop(), "?") if len(tags) == 1 else "?"
            found[job].append(commit)
        return found

    def _creates(self, name: str, vendor: Simulator[Any], tries: Mapping[str, int]) -> None:
        made = Counter(created.kind for created in vendor.created)
        for kinds, what in ((HARMLESS, "attempts"), (PREPARED, "preparations")):
            count, known = sum(made[kind] for kind in kinds), tries[f"{what} {name}"]
            self.totals["harmless creates"] += count
            if count > known:
                self.wrong.append(f"{name}: {count} things made, {known} {what} recorded: {json.dumps(made)}")
