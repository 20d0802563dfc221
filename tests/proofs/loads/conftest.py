"""The load itself, on one stack: the instrument that every other proof trusts."""

from __future__ import annotations

pytest_plugins = ["tests.harness.stacks"]
