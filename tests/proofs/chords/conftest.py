"""Chords and results on three brokers, while processes and servers are killed."""

from __future__ import annotations

pytest_plugins = ["tests.harness.stacks"]
