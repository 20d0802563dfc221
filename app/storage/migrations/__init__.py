"""Alembic migrations; `python -m app migrate` runs them as the role `owner`."""
