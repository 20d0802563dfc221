"""RabbitMQ 4.0, which Debian stable ships: lost nodes, as on 4.3."""

from __future__ import annotations

pytest_plugins = ["tests.harness.stacks"]
