"""The words for programs: codes of records and reasons of jobs that are ours. A test holds them against the code."""

from __future__ import annotations

from collections.abc import Mapping

from local.docs.markdown import table

INVALID: Mapping[str, str] = {
    "carriage_return": "a carriage return stands outside of quotes in a CSV row",
    "duplicate_id": "an earlier record has the same id, under `duplicates: reject`",
    "duplicate_key": "a JSON object has a key twice, or gets it twice by `input.rename`",
    "id_characters": "the id holds a character that the vendor's ids must not",
    "not_a_number": "NaN or Infinity, which JSON does not have",
    "not_an_object": "the record is JSON, but no object",
    "not_mended": "a record that could not be read still stands in `batchdrop_raw` of a rejects file",
    "nul": "a CSV cell holds a NUL character",
    "number_length": "a JSON number has more than 1,000 characters",
    "number_range": "a JSON number with a point or an exponent is beyond what a double can hold",
    "over_batch_limit": "the record alone is bigger than a batch may be",
    "replaced": "a later record has the same id, under `duplicates: last_wins`; not in the rejects file",
    "required": "a field that every record must have is missing or empty, such as the id",
    "row_too_long": "the row has more cells than the header",
    "row_too_short": "the row has fewer cells than the header",
    "surrogate": "half of a surrogate pair in a JSON text, which is no character",
    "syntax": "the line or the array's element is not valid JSON",
    "too_big": "the record is bigger than `input.max_record_bytes`",
    "too_deep": "the JSON is nested deeper than `input.max_depth`",
    "wrong_type": "a cell does not fit the type of its column, or a JSON id is neither text nor number",
}
OTHERS: Mapping[str, tuple[str, str]] = {
    "already_present": ("unconfirmed", "the vendor has the id already, perhaps from our own earlier attempt"),
    "batch_refused": ("rejected", "the vendor refused the whole batch without a code; with an HTTP status, that is it"),
    "not_sent": ("unprocessed", "never sent; where the job failed, the job's reason stands here in its place"),
}
FAILURES: Mapping[str, str] = {
    "bomb": "the file expands further than `input.max_ratio` or `input.max_expanded_bytes` allow",
    "canceled": "canceled on request",
    "changed": "the file is not what it was when it was looked into",
    "compression": "the file is not packed as `input.compression` says",
    "content": "the file is of another kind (an image, XML, an office document, …) or not what its name says",
    "control": "the control file of a set (Haplo) cannot be used",
    "corrupt": "the packed data is damaged",
    "credentials": "the vendor refused the credentials twice",
    "drop_changed": "a batch can no longer be made as it was when it was first begun",
    "duplicate_content": "the same bytes were dropped before, under `on_duplicate_content: skip`",
    "duplicate_header": "two columns of the header have, or get, the same name",
    "duplicates": "too many records repeat an id",
    "empty": "there is no record in it",
    "encoding": "the text is not in the route's encoding",
    "format": "the file is not of the route's format, or not of one that can become what the vendor takes",
    "header": "the header cannot be used",
    "invalid_records": "a file of a set has no valid record, or has invalid ones that may not be left out",
    "json": "the JSON around the records, or a file of a set that must be JSON, is broken",
    "line_ends": "lines end with carriage returns only",
    "line_length": "a line of a file that goes as it is is too long",
    "manifest": "the set is not what the manifest in its `_READY` says",
    "missing_column": "the header lacks a column that the route names as id or as required",
    "no_route": "there is no route of this name, or it is not valid",
    "object_gone": "the dropped object, or this version of it, is no longer there",
    "out_of_order": "a newer version of the file was loaded before this one came",
    "quotes": "a quote in a CSV file is wrong or never closed: nobody can tell how many records it has swallowed",
    "refused": "the vendor refused the job before any batch",
    "secret": "the route's secret is missing or lacks a field",
    "set": "the set, or a name in it, cannot be used",
    "superseded": "a newer version of the file is loaded",
    "too_big": "the set, or a file of it, is bigger than the vendor takes",
    "too_many_batches": "a job, or a span, has as many batches as it may have; the rest was not sent",
    "truncated": "the file ends in the middle",
    "unreadable": "the drop may not be read: permissions are missing",
    "zip": "the ZIP cannot be used: several files, odd names, encryption, …",
}


def records() -> str:
    """The codes of records."""
    found = {**{code: ("invalid", meaning) for code, meaning in INVALID.items()}, **OTHERS}
    rows = ((f"`{code}`", f"`{found[code][0]}`", found[code][1]) for code in sorted(found))
    return table(("code", "outcome", "meaning"), rows)


def failures() -> str:
    """The reasons of jobs."""
    return table(("reason", "meaning"), ((f"`{reason}`", FAILURES[reason]) for reason in sorted(FAILURES)))
