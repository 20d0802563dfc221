"""The Celery worker: its consumer, its requests, its heartbeat and probe, its metrics, its start and end."""
