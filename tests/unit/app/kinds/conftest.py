"""Tasks that a test declares end with it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from celery import _state

from app.brokers.celery_app import celery_app


@pytest.fixture(autouse=True)
def _own_tasks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Tasks of one test are none of another's."""
    before = set(celery_app.tasks)
    # Celery registers a shared task in every application that is created later, those of other tests too.
    monkeypatch.setattr("celery._state._on_app_finalizers", set(vars(_state)["_on_app_finalizers"]))
    yield
    for name in set(celery_app.tasks) - before:
        celery_app.tasks.pop(name)
