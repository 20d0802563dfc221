"""`wait_for_release`: keeps a message going round until a worker comes that knows its task."""

from __future__ import annotations

from typing import Any

from app import contract
from app.brokers.celery_app import celery_app
from app.kinds.retries import RELEASE_AGAIN_SECONDS


def redirect(headers: dict[str, Any]) -> None:
    """Turn a message of an unknown task into one of `wait_for_release`, in place."""
    headers[contract.MESSAGE_TASK] = headers["task"]
    headers["task"] = contract.TASK_WAIT_FOR_RELEASE


@celery_app.task(name=contract.TASK_WAIT_FOR_RELEASE, bind=True, typing=False)
def wait_for_release(self: Any, /, *_: Any, **__: Any) -> None:
    """Send the message again under its own task name, after `RELEASE_AGAIN_SECONDS`.

    Raises:
        Ignore: always.
    """
    name = str(getattr(self.request, contract.MESSAGE_TASK))
    raise self.park(RELEASE_AGAIN_SECONDS, reason=f"this release has no task {name}", task_name=name)
