"""A planted bug: messages are acknowledged on arrival, as Celery does by default. What a dying child held is lost."""

from __future__ import annotations

from app.__main__ import main
from app.brokers.celery_app import celery_app

celery_app.conf.task_acks_late = False
main()
