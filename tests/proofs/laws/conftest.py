"""Laws of batches, schedules and migrations: Hypothesis draws the cases, PostgreSQL is real."""

from __future__ import annotations

pytest_plugins = ["tests.harness.stacks"]
