"""A planted bug: messages are acknowledged on arrival, as Celery does by default. What a dying child held is lost."""

from __future__ import annotations

import lingering  # type: ignore[import-not-found]  # noqa: F401 - beside this in /mutants; before what it changes

from app.__main__ import main
from app.brokers.celery_app import celery_app

celery_app.conf.task_acks_late = False
main()
