"""How long ago each step of retention last did all of its work: retention ends, so a process that stays shows it."""

from __future__ import annotations

from prometheus_client import Gauge
from sqlalchemy import text
from sqlalchemy.engine import Connection

from app import contract

_AGE = Gauge(contract.METRIC_RETENTION_AGE_SECONDS, "Since a step of retention last did all of its work.", ["step"])
_STEPS = text("SELECT step, extract(epoch FROM now() - succeeded_at) AS age_seconds FROM retention_steps")


def show(connection: Connection) -> None:
    """Read the ages and show them."""
    for row in connection.execute(_STEPS):
        _AGE.labels(row.step).set(float(row.age_seconds))
