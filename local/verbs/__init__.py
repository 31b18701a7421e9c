"""The verbs of the `batchdrop` command, by what they deal with."""
