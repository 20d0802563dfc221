"""Telemetry of every process: JSON logs, the ids that tie a request to its tasks, metrics."""
