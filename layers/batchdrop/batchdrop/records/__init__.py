"""The records engine: read a drop of any size at flat memory, check it, and cut it into batches with exact values."""
