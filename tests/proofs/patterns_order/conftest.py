"""Tasks in order, and fairness between tenants, on real servers."""

from __future__ import annotations

pytest_plugins = ["tests.harness.stacks", "tests.harness.quiet_stack"]
