"""Tasks of somebody else, in an image built on ours: what Celery's users write does what they expect."""

from __future__ import annotations

pytest_plugins = ["tests.harness.stacks", "tests.proofs.own_image.image"]
