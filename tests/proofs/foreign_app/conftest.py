"""A Celery application of somebody else, on a pool of its own."""

from __future__ import annotations

import os
from pathlib import Path

from app import contract

# Before the harness is read: it asks once which queues there are.
os.environ[contract.QUEUES_FILE_VARIABLE] = str(Path(__file__).with_name("queues.toml"))
contract.queues.cache_clear()

pytest_plugins = ["tests.harness.stacks"]
