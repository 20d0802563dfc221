"""Chords and results on three brokers: what dies in the middle, and what was asked for."""

from __future__ import annotations

pytest_plugins = ["tests.harness.stacks"]
