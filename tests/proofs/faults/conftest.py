"""Every fault of the campaign and every crash point by itself, each with a load and an account of its own."""

from __future__ import annotations

pytest_plugins = ["tests.harness.stacks"]
