"""Work on an emulator of SQS."""

from __future__ import annotations

pytest_plugins = ["tests.harness.stacks", "tests.harness.sqs_stacks"]
