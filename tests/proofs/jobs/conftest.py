"""Jobs that are revoked, or whose items expire, wherever their messages are."""

from __future__ import annotations

pytest_plugins = ["tests.harness.stacks"]
