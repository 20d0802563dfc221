"""What `make test` shows on real servers: two stacks, one with a single broker and one with three, side by side."""

from __future__ import annotations

pytest_plugins = ["tests.harness.stacks"]
