"""On the deployment of `make staging`."""

from __future__ import annotations

pytest_plugins = ["tests.harness.kubernetes.plugin"]
