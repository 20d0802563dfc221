"""RabbitMQ's image as Kubernetes runs it, three nodes, each version that has an image."""

from __future__ import annotations

pytest_plugins = ["tests.harness.stacks"]
