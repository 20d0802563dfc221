"""Work on Redis as a broker."""

from __future__ import annotations

pytest_plugins = ["tests.harness.stacks", "tests.harness.redis_stacks"]
