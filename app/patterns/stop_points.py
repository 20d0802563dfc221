"""Stop points: places where a task that runs may be stopped, because its job was revoked or it was paused.

    for page in pages:
        stop_if_asked()
        fetch(page)

A task in steps stops between its steps without this (`app/patterns/steps.py`).
"""

from __future__ import annotations

import time

from app.errors import JobRevokedError, PausedError
from app.kinds.asking import asking
from app.kinds.base import running_task
from app.kinds.pausing import LOOK_SECONDS
from app.storage import inbox

#: In the request of a run: when it may ask again whether its job was revoked.
_ASK_AT = "revocation_asked_at"


def stop_if_asked() -> None:
    """Stop the running task here if it was asked to stop. It asks PostgreSQL at most twice a second; else it is free.

    A task `once` rolls back. A task at least once begins anew after the resume, so let it pass over what is done.

    Raises:
        JobRevokedError: its job was revoked; its item counts as revoked.
        PausedError: it or its queue is paused; its message waits for the resume, at the same attempt.
    """
    task = running_task()
    if task.paused:
        raise PausedError(f"({task.known_as})")
    if task.job_id is None or time.monotonic() < getattr(task.request, _ASK_AT, 0.0):
        return
    with asking() as connection:
        if inbox.revoked_jobs(connection, [task.job_id]):
            raise JobRevokedError(f"({task.job_id})")
    task.request.update({_ASK_AT: time.monotonic() + LOOK_SECONDS})
