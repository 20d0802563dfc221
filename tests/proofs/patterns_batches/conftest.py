"""Counted batches, one job a key, and tasks of hours, on real servers: killed, repeated, and without Redis."""

from __future__ import annotations

pytest_plugins = ["tests.harness.stacks"]
