"""What holds for every batch, every schedule and every migration: Hypothesis draws them, PostgreSQL is real."""

from __future__ import annotations

pytest_plugins = ["tests.harness.stacks"]
