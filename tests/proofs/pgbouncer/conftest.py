"""The processes behind two PgBouncers, one of which is killed, cut off or slow."""

from __future__ import annotations

pytest_plugins = ["tests.harness.stacks"]
