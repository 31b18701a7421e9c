"""Report documents of every kind, as plain builders: the tests of the page and the pictures in the docs use them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_IN_FILE = ("invalid", "rejected", "unprocessed")
OUTCOMES = ("accepted", "invalid", "rejected", "unprocessed", "unconfirmed")
Document = dict[str, object]
_START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)


def at(seconds: float) -> str:
    return (_START + timedelta(seconds=seconds)).isoformat()


def counts(**given: int) -> dict[str, int]:
    return {"records": sum(given.values())} | {name: given.get(name, 0) for name in OUTCOMES}


def batch(n: int, state: str = "succeeded", begin: float = 2.0, wait: float | None = 95.0, **given: int) -> Document:
    """Batch `n`, packaged at `begin`, at the vendor for `wait` seconds (None: it never answered)."""
    account = counts(**(given or {"accepted": 1000}))
    done = None if wait is None else at(begin + 3 + wait)
    return {
        "n": n,
        "receipt": {"batch_id": f"b-{n:04d}-7f3a91", "upload": f"{n:08x}"},
        "records": account["records"],
        "bytes": account["records"] * 171 + n,
        "sha256": f"{n:064x}",
        "state": state,
        "attempts": 1,
        "counts": {name: account[name] for name in OUTCOMES},
        "inferred": False,
        "packaged_at": at(begin),
        "submitted_at": at(begin + 3),
        "done_at": done,
        "collected_at": None if wait is None else at(begin + 3 + wait + 4),
    }


def report(outcome: str = "completed", **given: object) -> Document:
    """A report with this outcome; `given` replaces whole fields."""
    document: Document = {
        "schema": "batchdrop.report/1",
        "job_id": "5b1f0c9a27de4413",
        "route": "products",
        "destination": "sherpa",
        "outcome": outcome,
        "reason": "",
        "revision": 1,
        "previous": None,
        "duplicate_content_of": None,
        "drop": {
            "bucket": "batchdrop-drops",
            "key": "drops/products/catalogue 2026-03.csv",
            "version_id": "Zx81kQ0",
            "size": 171_003,
            "sha256": "ab" * 32,
        },
        "counts": counts(accepted=1000),
        "batches": [batch(1)],
        "rejects": [],
        "rejects_file": "rejects.csv",
        "warnings": [],
        "unmatched_vendor_errors": [],
        "timeline": [{"at": at(0), "event": "claimed"}, {"at": at(110), "event": "finished"}],
        "started_at": at(0),
        "finished_at": at(110),
        "results": ["results/batch-1.json"],
        "what_next": [],
    }
    found = document | given
    return {"reject_reasons": reasons(found["counts"])} | found


def reasons(account: object, *known: Document) -> list[Document]:
    """Of all that this account has in the rejects file, beyond those that are known."""
    assert isinstance(account, dict)
    left = {name: account[name] - sum(int(str(k["count"])) for k in known if k["outcome"] == name) for name in _IN_FILE}
    return [*known, *({"outcome": name, "code": "", "message": "", "count": n} for name, n in left.items() if n)]


def with_rejects() -> Document:
    """Six batches, two callbacks, refused records of several kinds, a warning."""
    batches = [batch(n, begin=2 + 9 * n, wait=60.0 + 25 * (n % 3), accepted=1990, rejected=n + 2) for n in range(1, 6)]
    batches.append(batch(6, "canceled", begin=62, wait=30.0, accepted=0, unprocessed=40) | {"inferred": True})
    reasons = [
        ("rejected", "EntityAlreadyExistsException", 17, "An entity with this id already exists."),
        ("invalid", "bad_number", 9, "price is not a number"),
        ("rejected", "InvalidCategory", 8, "Category is unknown."),
        ("invalid", "missing_id", 3, "itemId is empty"),
    ]
    rejects = [
        {"line": 14 + 61 * i, "id": f"SKU-{4000 + 7 * i}", "outcome": o, "code": c, "message": m}
        for i, (o, c, _, m) in enumerate(reasons * 4)
    ]
    return report(
        "completed_with_rejects",
        reason="37 records were refused and one batch was canceled at the vendor.",
        counts=counts(accepted=9950, invalid=12, rejected=25, unprocessed=40),
        batches=batches,
        rejects=rejects,
        reject_reasons=[{"outcome": o, "code": c, "count": n, "message": m} for o, c, n, m in reasons],
        warnings=["Batch 6 was canceled at the vendor by someone else."],
        timeline=[
            {"at": at(0), "event": "claimed"},
            {"at": at(75), "event": "callback received for batch 1"},
            {"at": at(128), "event": "callback received for batch 4"},
            {"at": at(180), "event": "finished"},
        ],
        finished_at=at(180),
    )


def held() -> Document:
    batches = [
        batch(1, accepted=400),
        batch(2, "held", begin=9, wait=None, unconfirmed=380) | {"attempts": 2, "receipt": {}},
    ]
    return report(
        "held",
        reason="The connection broke after batch 2 was sent, and the vendor cannot be asked.",
        counts=counts(accepted=400, invalid=3, unconfirmed=380),
        batches=batches,
        finished_at=at(1900),
    )


def handed_over() -> Document:
    batches = [batch(1, "handed_over", wait=None, unconfirmed=2) | {"done_at": at(5)}]
    return report("handed_over", destination="haplo", counts=counts(unconfirmed=2), batches=batches)


def refused() -> Document:
    """A drop that could not be read: no batch was made."""
    return report(
        "failed",
        reason="Line 1,204 has an unterminated quote. Close it and drop the file again.",
        counts=counts(invalid=5120),
        batches=[],
        results=[],
    )


def many_batches(number: int) -> Document:
    batches = [batch(n, begin=2.0 * n, wait=200.0, accepted=500) for n in range(1, number + 1)]
    return report(counts=counts(accepted=500 * number), batches=batches, finished_at=at(2.0 * number + 300))


HOSTILE_TEXTS = (
    "<script>document.title='RAN'</script><img src=x onerror=\"document.title='RAN'\">",
    "</style></title><h1>injected</h1><style>*{display:none}</style>",
    "\u202egnp.exe\u2066 \u200f" + "\u05e9\u05dc\u05d5\u05dd " * 20,
    "a\x00b\x07c\x1b[31mred\x7f\x85\ud800\r\nnext\tcell",
    "X" * 10_000,
    "' onmouseover='document.title=1' x='\" autofocus onfocus=\"document.title=1",
    "Z" + "\u0301\u0320" * 400 + "algo",
    "&lt;b&gt; ]]> --> {{7*7}} ${7*7} %s %(x)s javascript:alert(1)",
)


def hostile() -> Document:
    """Every text that a file, a user or a vendor can choose is out to break the page."""
    texts = HOSTILE_TEXTS
    rejects = [{"line": i + 2, "id": t, "outcome": "rejected", "code": t, "message": t} for i, t in enumerate(texts)]
    return report(
        "completed_with_rejects",
        reason=texts[0],
        route=texts[1],
        destination=texts[6],
        job_id=texts[5],
        drop={"bucket": texts[7], "key": texts[0] + texts[4], "version_id": texts[3], "size": 1, "sha256": texts[2]},
        counts=counts(accepted=1, rejected=len(texts)),
        batches=[
            batch(1, texts[1], accepted=1, rejected=len(texts))
            | {"message": texts[4], "receipt": {t: t for t in texts}, "sha256": texts[0]}
        ],
        rejects=rejects,
        reject_reasons=[{"outcome": "rejected", "code": t, "count": 1, "message": t} for t in texts],
        warnings=list(texts),
        unmatched_vendor_errors=[{"id": t, "code": t, "message": t} for t in texts],
        timeline=[{"at": t, "event": t} for t in texts],
        results=["javascript:alert(1)", "../../etc/passwd", "//evil.example/x", *texts],
        rejects_file="javascript:alert(1)",
        duplicate_content_of=texts[1],
        previous=texts[2],
        revision=2,
    )


def jobs(days: int = 30) -> list[Document]:
    """Jobs of a route, some each day."""
    outcomes = ("completed", "completed_with_rejects", "completed", "failed", "completed", "handed_over")
    found = []
    for day in range(days):
        for i in range(1 + day * 7 % 5):
            seconds = -86_400 * day - 3_600 * i
            outcome = outcomes[(day + 2 * i) % len(outcomes)]
            job = report(outcome, job_id=f"job-{day}-{i}", started_at=at(seconds), finished_at=at(seconds + 100 + day))
            found.append(job | {"path": f"2026/02/01/job-{day}-{i}/report.html"})
    return found
