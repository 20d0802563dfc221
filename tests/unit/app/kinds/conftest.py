"""Tasks that a test declares end with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from app.brokers.celery_app import celery_app


@pytest.fixture(autouse=True)
def _own_tasks() -> Iterator[None]:
    """Tasks of one test are none of another's."""
    before = set(celery_app.tasks)
    yield
    for name in set(celery_app.tasks) - before:
        celery_app.tasks.pop(name)
