"""The application's image under what Kubernetes does and compose does not."""

from __future__ import annotations

pytest_plugins = ["tests.harness.stacks"]
