"""What beat sends, and when. Pure: beat's own settings of the Celery app."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from app import contract

#: Long ago: everything is due at the start, so that a beat that cannot publish says so at once.
_NEVER = datetime(2000, 1, 1, tzinfo=UTC)


def canaries(seconds: float) -> dict[str, dict[str, Any]]:
    """One canary a queue, each void as soon as the next one is due: a worker acknowledges and drops what is too old."""
    ours = (queue.name for queue in contract.queues() if not queue.foreign)
    return {
        f"canary-{queue}": {
            "task": contract.TASK_CANARY,
            "schedule": timedelta(seconds=seconds),
            "last_run_at": _NEVER,
            "options": {"queue": queue, "expires": seconds},
        }
        for queue in ours
    }
