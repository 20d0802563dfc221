"""Patterns that any task may use: limits, calls, batches, ..."""
