"""Celery's result backends with our changes: results are reported with patience, and a chord ends once."""
