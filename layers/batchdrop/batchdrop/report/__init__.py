"""The one report of a job: its document, its page, the rejects file, and what to do next."""
