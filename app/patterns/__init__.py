"""Patterns for tasks: rate limits, external calls, warm caches, counted batches, unique jobs, steps (docs/patterns)."""
