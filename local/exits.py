"""What the command's exit codes mean."""

from __future__ import annotations

FAILED, WITH_REJECTS, TIMED_OUT = 1, 4, 124

EXIT_CODES = {
    0: "done; of a job: completed or handed over",
    FAILED: "it could not be done; of a job: any other outcome",
    2: "the command was not understood",
    WITH_REJECTS: "done, but not every record was accepted",
    TIMED_OUT: "wait: the time was up first",
    130: "Ctrl-C",
}
