"""Counted batches, unique jobs and tasks in steps on real servers: killed, repeated, without Redis."""

from __future__ import annotations

pytest_plugins = ["tests.harness.stacks", "tests.harness.quiet_stack"]
