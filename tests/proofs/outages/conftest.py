"""Outages of a minute: what the campaign shows in seconds, for as long as the promises say."""

from __future__ import annotations

pytest_plugins = ["tests.harness.stacks"]
