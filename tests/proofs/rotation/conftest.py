"""Passwords are rotated on real servers, under load."""

from __future__ import annotations

pytest_plugins = ["tests.harness.stacks"]
