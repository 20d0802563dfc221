"""The dump of a single PostgreSQL, and what a restore brings back."""

from __future__ import annotations

pytest_plugins = ["tests.harness.stacks"]
