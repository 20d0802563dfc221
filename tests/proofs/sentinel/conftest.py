"""Redis with two replicas and three sentinels: a lost primary, and what clients see of it."""

from __future__ import annotations

pytest_plugins = ["tests.harness.stacks"]
