"""Patterns for tasks (docs/patterns): rate limits, external calls, warm caches, counted batches, unique jobs, steps.

And for operators: stop points of tasks that are paused or revoked, and the reconciler.
"""
