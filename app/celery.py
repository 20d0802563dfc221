"""The app for Celery's own commands: `celery -A app inspect ping`, `call`, `report`. Every task is registered in it."""

from __future__ import annotations

from app.brokers.celery_app import celery_app as celery
from app.kinds.registry import import_tasks
from app.settings import load

import_tasks(load())

__all__ = ["celery"]
