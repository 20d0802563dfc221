"""The gateway against its own OpenAPI document, with generated requests."""

from __future__ import annotations

pytest_plugins = ["tests.harness.stacks"]
