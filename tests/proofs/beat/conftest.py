"""Canaries through outages of broker and workers."""

from __future__ import annotations

pytest_plugins = ["tests.harness.stacks"]
