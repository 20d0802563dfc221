"""What tasks may use beyond queues: limits, calls, caches, batches of rows, unique jobs, steps (docs/patterns)."""
