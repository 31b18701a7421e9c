"""Batchdrop: a file dropped in a bucket becomes a vendor's batch import and one honest report."""

__version__ = "0.1.0"
